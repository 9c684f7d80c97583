"""PBS and Torque: `directives` and `answers` are pure, `adapter` runs commands."""
