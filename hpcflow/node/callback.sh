#!/bin/sh
# `hpcflow callback` for a run, whose environment need not have hpcflow on its PATH:
# "$HPCFLOW_CALLBACK" is this file. See docs/how-to/callbacks.md.
exec "${HPCFLOW_PYTHON:?it is set within runs only}" -I -S "${0%/*}/__main__.py" callback "$@"
