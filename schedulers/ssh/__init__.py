"""A login node over SSH, as a transport: see `schedulers.ssh.transport`."""
