"""Toil on our job stores: `--jobStore zarr:PATH` and others, see `locators`.

* `store`: the job store, as Toil's class wants it.
* `install`: what makes Toil's `--jobStore` know our locators, in the leader (Toil
  loads the top-level module `toil_batch_system_hpcflow`, which calls it) and in the
  worker, whose command the leader changes.
* `python -m jobstores.toil_plugin ...`: Toil's command line with our locators, for the
  commands that load no plug-ins (`clean`, `status`); and the worker.

Toil is imported by what needs it, late.
"""
