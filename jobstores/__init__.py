"""Job stores: where a workflow's jobs, runs, values and files persist.

The package is usable on its own and knows nothing of `hpcflow`. A backend
supplies the dozen primitives of `jobstores.port`; everything else (segments,
attempts, the lease, generations, columns, packs, and the two public faces) is
written once above them.

Importing this package imports nothing else: a job item on a compute node takes
only the standard-library modules it needs.
"""
