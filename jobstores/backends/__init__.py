"""Backends: each supplies the primitives of `jobstores.port`, loaded by name."""
