"""The targets that this machine can run, one test each."""

from __future__ import annotations

import pytest
from nest_kernel import machines

from lamina.backend.targets.select import select


@pytest.fixture(params=machines())
def target(request, monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE_DIR", "off")
    return select(request.param)
