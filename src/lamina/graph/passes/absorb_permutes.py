"""Contractions name their axes, so they need no permuted operands or results."""

from __future__ import annotations

from lamina.graph.ir.graph import Graph, rebuild
from lamina.graph.ir.value import Value
from lamina.graph.ops.contract import Contract, contract
from lamina.graph.ops.shape import Permute
from lamina.graph.passes.pass_ import graph_pass


@graph_pass
def absorb_permutes(graph: Graph) -> Graph:
    """Read an operand as it lies, and write a result as it is wanted.

    A permuted result is taken into the contraction only if nobody else reads the unpermuted one.
    So the gradient of `x @ w.T` has the layout of `w`, and what follows it joins its kernel.

    Before:
        %x: f32[2,3]
        %w: f32[4,3]
        %0 = permute((-1, -2)) %w
        %1 = contract("ik,kj->ij") %x, %0
        %2 = permute((-1, -2)) %1
    After:
        %x: f32[2,3]
        %w: f32[4,3]
        %0 = contract("ik,jk->ji") %x, %w
    """
    outputs = {v.id for v in graph.outputs}

    def rewrite(v: Value, operands: tuple[Value, ...]) -> Value | None:
        if isinstance(v.op, Contract):
            return _plain_operands(v.op, operands)
        product = v.operands[0] if v.operands else v
        alone = len(graph.users[product.id]) == 1 and product.id not in outputs
        if isinstance(v.op, Permute) and isinstance(operands[0].op, Contract) and alone:
            return _permuted_result(v.op, operands[0])
        return None

    return rebuild(graph, rewrite)


def _plain_operands(op: Contract, operands: tuple[Value, ...]) -> Value | None:
    """The contraction on the operands of permuted operands; None where there are none."""
    left, right, out = op.axes
    x, y = operands
    new_x, new_left = _through(x, left)
    new_y, new_right = _through(y, right)
    if new_x is x and new_y is y:
        return None
    return contract(new_x, new_y, f"{new_left},{new_right}->{out}")


def _through(v: Value, letters: str) -> tuple[Value, str]:
    """What `v` permutes, and its letters; axes without a letter are not touched."""
    if not isinstance(v.op, Permute) or len(v.op.order) > len(letters):
        return v, letters
    count = len(v.op.order)
    kept, moved = letters[: len(letters) - count], letters[len(letters) - count :]
    source = [""] * count
    for letter, axis in zip(moved, v.op.order, strict=True):
        source[axis] = letter
    return v.operands[0], kept + "".join(source)


def _permuted_result(op: Permute, product: Value) -> Value | None:
    left, right, out = product.op.axes
    if len(op.order) > len(out):
        return None
    start = len(out) - len(op.order)
    permuted = out[:start] + "".join(out[axis] for axis in op.order)
    x, y = product.operands
    return contract(x, y, f"{left},{right}->{permuted}")
