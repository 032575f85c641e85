"""Print which credentials botocore uses, for each environment on stdin.

stdin: a JSON list of environments. stdout: a JSON list of {"key", "method",
"error"}, in the same order. Only the relative container URI is faked: its
address can't be served on a test machine, so it goes to RELATIVE_TO.
"""

import json
import os
import sys

import botocore
import botocore.credentials
import botocore.session
import botocore.tokens
import botocore.utils

RELATIVE_TO = os.environ["RELATIVE_TO"]


def winner(environment):
    os.environ.clear()
    os.environ.update(environment)
    # Computed once, when the module is loaded.
    cache = os.path.expanduser(os.path.join("~", ".aws", "sso", "cache"))
    botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR = cache
    botocore.tokens.SSOTokenProvider._SSO_TOKEN_CACHE_DIR = cache
    try:
        found = botocore.session.Session().get_credentials()
        if found is None:
            return {"key": "", "method": "", "error": ""}
        method = found.method
    except Exception as error:  # every objection is an answer here
        return {"key": "", "method": "", "error": type(error).__name__}
    try:
        return {"key": found.get_frozen_credentials().access_key, "method": method, "error": ""}
    except Exception as error:
        return {"key": "", "method": method, "error": type(error).__name__}


botocore.utils.ContainerMetadataFetcher.full_url = lambda self, path: RELATIVE_TO + "/relative"

json.dump(
    {"version": botocore.__version__, "winners": [winner(e) for e in json.load(sys.stdin)]},
    sys.stdout,
)
