"""Settings read from the environment, in one place."""

from __future__ import annotations

import os
from pathlib import Path


def threads() -> int | None:
    """`LAMINA_THREADS`: how many threads kernels use; None means all processors of this process."""
    text = os.environ.get("LAMINA_THREADS", "")
    return int(text) if text.isdigit() and int(text) > 0 else None


def target() -> str:
    """`LAMINA_TARGET`: "native" (the default), "avx512", "avx2", "generic" or "null"."""
    return os.environ.get("LAMINA_TARGET", "native").lower()


def cache_dir() -> Path | None:
    """`LAMINA_CACHE_DIR`: where compiled kernels are kept; "off" keeps none on disk."""
    text = os.environ.get("LAMINA_CACHE_DIR", "")
    if text.lower() == "off":
        return None
    if text:
        return Path(text)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lamina"


def full_traceback() -> bool:
    """`LAMINA_TRACEBACK=full`: show Lamina's own frames in tracebacks of its errors too."""
    return os.environ.get("LAMINA_TRACEBACK", "").lower() == "full"


def optimisation_level() -> int:
    """`LAMINA_OPT`: 0 runs no graph pass that is not needed, 3 (the default) runs all."""
    text = os.environ.get("LAMINA_OPT", "3")
    return int(text) if text in ("0", "1", "2", "3") else 3


def tuned() -> bool:
    """`LAMINA_TUNED=off`: take the model's schedules, whatever `lamina tune` found."""
    return os.environ.get("LAMINA_TUNED", "").lower() != "off"
