"""Contractions: matrix products of every kind, with what their operands need and what follows.

One of five forms, whichever is estimated to take the fewest cycles:

    direct  register tiles, windows read where they lie    convolutions         contract_direct
    tiled   register tiles, vectors along columns          most products        contract_tiled
    dot     vectors along the sum, which may be cut        few results, long k  contract_dot
    wide    a few rows times a matrix along its columns    bound by reading     contract_wide
    plain   loops over the result, the sum inside          tiny, or short k     contract_plain

Narrow integers that are cast to i32 are summed several terms at a step, where the target has that
(contract_words). Either operand may be the one whose columns the vectors run along
(`Axes.swapped`). What else could be done, and with which numbers, is in `contract_ways`.
"""

from __future__ import annotations

from collections.abc import Sequence

from lamina.backend.schedule.candidates import Way
from lamina.backend.schedule.policies.contract_axes import Axes, contraction_of
from lamina.backend.schedule.policies.contract_direct import Direct
from lamina.backend.schedule.policies.contract_dot import MOST_RESULTS, Dot
from lamina.backend.schedule.policies.contract_nest import Work, elementwise_above
from lamina.backend.schedule.policies.contract_plain import Plain
from lamina.backend.schedule.policies.contract_tiled import Tiled
from lamina.backend.schedule.policies.contract_tiled_plan import Wish
from lamina.backend.schedule.policies.contract_ways import Form, ways
from lamina.backend.schedule.policies.contract_wide import MOST_ROWS, Wide, is_wide
from lamina.backend.schedule.policies.contract_words import pair_roles, word_roles
from lamina.backend.schedule.policy import Policy
from lamina.backend.schedule.schedule import Schedule, Still
from lamina.backend.targets import Target
from lamina.graph.ir import Graph, Value

SHORT = 4  # sums of so few products are no work for tiles
TINY = 4096  # nor are so few products in all
PREPARED = 1.05  # a form with a packed copy of the weights takes less time than others by this
SHALLOW = 32  # windows that are written out cost little more than so many terms


def accepts(body: Graph) -> bool:
    """One contraction; what it reads is pulled, what reads it is elementwise, of its shape."""
    value = contraction_of(body)
    if value is None:
        return False
    others = [v for v in body.nodes if v is not value and v.op is not None and v.operands]
    pulled = all(v.op.lane is not None or v.op.view is not None for v in others)
    shaped = all(out.shape == value.shape for out in body.outputs)
    return pulled and shaped and elementwise_above(value, body)


def schedule(body: Graph, target: Target, still: Still = frozenset()) -> Schedule:
    """The schedule of the cheapest form."""
    value = contraction_of(body)
    assert value is not None
    return choose(body, value, target, still).schedule()


def choose(body: Graph, value: Value, target: Target, still: Still = frozenset()) -> Form:
    """The form that is estimated to take the fewest cycles.

    What is packed of `still` inputs alone is packed once, and counts for nothing. A few rows read
    each weight about once, as it lies: a packed copy would take memory and gain nothing.
    """
    roles, pairs = (Axes(value), Axes(value, swapped=True)), pair_roles(value, target)
    batch, m, n, k = roles[0].sizes
    first = Work(body, roles[0], target)
    if first.dtype == "bool" or k <= SHORT or batch * m * n * k <= TINY:
        return Plain(first)
    few = min(m, n) <= MOST_ROWS
    if few:
        still = frozenset()
    if few or not any(word_roles(value, target)):
        for axes in (*pairs, *roles):
            work = Work(body, axes, target, still=still)
            if is_wide(work) and not work.is_still(1):
                return Wide(work)
    forms: list[Direct | Tiled | Dot] = []
    windows: Axes | None = None
    for axes in roles:
        direct = Direct.find(Work(body, axes, target, still=still))
        if direct is not None:
            windows = axes
            forms.append(direct)
    for axes in roles:
        tiles = windows is None or (k <= SHALLOW and axes is not windows)
        if tiles and axes.sizes[2] > 1:
            tiled = Tiled(Work(body, axes, target, still=still))
            forms.append(tiled)
            if tiled.prepared:
                forms.append(Tiled(Work(body, axes, target, still=still), Wish(prepare=False)))
    for axes in word_roles(value, target):
        if axes.sizes[2] > 1:
            forms.append(Tiled(Work(body, axes, target, still=still)))
    if windows is None or m * n <= MOST_RESULTS:
        for each in (roles, pairs) if pairs else (roles,):
            dot = Dot(Work(body, each[m > n], target, still=still))
            forms += [dot] if dot.fits else []
    return min(forms, key=_price) if forms else Plain(first)


def _price(form: Direct | Tiled | Dot) -> float:
    """Its cost; a copy of the weights has to be worth the memory."""
    return form.cost * (PREPARED if isinstance(form, Tiled) and form.prepared else 1.0)


def several(body: Graph, target: Target) -> Sequence[Way]:
    """Every form that the contraction has, the cheapest by estimate first."""
    value = contraction_of(body)
    assert value is not None
    return ways(body, value, target, choose(body, value, target))


POLICY = Policy("contract", accepts, schedule, rank=20, several=several, prepared=schedule)
"""Asked after policies for special products, before those for elementwise groups."""
