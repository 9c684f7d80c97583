"""SLURM: `directives` and `answers` are pure text, `adapter` runs its commands."""
