// Asks AWS who it is, again and again from one client, and prints the access
// key of each call: argument 1 is for how many seconds.
import { STSClient, GetCallerIdentityCommand } from "@aws-sdk/client-sts";

const client = new STSClient({});
const end = Date.now() + Number(process.argv[2]) * 1000;
while (Date.now() < end) {
  const { Arn } = await client.send(new GetCallerIdentityCommand({}));
  const { accessKeyId } = await client.config.credentials();
  console.log(accessKeyId, Arn);
  await new Promise((done) => setTimeout(done, 300));
}
