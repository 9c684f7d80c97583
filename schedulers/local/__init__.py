"""The local scheduler: jobs on this host, without any batch system.

A detached supervisor process runs one state directory's items; everything that
happened stands in files, so looking needs no supervisor.
"""
