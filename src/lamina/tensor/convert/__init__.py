"""Control flow over tensors, from a function's source into the graph."""
