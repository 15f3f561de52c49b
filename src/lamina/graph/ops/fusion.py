"""Several ops as one: what the fusing pass makes, and one kernel computes.

Fusions come after derivatives and batching: nothing but the back end and the evaluator reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.base.records import frozen
from lamina.graph.ir import Graph, Op, TensorType, TupleType, emit


@frozen
class Fusion(Op):
    """The outputs of `body` applied to the operands; a tuple if there are several.

    Inputs: those of the body.  Source: ours.
    """

    arity = None
    body: Graph

    def infer(self, *types: TensorType) -> TensorType | TupleType:
        wanted = tuple(v.type for v in self.body.inputs)
        if types != wanted:
            raise ShapeError(
                "fusion: the operands are not the inputs of the body",
                [
                    f"operands: {', '.join(map(str, types))}",
                    f"inputs: {', '.join(map(str, wanted))}",
                ],
                "this is a defect of the pass that made the fusion",
            )
        outputs = tuple(v.type for v in self.body.outputs)
        return outputs[0] if len(outputs) == 1 else TupleType(outputs)

    def reference(self, *arrays: Any) -> Any:
        found: dict[int, Any] = {v.id: a for v, a in zip(self.body.inputs, arrays, strict=True)}
        for v in self.body.nodes:
            if v.op is not None:
                found[v.id] = v.op.reference(*(found[o.id] for o in v.operands))
        outputs = tuple(found[v.id] for v in self.body.outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        raise UsageError(
            "fusion: a fused graph is not differentiated",
            ["this graph: after the fusing pass", "derivatives: before it"],
            "differentiate the graph first, then run the passes",
        )


def fusion(body: Graph, *operands: Any) -> Any:
    """The body applied to the operands, as one node."""
    return emit(Fusion(body), *operands)
