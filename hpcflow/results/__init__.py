"""The values of a finished or running workflow, as tables."""
