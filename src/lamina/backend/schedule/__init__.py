"""Floor 5: from a fused group of the graph to loops for a target."""
