"""Asks AWS who it is, again and again from one session, and prints the access
key of each call: argument 1 is for how many seconds."""

import sys
import time

import botocore.session

session = botocore.session.get_session()
client = session.create_client("sts")
end = time.time() + float(sys.argv[1])
while time.time() < end:
    arn = client.get_caller_identity()["Arn"]
    print(session.get_credentials().get_frozen_credentials().access_key, arn, flush=True)
    time.sleep(0.3)
