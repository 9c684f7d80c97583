"""Workflows whose jobs run on another host, reached over SSH.

The workflow is made, compiled and folded here; its jobs run there, in a folder that
has their directories and what they record. See docs/decisions on remote workflows.
"""
