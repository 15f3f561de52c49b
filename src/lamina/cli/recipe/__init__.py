"""What `lamina train` and `lamina eval` read: a run, described in a TOML file."""
