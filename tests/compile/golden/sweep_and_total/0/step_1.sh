#!/bin/bash
# hf-3f0c9a-s0-j0, step 1: task halve, action 0

exec /opt/python/bin/python3 "${HPCFLOW_CALL}"
