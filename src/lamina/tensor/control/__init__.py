"""Control flow inside the graph: loops and branches whose bodies are traced once."""
