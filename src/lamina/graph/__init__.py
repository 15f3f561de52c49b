"""What a program means: ops, values, graphs, and the functions from graph to graph."""
