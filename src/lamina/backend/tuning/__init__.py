"""Searching schedules: candidates of a kernel, measured on this machine. See README.md."""
