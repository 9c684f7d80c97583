"""How a workflow is laid out in a job store, and read back."""
