"""Steps that a user's function of the C interface computes: its plan, which the caller reads.

The examples are cut into parts, one for each processor; a part has a workspace of its own in the
arena. Nothing of Python runs between the kernels unless one of them fails.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.backend.codegen.llvm import foreign_kernel
from lamina.backend.codegen.llvm.foreign import PLAN
from lamina.graph.ir import TensorType, Value
from lamina.graph.ops import Foreign, ForeignKernel
from lamina.runtime import Buffer, topology
from lamina.runtime.foreign import REPORT, Prepared

ALIGNMENT = 64


@dataclass(frozen=True)
class ForeignCall:
    """A step with machine code of a user's.

    Attributes:
        op, kernel: what is called.
        takes, gives: types for one example.
        rows: how many examples.
        parts: into how many parts they are cut.
        part_bytes: the workspace of a part, with what aligns the next one.
    """

    op: Foreign
    kernel: ForeignKernel
    takes: tuple[TensorType, ...]
    gives: tuple[TensorType, ...]
    rows: int
    parts: int
    part_bytes: int

    @property
    def rows_of_part(self) -> int:
        return math.ceil(self.rows / self.parts) if self.parts else 1

    @property
    def workspace_bytes(self) -> int:
        """The workspaces of all parts."""
        return self.parts * self.part_bytes


def foreign_call(node: Value | None) -> ForeignCall | None:
    """What is to be called for `node`; None where Python, or nothing, computes it."""
    op = node.op if node is not None else None
    if node is None or not isinstance(op, Foreign):
        return None
    types = [o.type for o in node.operands]
    takes = op.takes(types)
    kernel = op.kernel(takes)
    if kernel is None:
        return None
    rows = math.prod(op.examples(types))
    wanted = min(rows, topology()["logical_cpus"]) if kernel.thread_safe else min(rows, 1)
    parts = math.ceil(rows / math.ceil(rows / wanted)) if wanted else 0  # none is empty
    asked = op.workspace_bytes(takes)
    part_bytes = math.ceil(asked / ALIGNMENT) * ALIGNMENT
    gives = tuple(t.with_shape(t.shape[op.lead :]) for t in node.type.items)
    return ForeignCall(op, kernel, takes, gives, rows, parts, part_bytes)


class Bound:
    """The caller of a step, with its plan.

    Attributes:
        address: of the caller.
        plan: the buffer that it gets as its first argument.
    """

    def __init__(self, call: ForeignCall, target: Any):
        op = call.op
        rows = [op.has_rows(i) for i in range(len(call.takes))]
        rows += [op.lead > 0] * len(call.gives)
        asked = op.workspace_bytes(call.takes)
        threads = topology()["logical_cpus"] if call.rows == 1 and call.kernel.thread_safe else 1
        self._call = call
        self._code = foreign_kernel(target)
        self._prepared = Prepared(call.takes, call.gives, rows, op.attributes, asked, threads)
        lock = call.kernel.lock
        words = {
            "kernel": call.kernel.address,
            "failed": REPORT,
            "lock": 0 if call.kernel.thread_safe else ctypes.addressof(lock),
            "call": ctypes.addressof(self._prepared.call),
            "tensors": ctypes.addressof(self._prepared.tensors),
            "count": len(rows),
            "operands": len(call.takes),
            "workspace_bytes": call.part_bytes,
            "rows": call.rows,
            "rows_of_part": call.rows_of_part,
            "batched": int(call.kernel.batched),
        }
        self.address = self._code.address
        self.plan = Buffer.wrap(np.array([words[name] for name in PLAN], np.uint64).view(np.int64))
