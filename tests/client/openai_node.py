#!/usr/bin/env python3
"""The official Node SDK against the real binaries over TLS: starts them and openai_node.mjs, whose TAP is ours."""

import json
import os
import pathlib
import subprocess
import sys

import scenario
import sdk
import transcripts

HERE = pathlib.Path(__file__).resolve().parent


def main():
    modules = sdk.node_modules()
    with scenario.start() as relay:
        facts = {"baseURL": relay.base_url, "keys": relay.keys, "email": scenario.EMAIL, "tools": scenario.TOOLS,
                 "models": sorted(relay.models), "pem": scenario.pem(), "bodyBytes": scenario.BODY_BYTES,
                 "vendorKey": relay.vendor.key, "record": str(relay.vendor.record_file),
                 "ledger": str(relay.vendor.ledger_file), "streams": transcripts.expectations()}
        environment = os.environ | {"NODE_EXTRA_CA_CERTS": str(relay.ca), "LETHE_FACTS": json.dumps(facts),
                                    "LETHE_SDK": str(modules)}
        status = subprocess.run(["node", HERE / "openai_node.mjs"], env=environment, timeout=300).returncode
        if status != 0:
            print("\n".join("# " + row for row in relay.logs().splitlines()[-60:]))
    return status


if __name__ == "__main__":
    sys.exit(main())
