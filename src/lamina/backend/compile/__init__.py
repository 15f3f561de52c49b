"""Floor 6: from a graph to a program that runs; the only room that knows the order of things."""

from lamina.backend.compile.build import Compiled as Compiled
from lamina.backend.compile.build import compile_graph as compile_graph
from lamina.backend.compile.explain import report as report
from lamina.backend.compile.explain import times as times
from lamina.backend.compile.pipelines import Pipeline as Pipeline
from lamina.backend.compile.pipelines import pipeline as pipeline
