"""Folders that are there whole or not at all, whenever the process or the machine dies.

A folder is written under a name of its own beside the place it is for, every file and the folder
are flushed to the disk, and only then it takes its name. What a killed process left is recognised
by its name and by a lock that died with the process, so that a running one is never disturbed.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHUNK_BYTES = 1 << 24
_UNFINISHED = "writing"  # in the name of a folder that is being written or deleted
_BEFORE = "before"  # and of the one that a new folder is about to replace


def put_folder(path: Path, files: Mapping[str, Sequence[Any]]) -> None:
    """Make the folder `path` of `files`, each given by parts; one that is there is replaced.

    Whatever happens meanwhile, `standing(path)` is the old folder or the new one, whole.

    Raises:
        OSError: the disk is full, or may not be written to; nothing has changed then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    before = _before(path)
    unfinished, lock = _begin(path)
    try:
        for name, parts in files.items():
            _write(unfinished / name, parts)
        _sync(unfinished)
        if path.exists():
            _discard(before)
            os.rename(path, before)
        os.rename(unfinished, path)
        _sync(path.parent)
    except Exception:
        _delete(unfinished)
        raise
    finally:
        os.close(lock)
    _discard(before)


def standing(path: Path) -> Path:
    """Where the folder `path` is, if it is anywhere: a kill may have come amid a replacement."""
    before = _before(path)
    return before if before.is_dir() and not path.exists() else path


def remove_folder(path: Path) -> None:
    """Take a folder away, which nobody sees half deleted."""
    _discard(_before(path))
    _discard(path)


def remove_unfinished(parent: Path, pattern: str) -> None:
    """Delete what killed processes left of folders whose names fit `pattern`."""
    with _locked(parent) as alone:
        found = parent.glob(f".{pattern}.{_UNFINISHED}-*") if alone else ()
        for folder in found:
            with _locked(folder) as abandoned:
                if abandoned:
                    _delete(folder)


def _begin(path: Path) -> tuple[Path, int]:
    """A new folder beside `path`, and a lock on it that lasts as long as this process."""
    remove_unfinished(path.parent, path.name)
    with _locked(path.parent, wait=True):  # nobody takes it for abandoned before it is locked
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.{_UNFINISHED}-", dir=path.parent))
        os.chmod(folder, 0o777 & ~_umask())
        lock = os.open(folder, os.O_RDONLY)
        _lock(lock, fcntl.LOCK_EX)
    return folder, lock


def _before(path: Path) -> Path:
    return path.with_name(f".{path.name}.{_BEFORE}")


def _write(path: Path, parts: Sequence[Any]) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        for part in parts:
            rest = memoryview(part)
            while len(rest):
                rest = rest[os.write(file, rest[:CHUNK_BYTES]) :]
        os.fsync(file)
    finally:
        os.close(file)


def _sync(folder: Path) -> None:
    """The names in a folder too are on the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _discard(folder: Path) -> None:
    """Delete a folder under a name that says so, if it is there."""
    if folder.is_dir():
        name = folder.name.removeprefix(".").removesuffix(f".{_BEFORE}")
        place = tempfile.mkdtemp(prefix=f".{name}.{_UNFINISHED}-", dir=folder.parent)
        os.rename(folder, place)  # over an empty folder
        _sync(folder.parent)
        _delete(Path(place))


def _delete(folder: Path) -> None:
    """A folder of files, gone; what cannot be deleted is left for the next time."""
    try:
        for entry in list(os.scandir(folder)):
            os.unlink(entry.path)
        os.rmdir(folder)
    except OSError:
        pass


@contextmanager
def _locked(folder: Path, wait: bool = False) -> Iterator[bool]:
    """Hold the lock of a folder; gives whether it could be had."""
    try:
        number = os.open(folder, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        yield _lock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    finally:
        os.close(number)


def _lock(number: int, how: int) -> bool:
    try:
        fcntl.flock(number, how)
    except OSError:  # taken, or a file system without locks: then nothing counts as abandoned
        return False
    return True


def _umask() -> int:
    found = os.umask(0o077)
    os.umask(found)
    return found
