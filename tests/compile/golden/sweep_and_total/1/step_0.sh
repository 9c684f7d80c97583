#!/bin/bash
# hf-3f0c9a-s0-j1, step 0: task total, action 0

exec /opt/python/bin/python3 "${HPCFLOW_CALL}"
