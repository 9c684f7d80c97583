"""Making, submitting, folding and cancelling workflows: what changes a store."""
