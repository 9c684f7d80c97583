"""What a workflow's state is, for people and for programs."""
