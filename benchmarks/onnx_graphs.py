"""Graphs in ONNX, written node by node, and the peers that run them: ONNX Runtime and OpenVINO.

Both are optional; `onnx` writes the graphs. Weights are constants of a graph, so that these peers
lay them out once.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.workload import Builder, Data, Prepared

OPSET, IR_VERSION = 21, 10
INPUT = "input_"


class OnnxGraph:
    """Nodes so far; a value is its name.

    Example:
        graph = OnnxGraph()
        y = graph("Relu", graph("MatMul", "x", graph.constant(w)))
    """

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._numbers = itertools.count()

    def constant(self, array: Any, dtype: Any = None) -> str:
        """A value that is known."""
        from onnx import numpy_helper

        name = f"c{next(self._numbers)}"
        self._constants.append(numpy_helper.from_array(np.array(array, dtype, order="C"), name))
        return name

    def __call__(self, op: str, *inputs: str, **attributes: Any) -> str:
        """The result of an operation that has one."""
        from onnx import helper

        name = f"v{next(self._numbers)}"
        self._nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def serialized(self, inputs: Mapping[str, np.ndarray], output: str) -> bytes:
        """The model that takes arrays like these and gives one value."""
        from onnx import helper

        def described(name: str, array: np.ndarray) -> Any:
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            return helper.make_tensor_value_info(name, kind, array.shape)

        given = [described(name, array) for name, array in inputs.items()]
        result = helper.make_empty_tensor_value_info(output)
        graph = helper.make_graph(self._nodes, "workload", given, [result], self._constants)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
        return model.SerializeToString()


Draw = Callable[[OnnxGraph, dict[str, Any]], str]
"""Writes a graph of named inputs (names) and constants (arrays), and gives its result."""


def graph_peers(
    draw: Draw, inputs: Callable[[str], bool] = lambda name: True, precision: str = "f32"
) -> dict[str, Builder]:
    """A builder for each of the two.

    Args:
        draw: writes the graph.
        inputs: which data are inputs rather than constants, by name.
        precision: "bf16" lets OpenVINO compute a graph of f32 in bf16; ONNX Runtime has no such.
    """

    def made(data: Data) -> tuple[bytes, Data]:
        given = {INPUT + name: a for name, a in data.items() if inputs(name)}
        graph = OnnxGraph()
        known = {n: INPUT + n if INPUT + n in given else a for n, a in data.items()}
        output = draw(graph, known)
        return graph.serialized(given, output), given

    def onnxruntime(data: Data) -> Prepared:
        import onnxruntime as ort

        model, given = made(data)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads()
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        run = lambda: session.run(None, given)
        return Prepared(run, run)

    def openvino(data: Data) -> Prepared:
        import openvino as ov

        model, given = made(data)
        settings = {
            "INFERENCE_NUM_THREADS": threads(),
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
        }
        core = ov.Core()
        request = core.compile_model(core.read_model(model), "CPU", settings)
        request = request.create_infer_request()
        run = lambda: request.infer(given, share_inputs=True, share_outputs=True)[0]
        return Prepared(run, lambda: [np.array(run(), np.float32)])

    found: dict[str, Builder] = {"openvino": openvino}
    return found if precision == "bf16" else {"onnxruntime": onnxruntime} | found


def threads() -> int:
    """As many as the process was given; see `peers.environment`."""
    return int(os.environ.get("OMP_NUM_THREADS", "2"))
