"""Grid Engine: `directives`, `queue` and `accounting` are pure, `adapter` runs commands."""
