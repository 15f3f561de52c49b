"""Ways to run a graph, `run(graph, *arrays) -> tuple of arrays`: each is tried on every Case."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lamina.graph.ir.evaluate import evaluate

BACKENDS: dict[str, Callable[..., tuple[np.ndarray, ...]]] = {"reference": evaluate}
