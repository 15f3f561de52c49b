"""One function under conversion: its names, and what its branches and loops read and change."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lamina.tensor.convert.syntax import names
from lamina.tensor.convert.syntax.templates import PREFIX, statements


@dataclass
class Scope:
    """The names of one function.

    Attributes:
        first: its first argument, which `super()` needs.
        outer: names that it declares `global` or `nonlocal`, with the kind.
        shared: local names that functions inside declare `nonlocal`: calls may change them.
        changed: local names that branches and loops change, so far.
    """

    first: str
    outer: dict[str, str]
    shared: frozenset[str]
    changed: set[str] = field(default_factory=set)
    count: int = 0

    @classmethod
    def of(cls, node: ast.FunctionDef) -> Scope:
        taken = [*node.args.posonlyargs, *node.args.args]
        outer = dict.fromkeys(names.declared(node.body, ast.Global), "global")
        outer |= dict.fromkeys(names.declared(node.body, ast.Nonlocal), "nonlocal")
        shared: set[str] = set()
        for inner in ast.walk(node):
            if inner is not node and isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                shared |= names.declared(inner.body, ast.Nonlocal)
        return cls(taken[0].arg if taken else "", outer, frozenset(shared))

    def always_live(self, body: Sequence[ast.stmt]) -> set[str]:
        """Names that may be read at any time."""
        return names.reads_later(body) | set(self.outer) | set(self.shared)

    def changed_by(self, nodes: Iterable[ast.AST]) -> set[str]:
        """Names that statements change, through calls too."""
        found = names.binds(nodes)
        return found | self.shared if names.has_calls(nodes) else found

    def name(self, kind: str) -> str:
        """A new name."""
        self.count += 1
        return f"{PREFIX}{kind}_{self.count}"

    def declarations(self, changed: Iterable[str], at: ast.AST) -> list[ast.stmt]:
        """`nonlocal` and `global` statements for the names, in a function made of a block."""
        kinds: dict[str, list[str]] = {}
        for name in sorted(changed):
            kind = self.outer.get(name, "nonlocal")
            kinds.setdefault(kind, []).append(name)
            if name not in self.outer:
                self.changed.add(name)
        return [
            s for kind, these in kinds.items() for s in statements(f"{kind} {', '.join(these)}", at)
        ]

    def bound(self, at: ast.AST) -> list[ast.stmt]:
        """A statement that never runs and makes all changed names local to the function."""
        if not self.changed:
            return []
        return statements(f"if 0:\n    {' = '.join(sorted(self.changed))} = None", at)

    def state(
        self, name: str, at: ast.stmt, changed: set[str], given: Iterable[str]
    ) -> list[ast.stmt]:
        """`name = State(...)`: how a branch or a loop reads and writes the function's variables.

        Args:
            name: of the variable.
            at: the statement.
            changed: names that it changes.
            given: those of them that count afterwards or in the next step.
        """
        first = sorted(changed & set(given))
        order = [*first, *sorted(changed - set(first))]
        body = _own_nodes(at)
        roots = sorted((names.reads(*body) | changed) - {n for n in changed if _is_ours(n)})
        bases = names.assigned_inside(body)
        setter = self.name("set")
        made = self._setter(setter, order, at)
        readers = "".join(f"lambda: {n}, " for n in order)
        rooted = "".join(f"({n!r}, lambda: {n}), " for n in roots if not _is_ours(n))
        based = "".join(f"({text!r}, lambda: {text}), " for text in bases)
        made += statements(
            f"NAME = _lm_.State({tuple(order)!r}, {len(first)}, ({readers}), SET, "
            f"({rooted}), ({based}))",
            at,
            NAME=name,
            SET=setter,
        )
        return made

    def _setter(self, name: str, order: Sequence[str], at: ast.AST) -> list[ast.stmt]:
        if not order:
            return statements("NAME = _lm_.nothing", at, NAME=name)
        removals = "".join(f"    if {n} is _lm_.UNBOUND: del {n}\n" for n in order)
        text = f"def NAME(_lm_values):\n    DECLARED\n    {', '.join(order)}, = _lm_values\n"
        return statements(text + removals, at, NAME=name, DECLARED=self.declarations(order, at))


def _own_nodes(node: ast.stmt) -> list[ast.AST]:
    """What a compound statement evaluates inside its region."""
    if isinstance(node, ast.For):
        return [node.target, *node.body]
    if isinstance(node, ast.While):
        return [node.test, *node.body]
    assert isinstance(node, ast.If)
    return [*node.body, *node.orelse]


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX)
