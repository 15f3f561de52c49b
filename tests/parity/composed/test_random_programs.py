"""A few of the random programs: transforms nested in any order give what PyTorch gives."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from lamina.backend import execution
from tests.parity.composed import random_programs

pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def peers() -> random_programs.Peers:
    return random_programs.Peers("torch")


@pytest.fixture(params=["reference", "compiled"])
def back_end(request: pytest.FixtureRequest) -> Iterator[str]:
    before = execution.back_end()
    execution.use(request.param)
    yield request.param
    execution.use(before)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_transforms_in_any_order(peers: random_programs.Peers, back_end: str, seed: int) -> None:
    """Evaluated by NumPy a dozen and eagerly too, compiled a few."""
    given = random_programs.programs(100 * seed + (back_end == "compiled"), deepest=4)
    for names, point in itertools.islice(given, 12 if back_end == "reference" else 3):
        found = peers.difference(names, point, eager=back_end == "reference")
        assert not found, (names, point.tolist(), found)


def test_the_comparison_sees_a_wrong_derivative(peers: random_programs.Peers) -> None:
    """What a rule that is not the derivative gives differs from what the derivative gives."""
    point = next(random_programs.programs(0, 1))[1]
    ruled = peers.wanted(["custom_jvp", "dense"], point)
    plain = peers.wanted(["dense"], point)
    assert abs(ruled[1] - plain[1]).max() > 1e-3
    assert not peers.difference(["custom_jvp", "dense"], point)


def test_shrinking_keeps_what_matters(
    peers: random_programs.Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = next(random_programs.programs(0, 1))[1]
    monkeypatch.setattr(peers, "difference", lambda names, point: "jvp" in names)
    names = ["jit", "vmap", "jvp", "scan", "grad", "dense"]
    assert peers.shrunk(names, point) == ["jvp", "dense"]
