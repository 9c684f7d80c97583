"""Batch systems: submit jobs, ask for their states, cancel them.

Usable on its own; knows nothing of `hpcflow` or `jobstores`. `schedulers.port`
says what an adapter is; adapters are loaded by name with `load`.
"""
