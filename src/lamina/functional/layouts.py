"""Arrays in another layout, made of ordinary operations: what is undone again costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.base.layouts import Layout
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, pad, permute_dims, reshape


def convert_layout(
    x: Any, source: str, target: str, sizes: Mapping[str, int] | None = None
) -> Tensor:
    """`x`, which lies as `source` says, as `target` says.

    Names are letters, one for each axis in memory, and blocks behind their size: "NCHW", "NHWC",
    "nChw8c", "OIhw16i16o", "KN" and "NK". Upper and lower case are the same. Blocks that an axis
    does not fill end in zeros; `sizes` says how much of an axis counts, so that going there and
    back gives the same again.

    A conversion and its inverse cancel in a compiled program, also where elementwise functions,
    pooling and normalisation stand between them.

    Args:
        x: the array, shaped as it lies.
        source: how.
        target: how it shall lie.
        sizes: of axes that are blocked in `source` and do not fill the last block, by letter.

    Shapes: `"NCHW" -> "nChw8c": x: [N, C, H, W] -> [N, ceil(C / 8), H, W, 8]`

    Raises:
        UsageError: there is no such layout, or the two have other axes.
        ShapeError: the shape of `x`, or a size, does not fit the source.

    Example:
        >>> x = asarray([[1, 2, 3], [4, 5, 6]])
        >>> y = convert_layout(x, "nc", "nC2c")
        >>> y
        Tensor([[[1, 2],
                 [3, 0]],
        <BLANKLINE>
                [[4, 5],
                 [6, 0]]], shape=(2, 2, 2), dtype=int64)
        >>> convert_layout(y, "nC2c", "cn", {"c": 3})
        Tensor([[1, 4],
                [2, 5],
                [3, 6]], shape=(3, 2), dtype=int64)

    Source: oneDNN, "Understanding memory formats".
    """
    x, here, there = asarray(x), Layout.parse(source), Layout.parse(target)
    if set(here.letters) != set(there.letters):
        raise UsageError(
            f"convert_layout: {source} and {target} have other axes",
            [f"source: {', '.join(here.letters)}", f"target: {', '.join(there.letters)}"],
        )
    filled = here.sizes(x.shape)
    counted = {letter.lower(): n for letter, n in (sizes or {}).items()}
    for letter, n in counted.items():
        most = filled.get(letter, 0)
        if (
            not 0 <= n <= most
            or -(-n // here.blocks.get(letter, 1)) != x.shape[here.axes.index((letter, 0))]
        ):
            raise ShapeError(
                f"convert_layout: {letter} has no {n} elements in {source}", [f"x: {x.type}"]
            )
    if here == there:
        return x
    x = _without_blocks(x, here, filled | counted)
    x = permute_dims(x, [here.letters.index(letter) for letter in there.letters])
    return _with_blocks(x, there)


def _without_blocks(x: Tensor, layout: Layout, sizes: Mapping[str, int]) -> Tensor:
    """The axes of a layout, in its order, without the zeros that fill blocks."""
    order: list[int] = []
    for letter in layout.letters:
        places = [k for k, (a, _) in enumerate(layout.axes) if a == letter]
        order += sorted(places, key=lambda k: layout.axes[k][1])
    x = permute_dims(x, order)
    found = layout.sizes([x.shape[order.index(k)] for k in range(len(order))])
    x = reshape(x, [found[letter] for letter in layout.letters])
    return x[tuple(slice(0, sizes[letter]) for letter in layout.letters)]


def _with_blocks(x: Tensor, layout: Layout) -> Tensor:
    """An array whose axes are in the order of a layout, with blocks."""
    blocks = layout.blocks
    if not blocks:
        return x
    missing = [-n % blocks.get(a, 1) for a, n in zip(layout.letters, x.shape)]
    x = pad(x, [(0, n) for n in missing])
    split: list[int] = []
    places: dict[tuple[str, int], int] = {}
    for letter, n in zip(layout.letters, x.shape):
        block = blocks.get(letter, 1)
        places[letter, 0] = len(split)
        split.append(n // block)
        if letter in blocks:
            places[letter, block] = len(split)
            split.append(block)
    return permute_dims(reshape(x, split), [places[axis] for axis in layout.axes])
