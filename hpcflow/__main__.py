"""`python -m hpcflow`, as the command `hpcflow`."""

from hpcflow.cli.main import entry

entry()
