"""Contractions: matrix products of every kind, with what their operands need and what follows.

One of four forms, whichever is estimated to take the fewest cycles:

    tiled   register tiles, vectors along columns          most products        contract_tiled
    dot     vectors along the sum, which may be cut        few results, long k  contract_dot
    wide    a few rows times a matrix along its columns    bound by reading     contract_wide
    plain   loops over the result, the sum inside          tiny, or short k     contract_plain

Either operand may be the one whose columns the vectors run along (`Axes.swapped`).
"""

from __future__ import annotations

from lamina.backend.schedule.policies.contract_axes import Axes, contraction_of
from lamina.backend.schedule.policies.contract_dot import Dot
from lamina.backend.schedule.policies.contract_nest import Work, elementwise_above
from lamina.backend.schedule.policies.contract_plain import Plain
from lamina.backend.schedule.policies.contract_split import finish
from lamina.backend.schedule.policies.contract_tiled import Tiled, probe
from lamina.backend.schedule.policies.contract_wide import MOST_ROWS, Wide
from lamina.backend.schedule.schedule import Policy, Schedule
from lamina.backend.targets import Target
from lamina.graph.ir import Graph, Value

SHORT = 4  # sums of so few products are no work for tiles
TINY = 4096  # nor are so few products in all

Form = Tiled | Dot | Wide | Plain


def accepts(body: Graph) -> bool:
    """One contraction; what it reads is pulled, what reads it is elementwise, of its shape."""
    value = contraction_of(body)
    if value is None:
        return False
    others = [v for v in body.nodes if v is not value and v.op is not None and v.operands]
    pulled = all(v.op.lane is not None or v.op.view is not None for v in others)
    shaped = all(out.shape == value.shape for out in body.outputs)
    return pulled and shaped and elementwise_above(value, body)


def schedule(body: Graph, target: Target) -> Schedule:
    """The schedule of the cheapest form; two tasks where the sum is cut into chunks."""
    value = contraction_of(body)
    assert value is not None
    form = choose(body, value, target)
    task = form.task()
    work = form.work
    if work.chunks == 1:
        return Schedule((task,))
    partial_bytes = work.chunks * value.type.size * _bytes(work)
    last = finish(Work(body, work.axes, target), work.chunks)
    return Schedule((task, last), (partial_bytes,))


def choose(body: Graph, value: Value, target: Target) -> Form:
    """The form that is estimated to take the fewest cycles."""
    works = [Work(body, Axes(value, swapped), target) for swapped in (False, True)]
    batch, m, n, k = works[0].axes.sizes
    if works[0].dtype == "bool" or k <= SHORT or batch * m * n * k <= TINY:
        return Plain(works[0])
    forms: list[Tiled | Dot] = [Tiled(work) for work in works if work.axes.sizes[2] > 1]
    dot = Dot(works[m > n])
    if dot.fits:
        forms.append(Dot(Work(body, works[m > n].axes, target)))
    for work in works:
        if _is_wide(work):
            return Wide(work)
    if not forms:
        return Plain(works[0])
    return min(forms, key=lambda form: form.cost)


def _is_wide(work: Work) -> bool:
    """A few rows, and columns that lie along n."""
    _, m, n, _ = work.axes.sizes
    if m > MOST_ROWS or n < 2 * work.lanes:
        return False
    reads = probe(work)
    return reads.column_n.unit and reads.column_k.step is not None


def _bytes(work: Work) -> int:
    return work.target.vector_bytes // work.lanes


POLICY = Policy("contract", accepts, schedule, rank=20)
"""Asked after policies for special products, before those for elementwise groups."""
