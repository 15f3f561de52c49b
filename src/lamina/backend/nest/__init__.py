"""Floor 4: the loop and tile IR. Imports nothing above `base`."""
