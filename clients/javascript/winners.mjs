// Prints which credentials the AWS SDK for JavaScript uses, for each
// environment on stdin: the same protocol as ../python/winners.py. Only the
// relative container URI is faked: it goes to RELATIVE_TO.
import http from "node:http";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { readFileSync } from "node:fs";

const relativeTo = new URL(process.env.RELATIVE_TO);
const request = http.request;
http.request = (options, callback) => {
  if (options.host === "169.254.170.2" || options.hostname === "169.254.170.2") {
    options = { ...options, host: relativeTo.hostname, hostname: relativeTo.hostname, port: relativeTo.port };
  }
  return request(options, callback);
};
syncBuiltinESMExports();

const require = createRequire(import.meta.url);
const { fromNodeProviderChain } = require("@aws-sdk/credential-providers");
const { version } = require("@aws-sdk/credential-providers/package.json");
console.warn = () => {};

const winners = [];
for (const environment of JSON.parse(readFileSync(0, "utf8"))) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environment);
  try {
    const found = await fromNodeProviderChain({ maxRetries: 0, timeout: 1000 })();
    winners.push({ key: found.accessKeyId, method: "", error: "" });
  } catch (error) {
    winners.push({ key: "", method: "", error: String(error.name) + ": " + String(error.message) });
  }
}
process.stdout.write(JSON.stringify({ version, winners }));
