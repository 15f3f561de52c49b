"""No processor: everything is compiled, nothing is run."""
