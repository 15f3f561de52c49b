"""Floor 6: from a graph to a program that runs; the only room that knows the order of things."""

from lamina.backend.compile.build import Compiled as Compiled
from lamina.backend.compile.build import compile_graph as compile_graph
