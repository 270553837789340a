#!/usr/bin/env python3
# time limit: 600 s
"""The sixteen failover scenarios with the published timers: silence of two minutes, an outage of one."""

import sys

import failover

if __name__ == "__main__":
    sys.exit(failover.main(failover.FULL))
