"""What was compiled, on disk: one file each, checked when read, replaced atomically when written.

    magic (8) | format (u32) | header length (u32) | sha256 of the rest (32) | header (JSON) | code

A file that is damaged, cut short or not ours is reported and rebuilt. A writer that dies leaves at
most a temporary file, which nobody reads and a later sweep removes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lamina.base.errors import CacheWarning

MAGIC = b"LAMINAKN"
FORMAT = 1
LIMIT_BYTES = 512 * 1024 * 1024
STALE_S = 3600.0  # a temporary file of this age has lost its writer
_PREFIX = struct.Struct("<8sII32s")
_TEMPORARY = ".tmp-"
_SWEEP_EVERY = 256  # writes


@dataclass(frozen=True)
class Entry:
    """A compiled kernel: its object code, and what is needed to use it; or a whole program."""

    key: str
    compiler: str
    target: str
    symbol: str
    scratch_bytes: int
    code: bytes


class DiskCache:
    """A directory of compiled kernels, or of programs, shared by any number of processes.

    Args:
        folder: the directory, made when needed; one that cannot be written keeps nothing.
        limit_bytes: when the files exceed this, those not used for longest are removed.
        suffix: of the files.
    """

    def __init__(
        self, folder: Path, limit_bytes: int = LIMIT_BYTES, suffix: str = ".kernel"
    ) -> None:
        self.folder, self.limit_bytes, self.suffix = folder, limit_bytes, suffix
        self._writes = 0

    def path(self, key: str) -> Path:
        """Where the entry of a key lies."""
        return self.folder / (key + self.suffix)

    def read(self, key: str, compiler: str, target: str) -> Entry | None:
        """The entry of `key`, or None when there is none that can be trusted."""
        path = self.path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            entry = decode(data)
            if (entry.key, entry.compiler, entry.target) != (key, compiler, target):
                raise ValueError("it belongs to another kernel, compiler or target")
        except ValueError as problem:
            warnings.warn(
                CacheWarning(
                    f"compile cache: {path} cannot be used: {problem}; "
                    f"the {self.suffix[1:]} is rebuilt"
                ),
                stacklevel=2,
            )
            return None
        self._mark_used(path)
        return entry

    def write(self, entry: Entry) -> bool:
        """Keeps an entry; False when the directory takes none."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=self.folder)
        except OSError:
            return False
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(encode(entry))
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path(entry.key))
        except OSError:
            _remove(Path(name))
            return False
        if self._writes % _SWEEP_EVERY == 0:
            self.sweep()
        self._writes += 1
        return True

    def sweep(self, now_s: float | None = None) -> None:
        """Removes abandoned temporary files, then the least recently used beyond the limit."""
        now_s = time.time() if now_s is None else now_s
        kernels: list[tuple[float, int, Path]] = []
        for path, stat in self._files():
            if path.name.startswith(_TEMPORARY):
                if now_s - stat.st_mtime > STALE_S:
                    _remove(path)
            elif path.suffix == self.suffix:
                kernels.append((stat.st_mtime, stat.st_size, path))
        total_bytes = sum(size for _, size, _ in kernels)
        for _, size, path in sorted(kernels):
            if total_bytes <= self.limit_bytes:
                break
            _remove(path)
            total_bytes -= size

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        try:
            found = list(os.scandir(self.folder))
        except OSError:
            return
        for item in found:
            with contextlib.suppress(OSError):
                yield Path(item.path), item.stat()

    def _mark_used(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            os.utime(path)


def encode(entry: Entry) -> bytes:
    """The bytes of a cache file."""
    fields = asdict(entry)
    code = fields.pop("code")
    header = json.dumps(fields, sort_keys=True).encode()
    rest = header + code
    return _PREFIX.pack(MAGIC, FORMAT, len(header), hashlib.sha256(rest).digest()) + rest


def decode(data: bytes) -> Entry:
    """The entry in the bytes of a cache file.

    Raises:
        ValueError: the bytes are not a whole, undamaged entry of this format.
    """
    if len(data) < _PREFIX.size or data[: len(MAGIC)] != MAGIC:
        raise ValueError("it is not a kernel file")
    _, version, header_length, digest = _PREFIX.unpack_from(data)
    if version != FORMAT:
        raise ValueError(f"it has format {version}, not {FORMAT}")
    rest = data[_PREFIX.size :]
    if hashlib.sha256(rest).digest() != digest:
        raise ValueError("its checksum is wrong")
    try:
        fields = json.loads(rest[:header_length])
        return Entry(**fields, code=rest[header_length:])
    except (TypeError, ValueError):
        raise ValueError("its header is not understood") from None


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
