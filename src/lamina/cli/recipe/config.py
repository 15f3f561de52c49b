"""A TOML file whose keys are taken one by one; what nobody takes is a mistake with a line."""

from __future__ import annotations

import difflib
import inspect
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from lamina.base.errors import UsageError
from lamina.base.records import field_names

KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "str": (str,),
}


class Config:
    """The sections of a file, and where each key stands in it.

    Args:
        path: of the file.
        changes: `section.key=value`, which replace what the file says.

    Raises:
        UsageError: the file is no TOML, or a change is none.
        OSError: there is no such file.
    """

    def __init__(self, path: Path, changes: Sequence[str] = ()):
        text = path.read_text(encoding="utf-8")
        self.path = path
        try:
            self.values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(
                "the configuration is not TOML", [f"file: {path}", str(error)]
            ) from None
        self._lines = lines_of(text)
        self._taken: set[str] = set()
        for change in changes:
            self._change(change)
        for name, values in self.values.items():
            if not isinstance(values, dict):
                self.fail(name, "", "stands in no section", "write it below [train] or another")

    def section(self, name: str) -> Section:
        """A section by name, which is empty when the file has none of that name."""
        self._taken.add(name)
        return Section(self, name, dict(self.values.get(name, {})))

    def finish(self) -> None:
        """Refuse sections that nobody asked for."""
        for name in self.values:
            if name not in self._taken:
                self.fail(name, "", "there is no such section", likely(name, self._taken))

    def fail(self, section: str, key: str, problem: str, hint: str = "") -> NoReturn:
        """An error at a key, or at the head of a section when the key is empty."""
        where = f"{section}.{key}" if key else section
        line = self._lines.get((section, key), self._lines.get((section, "")))
        place = "--set" if line == 0 else f"{self.path}:{line}" if line else str(self.path)
        raise UsageError(f"{where}: {problem}", [f"at: {place}"], hint)

    def _change(self, change: str) -> None:
        found = re.fullmatch(r"([\w-]+)\.([\w-]+)=(.*)", change, re.S)
        if found is None:
            raise UsageError(
                "--set takes section.key=value", [f"given: {change}"], "as in --set train.epochs=3"
            )
        section, key, text = found.groups()
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text  # a word needs no quotes
        self.values.setdefault(section, {})[key] = value
        self._lines[section, key] = 0


class Section:
    """The keys of a section that are not taken yet."""

    def __init__(self, config: Config, name: str, values: dict[str, Any]):
        self.config = config
        self.name = name
        self.values = values
        self._known: list[str] = []

    def take(self, key: str, kind: str, default: Any = None) -> Any:
        """The value of a key, of a kind in `KINDS`; the default when it is not there."""
        self._known.append(key)
        if key not in self.values:
            return default
        return self._checked(key, self.values.pop(key), kind)

    def need(self, key: str, kind: str) -> Any:
        """The value of a key that has to be there."""
        if key not in self.values:
            self.config.fail(self.name, "", f"the key {key} is missing")
        return self.take(key, kind)

    def choose(self, key: str, choices: Mapping[str, Any], default: str | None = None) -> Any:
        """What a name stands for, or what a file of the user's defines: "file.py:name"."""
        name = self.take(key, "str", default) if default else self.need(key, "str")
        if ".py:" in name:
            return self._own(key, name)
        if name not in choices:
            hint = likely(name, choices) or f"there are {', '.join(choices)}"
            self.config.fail(self.name, key, f"there is no {name!r}", hint)
        return choices[name]

    def call(self, maker: Callable[..., Any], *args: Any, **given: Any) -> Any:
        """`maker(*args, **given)` with all keys that are left as further arguments."""
        known = [name for name in parameters_of(maker) if name not in given][len(args) :]
        more = self.options(maker, known)
        try:
            return maker(*args, **{**given, **more})
        except (TypeError, UsageError, ValueError) as error:
            said = str(error).split("\n")[0]
            self.config.fail(self.name, "", said, f"it takes {', '.join(known)}")

    def options(self, maker: Callable[..., Any], known: Sequence[str]) -> dict[str, Any]:
        """All keys that are left, which must be among the arguments of `maker` that are `known`."""
        kinds = parameters_of(maker)
        for key in self.values:
            if key not in known:
                self._unknown(key, known)
        more = {key: self._checked(key, value, kinds[key]) for key, value in self.values.items()}
        self.values = {}
        return more

    def finish(self) -> None:
        """Refuse keys that nobody took."""
        for key in self.values:
            self._unknown(key, self._known)

    def _unknown(self, key: str, known: Iterable[str]) -> NoReturn:
        names = [*self._known, *known]
        hint = likely(key, names) or (f"there are {', '.join(names)}" if names else "")
        self.config.fail(self.name, key, "there is no such key", hint)

    def _checked(self, key: str, value: Any, kind: str) -> Any:
        allowed = [KINDS[part] for part in map(str.strip, kind.split("|")) if part in KINDS]
        if not allowed:
            return tuple(value) if isinstance(value, list) else value
        fits = isinstance(value, tuple(t for kinds in allowed for t in kinds))
        if isinstance(value, bool) and (bool,) not in allowed:
            fits = False
        if not fits:
            self.config.fail(self.name, key, f"{value!r} is no {kind}")
        return value

    def _own(self, key: str, name: str) -> Any:
        file, _, attribute = name.partition(":")
        path = self.config.path.parent / file
        if not path.is_file():
            self.config.fail(self.name, key, f"there is no file {path}")
        namespace: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), namespace)
        if attribute not in namespace:
            names = [n for n in namespace if not n.startswith("_")]
            hint = likely(attribute, names)
            self.config.fail(self.name, key, f"{path} defines no {attribute!r}", hint)
        return namespace[attribute]


def parameters_of(maker: Callable[..., Any]) -> dict[str, str]:
    """The arguments of a function or class and their kinds, as written."""
    fields = field_names(maker)
    if fields:
        kinds = inspect.get_annotations(maker)  # type: ignore[arg-type]
        return {name: str(kinds.get(name, "Any")) for name in fields}
    found = inspect.signature(maker).parameters.values()
    return {p.name: str(p.annotation) for p in found if p.kind != p.VAR_KEYWORD}


def lines_of(text: str) -> dict[tuple[str, str], int]:
    """The line of each key, and of the head of each section with "" as its key."""
    section, places = "", {}
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r"\s*\[\s*([\w-]+)\s*\]", line)
        key = re.match(r'\s*"?([\w-]+)"?\s*=', line)
        if head:
            section = head[1]
            places[section, ""] = number
        elif key and section:
            places[section, key[1]] = number
        elif key:
            places[key[1], ""] = number
    return places


def likely(name: str, known: Iterable[str]) -> str:
    """What was meant, perhaps; nothing where no name is near."""
    names = list(known)
    lower = {each.lower(): each for each in names}
    found = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    return f"did you mean {lower[found[0]]}?" if found else ""
