"""The names that converted code calls, as attributes of its free variable `_lm_`."""

from __future__ import annotations

from types import SimpleNamespace

from lamina.tensor.convert.operators.branch import branch, choose
from lamina.tensor.convert.operators.calls import callee
from lamina.tensor.convert.operators.cell import CELL
from lamina.tensor.convert.operators.checks import fails, raising
from lamina.tensor.convert.operators.each import each
from lamina.tensor.convert.operators.logic import both, compare, either, no, none
from lamina.tensor.convert.operators.loop import loop
from lamina.tensor.convert.operators.state import UNBOUND, State, nothing

CELL.cell_contents = SimpleNamespace(
    State=State,
    UNBOUND=UNBOUND,
    both=both,
    branch=branch,
    callee=callee,
    choose=choose,
    compare=compare,
    each=each,
    either=either,
    fails=fails,
    loop=loop,
    no=no,
    none=none,
    nothing=nothing,
    raising=raising,
)
