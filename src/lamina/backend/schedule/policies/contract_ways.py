"""The forms of a contraction by name, with the numbers that may be given to each.

    tiled, direct, dot, wide, plain        as in `contract`
    tiled-swapped, ...                     vectors along the columns of the other operand
    tiled-words, dot-words-swapped, ...    several terms of a sum of narrow integers at a step

A row-major product of A and B is that of the transposed operands, (B^T A^T)^T: that is what
swapping gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lamina.backend.schedule.candidates import Given, Loops, Way
from lamina.backend.schedule.policies.contract_axes import Axes
from lamina.backend.schedule.policies.contract_direct import Direct
from lamina.backend.schedule.policies.contract_dot import MOST_RESULTS, Dot
from lamina.backend.schedule.policies.contract_nest import Work
from lamina.backend.schedule.policies.contract_plain import Plain
from lamina.backend.schedule.policies.contract_tiled import Tiled
from lamina.backend.schedule.policies.contract_tiled_plan import Wish, sized
from lamina.backend.schedule.policies.contract_tiles import even_part, tiles_by_cycles
from lamina.backend.schedule.policies.contract_wide import Wide, is_wide
from lamina.backend.schedule.policies.contract_words import pair_roles, word_roles
from lamina.backend.targets import Target
from lamina.graph.ir import Graph, Value

Form = Direct | Tiled | Dot | Wide | Plain

TILES = 8  # register tiles that may be wished, and at most two as wide as each other
DEPTHS = (64, 128, 256, 384, 512, 768, 1024)
HEIGHTS = (32, 64, 128, 256, 512)
PLANS = 12  # of the direct form


def ways(body: Graph, value: Value, target: Target, model: Form) -> Sequence[Way]:
    """Every form that a contraction has, that of the model first."""
    if isinstance(model, Plain):
        return (Way("plain", lambda given: Plain(Work(body, model.work.axes, target))),)
    first = name_of_form(model)
    return sorted(_found(body, value, target), key=lambda way: way.name != first)


def name_of_form(form: Form) -> str:
    """`tiled-swapped`."""
    axes = form.work.axes
    return _name(type(form).__name__.lower(), axes)


def _name(form: str, axes: Axes) -> str:
    return form + "-words" * (axes.together > 1) + "-swapped" * axes.swapped


def _found(body: Graph, value: Value, target: Target) -> Iterator[Way]:
    roles = Axes(value), Axes(value, swapped=True)
    windows = False
    for axes in roles:
        if Direct.find(Work(body, axes, target)) is not None:
            windows = True
            yield _direct(body, axes, target)
    for axes in (*roles, *word_roles(value, target)):
        if axes.sizes[2] > 1:
            yield _tiled(body, axes, target)
    _, m, n, _ = roles[0].sizes
    for axes in (*roles, *pair_roles(value, target)):
        work = Work(body, axes, target)
        if (not windows or m * n <= MOST_RESULTS) and Dot(work).fits:
            yield _dot(body, axes, target)
        if is_wide(work):
            yield _wide(body, axes, target)
    yield Way("plain", lambda given: Plain(Work(body, roles[0], target)))


# ------------------------------------------------------------------ each form


def _tiled(body: Graph, axes: Axes, target: Target) -> Way:
    work = Work(body, axes, target)
    _, m, n, k = axes.sizes
    tiles: list[str] = []
    widths: dict[int, int] = {}
    for mr, nr in tiles_by_cycles(m, n, sized(work.dtype), target):
        widths[nr] = widths.get(nr, 0) + 1
        if mr <= m and widths[nr] <= 2 and len(tiles) < TILES:
            tiles.append(f"{mr}x{nr}")
    depths = {even_part(k, depth) for depth in (*DEPTHS, k)}
    heights = {height for height in HEIGHTS if height < m}
    settings = {
        "tile": tuple(tiles),
        "kc": _texts(sorted(depths)),
        "mc": _texts(sorted(heights)),
        "columns": ("own", "shared", "place"),
        "rows": ("copied", "place"),
        "tasks": _texts(_task_counts(target)),
        "chunks": ("1", "2", "4", "8"),
    }

    def decide(given: Given) -> Loops:
        rows = given.get("rows")
        wish = Wish(
            tile=_pair(given.get("tile")),
            kc=_number(given.get("kc")),
            mc=_number(given.get("mc")),
            columns=given.get("columns"),
            rows=None if rows is None else rows == "copied",
            tasks=_number(given.get("tasks")),
            chunks=_number(given.get("chunks")),
        )
        return Tiled(Work(body, axes, target), wish)

    return Way(_name("tiled", axes), decide, settings)


def _dot(body: Graph, axes: Axes, target: Target) -> Way:
    tiles = Dot(Work(body, axes, target)).tiles()[:TILES]
    settings = {
        "tile": tuple(f"{mr}x{nr}" for mr, nr in tiles),
        "tasks": _texts(_task_counts(target)),
    }

    def decide(given: Given) -> Loops:
        tile, tasks = _pair(given.get("tile")), _number(given.get("tasks"))
        return Dot(Work(body, axes, target), tile, tasks)

    return Way(_name("dot", axes), decide, settings)


def _wide(body: Graph, axes: Axes, target: Target) -> Way:
    def decide(given: Given) -> Loops:
        return Wide(Work(body, axes, target), _number(given.get("chunks")))

    return Way(_name("wide", axes), decide, {"chunks": _texts(_task_counts(target))})


def _direct(body: Graph, axes: Axes, target: Target) -> Way:
    def decide(given: Given) -> Loops:
        form = Direct.find(Work(body, axes, target), _number(given.get("plan")) or 0)
        assert form is not None
        return form

    form = Direct.find(Work(body, axes, target))
    count = 0 if form is None else len(form.planner.plans())
    plans = _texts(range(1, min(count, PLANS)))
    return Way(_name("direct", axes), decide, {"plan": plans})


def _task_counts(target: Target) -> list[int]:
    """How many tasks may be worth while: one, and a few for each core."""
    return sorted({1, *(target.cores * each for each in (1, 2, 3, 4, 8, 16))})


def _texts(numbers: Sequence[int]) -> tuple[str, ...]:
    return tuple(map(str, numbers))


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _pair(text: str | None) -> tuple[int, int] | None:
    """`8x48`."""
    if text is None:
        return None
    rows, columns = text.split("x")
    return int(rows), int(columns)
