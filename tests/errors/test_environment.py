"""Settings that make no sense: said once, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lamina.backend.targets import select
from lamina.base.errors import UsageError
from tests.errors.messages import whole

SCRIPT = "import lamina as lm; (lm.ones(3) + 1).numpy()"
KNOWN = "native, avx2, avx512, avx512_client, generic, neon, null, zen4"


def test_target_that_is_not_there() -> None:
    with pytest.raises(UsageError) as error:
        select("pentium")
    assert whole(error) == (
        "there is no target 'pentium'\n"
        f"  targets: {KNOWN}\n"
        "  help: set LAMINA_TARGET\n"
        '  at test_target_that_is_not_there: select("pentium")'
    )


def last_lines(count: int, **settings: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    return done.stderr.splitlines()[-count:]


def test_target_in_the_environment() -> None:
    assert last_lines(3, LAMINA_TARGET="pentium") == [
        "lamina.base.errors.UsageError: there is no target 'pentium'",
        f"  targets: {KNOWN}",
        "  help: set LAMINA_TARGET",
    ]


def test_target_of_another_machine() -> None:
    (first, *_) = last_lines(4, LAMINA_TARGET="neon")
    assert "target 'neon' has instructions that this machine lacks" in first


@pytest.mark.parametrize("threads", ["0", "many", "-1"])
def test_number_of_threads(threads: str) -> None:
    assert last_lines(1, LAMINA_THREADS=threads) == [
        f"ValueError: LAMINA_THREADS={threads!r}: expected a positive number of threads"
    ]
