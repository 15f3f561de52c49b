"""How programs loop on a machine: the nest IR, targets, schedules, code generation, compilation."""
