"""On the compute node: one light process that executes all runs of a job's item.

Started by the jobscript as `PYTHON -I -S .../hpcflow/node/__main__.py item JOBDIR
ITEM`; it needs no installed package, only the standard library of Python 3.9 or
later and `jobstores` beside it. See docs/reference/node-side.md.
"""
