"""What a search found for this machine, on disk: the candidate that each kernel is scheduled as.

One file a machine and compiler, in the part `tuned` of the disk cache. A file that is damaged, cut
short, or of another machine or compiler is as good as none; a choice that names no candidate is
the model's. What runs stays right in any case: a candidate differs in its loops only.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lamina.backend import schedule
from lamina.backend.codegen.llvm import DiskCache, Entry, compiler_version, disk_cache
from lamina.backend.compile.text import plain_text
from lamina.backend.targets import Target
from lamina.base import config
from lamina.graph.ir import Graph

MOST_CHOICES = 10_000
MOST_BYTES = 8 << 20
MOST_NAME = 200  # characters of a name
LONGEST_S = 3600.0


@dataclass(frozen=True)
class Choice:
    """What was found for one kernel.

    Attributes:
        name: of the candidate; "" where the model's was not beaten.
        kernel: what the kernel is called.
        model_s, best_s: times of the model's candidate and of this one.
    """

    name: str
    kernel: str
    model_s: float
    best_s: float


@dataclass(frozen=True)
class Choices:
    """What was found for one machine.

    Attributes:
        found: by `key_of` the body of a kernel.
    """

    found: Mapping[str, Choice] = field(default_factory=dict)

    @functools.cached_property
    def state(self) -> str:
        """Equal where the same candidates are chosen; "" where the model's are, all of them."""
        named = sorted((key, one.name) for key, one in self.found.items() if one.name)
        return hashlib.sha256(repr(named).encode()).hexdigest() if named else ""

    def name_of(self, body: Graph) -> str:
        """The candidate of a fused body; "" for the model's."""
        one = self.found.get(key_of(body)) if self.state else None
        return one.name if one else ""


NONE = Choices()
_known: dict[tuple[Path | None, str], Choices] = {}


def key_of(body: Graph) -> str:
    """Under what the choice of a fused body lies."""
    return hashlib.sha256(plain_text(body).encode()).hexdigest()


def in_force(target: Target) -> Choices:
    """What programs for a target are compiled by: nothing where `LAMINA_TUNED=off`."""
    return known(target) if config.tuned() else NONE


def known(target: Target) -> Choices:
    """What is on disk for a target, read once in a process, and what this process found."""
    place = (config.cache_dir(), target.key)
    found = _known.get(place)
    if found is None:
        found = _known[place] = _read(target)
    return found


def keep(target: Target, found: Mapping[str, Choice]) -> None:
    """Adds what was found for a target, here and on disk.

    Where two processes write at the same time, what one of them found may be lost.
    """
    here, disk = known(target).found, _read(target).found
    _put(target, Choices({**disk, **here, **found}))


def forget(target: Target) -> int:
    """Drops all that was found for a target; how much that was."""
    count = len(known(target).found)
    _put(target, NONE)
    return count


def _put(target: Target, choices: Choices) -> None:
    _known[config.cache_dir(), target.key] = choices
    cache = _cache()
    if cache is not None:
        found = dict(list(choices.found.items())[-MOST_CHOICES:])
        text = json.dumps({key: asdict(one) for key, one in found.items()})
        cache.write(Entry(_file_key(target), _version(), target.key, "", 0, text.encode()))


def _read(target: Target) -> Choices:
    cache = _cache()
    if cache is None or not cache.folder.is_dir():
        return NONE
    entry = cache.read(_file_key(target), _version(), target.key)
    return Choices(_decoded(entry.code)) if entry else NONE


def _cache() -> DiskCache | None:
    return disk_cache("tuned", ".choices")


def _file_key(target: Target) -> str:
    return hashlib.sha256(f"{target.key}\n{_version()}".encode()).hexdigest()


@functools.cache
def _version() -> str:
    """Names the policies and the code generator: what was fastest with others says little."""
    digest = hashlib.sha256(compiler_version().encode())
    for path in sorted(Path(schedule.__path__[0]).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _decoded(data: bytes) -> dict[str, Choice]:
    """The choices in a file, those that are well formed."""
    if len(data) > MOST_BYTES:
        return {}
    try:
        rows = json.loads(data)
    except ValueError:
        return {}
    if not isinstance(rows, dict):
        return {}
    parsed = ((key, _choice(row)) for key, row in list(rows.items())[:MOST_CHOICES])
    return {key: one for key, one in parsed if one is not None}


def _choice(row: Any) -> Choice | None:
    if not isinstance(row, dict) or set(row) != {"name", "kernel", "model_s", "best_s"}:
        return None
    texts, times = (row["name"], row["kernel"]), (row["model_s"], row["best_s"])
    named = all(isinstance(x, str) and len(x) <= MOST_NAME for x in texts)
    timed = all(isinstance(x, int | float) and 0 <= x <= LONGEST_S for x in times)
    return Choice(*texts, *map(float, times)) if named and timed else None
