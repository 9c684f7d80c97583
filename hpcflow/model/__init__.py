"""What a workflow is, as plain frozen data. Pure: no I/O, clock or environment."""
