"""Ops that a library computes: the base of sorting, factorisations, transforms, callbacks.

Such an op has the type rule, reference, derivative and batching of any other; what it lacks is a
loop form. A compiled program stores its operands, each contiguous, and calls it as a step of its
own between the kernels.
"""

from __future__ import annotations

from typing import Any

from lamina.graph.ir import Op, TensorType


class Opaque(Op, abstract=True):
    """An op computed by a call. A subclass gives `infer` and `reference`, and says how it varies.

    It lifts over leading axes as every op does. `infer` may give a TupleType; then `reference` and
    `call` give a tuple of arrays. What `call` raises stops the program: a LaminaError as it is,
    anything else as the cause of a CallError.

    A subclass with effects says `pure = False`; equal ones are not merged, and nothing computes
    them ahead of time. A graph has no order but that of its values: calls that must come one after
    the other, or must come at all, hand a value on from one to the next and to the outputs.
    """

    def independent(self, *types: TensorType) -> int:
        """How many leading axes all operands and results share whose rows do not meet.

        Where there are any, threads share the rows: each calls the op on some of them, as arrays
        with one leading axis in place of those.
        """
        return 0

    def call(self, *arrays: Any) -> Any:
        """The result, or a tuple of results, from read-only C-contiguous arrays.

        Runs inside compiled programs on views of the program's memory that end with the call. The
        results are copied into the program's memory.
        """
        return self.reference(*arrays)
