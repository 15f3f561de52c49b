"""A nest as text, and as a cache key. `parser.py` reads the text back.

    kernel scale(x: f32[8] in, y: f32[8] out) {
      vector for i in 0..8 {
        $0 = exp(x[i])
        y[i] = $0*$0
      }
    }

`$0` is no statement: it stands for one expression node that is used several times, written where it
is first used and valid to the end of that body. So the text grows with the nodes, not with the
paths. Small index expressions are repeated instead. A constant shows its dtype unless it is i64,
f32 or bool; an operation shows it where the operands do not tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count

from lamina.backend.nest.affine import operands
from lamina.backend.nest.nodes import (
    Accumulate,
    Accumulator,
    Alloc,
    Apply,
    Const,
    Expr,
    Fault,
    For,
    If,
    Let,
    Load,
    Nest,
    Prefetch,
    Stmt,
    Store,
    Var,
)

INFIX = {
    "or": ("|", 1), "and": ("&", 2),
    "less": ("<", 3), "less_equal": ("<=", 3), "equal": ("==", 3), "not_equal": ("!=", 3),
    "add": ("+", 4), "subtract": ("-", 4),
    "multiply": ("*", 5), "divide": ("/", 5), "floor_divide": ("//", 5), "remainder": ("%", 5),
}  # fmt: skip
"""Sign and precedence; all associate to the left, comparisons not at all."""

COMPARISONS = frozenset({"equal", "not_equal", "less", "less_equal"})
DEFAULT_DTYPES = frozenset({"i64", "f32", "bool"})

_LEAVES = (Const, Var)
_TIGHTEST = 9
_DEEPEST = 16  # expressions nested deeper than this are cut into parts
_SMALL = 3  # index expressions of so many operations are repeated rather than named


def to_text(nest: Nest) -> str:
    """The text form, which parses back to the same text."""
    return _Printer().nest(nest)


def key(nest: Nest) -> str:
    """A text that is equal for nests that differ in names only, and not meant to be read."""
    return _Key().nest(nest)


def inferred_dtype(op: str, args: tuple[Expr, ...]) -> str:
    """The dtype of an operation that needs not be written."""
    if op in COMPARISONS:
        return "bool"
    if op == "halves":
        return "i32"
    return "" if op in ("cast", "bitcast") or not args else args[-1].dtype


def expressions(stmt: Stmt) -> tuple[Expr, ...]:
    """The expressions that a statement has itself, in the order of their text."""
    match stmt:
        case For():
            return stmt.start, stmt.stop
        case Let():
            return (stmt.value,)
        case Store():
            found = (stmt.offset, stmt.value)
        case Prefetch():
            return (stmt.offset,)
        case Accumulator():
            return (stmt.init,)
        case Accumulate():
            found = (stmt.value,)
        case If():
            return (stmt.condition,)
        case Fault():
            return stmt.value, stmt.limit, stmt.condition
        case _:
            return ()
    return found if stmt.mask is None else (*found, stmt.mask)


def describe(stmt: Stmt, dtypes: Mapping[str, str] | None = None) -> str:
    """The first line of a statement, for messages; `dtypes` are those of the names in scope."""
    if isinstance(stmt, For | If):
        stmt = replace(stmt, body=())
    printer = _Printer()
    printer.scope = {name: (name, dtype) for name, dtype in (dtypes or {}).items()}
    printer.statements((stmt,))
    line = next(line for line in printer.lines if not line.lstrip().startswith("$"))
    return line.strip().removesuffix("{").strip()


class _Part:
    """One node where it is first used: how often it is used from there on, and its text."""

    __slots__ = ("children", "count", "depth", "name", "node", "precedence", "text")

    def __init__(self, node: Expr):
        self.node = node
        self.children: list[_Part | Expr] = []
        self.count = 1
        self.depth = 0
        self.name = ""
        self.text = ""
        self.precedence = _TIGHTEST


class _Sharing:
    """Finds the parts of a nest: for each statement the nodes it uses first, operands first."""

    def __init__(self) -> None:
        self.uses: list[tuple[list[_Part], list[_Part | Expr]]] = []
        self._visible: dict[Expr, _Part] = {}
        self._added: list[Expr] = []
        self._sizes: dict[Expr, int] = {}

    def body(self, stmts: tuple[Stmt, ...]) -> None:
        level = len(self._added)
        for stmt in stmts:
            parts: list[_Part] = []
            roots = [self._use(e, parts) for e in expressions(stmt)]
            self.uses.append((parts, roots))
            if isinstance(stmt, For | If):
                self.body(stmt.body)
        for node in self._added[level:]:
            del self._visible[node]
        del self._added[level:]

    def _use(self, root: Expr, parts: list[_Part]) -> _Part | Expr:
        if self.size(root) <= _SMALL:
            return root
        found = self._visible.get(root)
        if found is not None:
            found.count += 1
            return found
        part = self._enter(root)
        waiting = [(part, iter(operands(root)))]
        while waiting:
            user, rest = waiting[-1]
            operand = next(rest, None)
            if operand is None:
                waiting.pop()
                parts.append(user)
                continue
            if self.size(operand) <= _SMALL:
                user.children.append(operand)
                continue
            child = self._visible.get(operand)
            if child is None:
                child = self._enter(operand)
                waiting.append((child, iter(operands(operand))))
            else:
                child.count += 1
            user.children.append(child)
        return part

    def _enter(self, node: Expr) -> _Part:
        part = self._visible[node] = _Part(node)
        self._added.append(node)
        return part

    def size(self, e: Expr) -> int:
        """How many operations a pure index expression has; more than _SMALL for all others."""
        if isinstance(e, _LEAVES):
            return 0
        if isinstance(e, Load) or e.dtype != "i64":
            return _SMALL + 1
        found = self._sizes.get(e)
        if found is None:
            found = 1
            for operand in operands(e):
                found += self.size(operand)
                if found > _SMALL:
                    break
            self._sizes[e] = found
        return found


class _Printer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0
        self.scope: dict[str, tuple[str, str]] = {}  # name -> name as shown, dtype
        self.declared: list[tuple[str, tuple[str, str] | None]] = []
        self.parts = count()
        self.uses: Iterator[tuple[list[_Part], list[_Part | Expr]]] = iter(())

    def nest(self, nest: Nest) -> str:
        params = []
        names = [self.declare(p.name, p.dtype) for p in nest.params]
        for shown, p in zip(names, nest.params, strict=True):
            alias = " ".join(["", *map(self.shown, p.may_alias.split())])
            alias = f" alias{alias}" if p.may_alias else ""
            size = "" if p.size is None else p.size
            params.append(f"{shown}: {p.dtype}[{size}] {p.role}{alias}")
        params += [self.declare(size, "i64") for size in nest.sizes]
        checks = " checks" if nest.checks else ""
        self.line(f"kernel {nest.name}({', '.join(params)}){checks} {{")
        self.statements(nest.body)
        self.line("}")
        return "\n".join(self.lines) + "\n"

    def statements(self, stmts: tuple[Stmt, ...]) -> None:
        sharing = _Sharing()
        sharing.body(stmts)
        for parts, _ in sharing.uses:
            for part in parts:
                _cut(part)
        self.uses = iter(sharing.uses)
        self.body(stmts)

    # -------------------------------------------------------------- names

    def declare(self, name: str, dtype: str) -> str:
        self.declared.append((name, self.scope.get(name)))
        self.scope[name] = (name, dtype)
        return name

    def shown(self, name: str) -> str:
        return self.scope[name][0] if name in self.scope else name

    def typed(self, name: str, dtype: str) -> str:
        """A name in use, with the dtype where the declaration does not tell it."""
        shown, declared = self.scope.get(name, (name, ""))
        return shown if declared == dtype else f"{shown}:{dtype}"

    # -------------------------------------------------------------- statements

    def line(self, text: str) -> None:
        self.lines.append("  " * self.depth + text)

    def body(self, stmts: tuple[Stmt, ...]) -> None:
        level = len(self.declared)
        self.depth += 1
        for stmt in stmts:
            parts, roots = next(self.uses)
            for part in parts:
                self.part(part)
            self.stmt(stmt, [self.expr(root)[0] for root in roots])
        self.depth -= 1
        while len(self.declared) > level:
            name, before = self.declared.pop()
            if before is None:
                del self.scope[name]
            else:
                self.scope[name] = before

    def stmt(self, stmt: Stmt, texts: list[str]) -> None:
        match stmt:
            case For():
                self.loop(stmt, *texts)
            case Let(name, value):
                self.line(f"let {self.declare(name, value.dtype)}: {value.dtype} = {texts[0]}")
            case Store():
                streaming = " streaming" if stmt.streaming else ""
                mask = "" if stmt.mask is None else f" if {texts[2]}"
                self.line(f"{self.shown(stmt.buffer)}[{texts[0]}] = {texts[1]}{mask}{streaming}")
            case Prefetch():
                self.line(f"prefetch {self.shown(stmt.buffer)}[{texts[0]}]")
            case Accumulator(name, dtype, op):
                self.line(f"acc {self.declare(name, dtype)}: {dtype} = {op} {texts[0]}")
            case Accumulate():
                mask = "" if stmt.mask is None else f" if {texts[1]}"
                self.line(f"{self.shown(stmt.name)} <- {texts[0]}{mask}")
            case Alloc(name, dtype, size, space):
                room = self.shown(size.name) if isinstance(size, Var) else size
                self.line(f"alloc {self.declare(name, dtype)}: {dtype}[{room}] {space}")
            case If():
                self.line(f"if {texts[0]} {{")
                self.body(stmt.body)
                self.line("}")
            case Fault():
                self.line(f"fault {stmt.code} ({texts[0]}, {texts[1]}) if {texts[2]}")
            case _:
                raise TypeError(f"no statement: {stmt!r}")

    def loop(self, stmt: For, start: str, stop: str) -> None:
        kind = "" if stmt.kind == "serial" else f"{stmt.kind} "
        step = f" step {stmt.step}" if stmt.step != 1 else ""
        copies = f" copies {stmt.copies}" if stmt.copies != 1 else ""
        level = len(self.declared)
        name = self.declare(stmt.var, "i64")
        self.line(f"{kind}for {name} in {start}..{stop}{step}{copies} {{")
        self.body(stmt.body)
        self.line("}")
        _, before = self.declared.pop(level)
        if before is None:
            del self.scope[stmt.var]
        else:
            self.scope[stmt.var] = before

    # -------------------------------------------------------------- expressions

    def part(self, part: _Part) -> None:
        """Writes the text of a part; a shared one gets a line and a number."""
        text, precedence = self.join(part.node, [self.expr(c) for c in part.children])
        if part.name:
            part.name = f"${next(self.parts)}"
            self.line(f"{part.name} = {text}")
            text, precedence = part.name, _TIGHTEST
        part.text, part.precedence = text, precedence

    def expr(self, e: _Part | Expr) -> tuple[str, int]:
        """Text and precedence of a part that has been written, or of a small expression."""
        if isinstance(e, _Part):
            return e.text, e.precedence
        if isinstance(e, Const):
            return number(e), _TIGHTEST
        if isinstance(e, Var):
            return self.typed(e.name, e.dtype), _TIGHTEST
        return self.join(e, [self.expr(operand) for operand in operands(e)])

    def join(self, e: Expr, texts: list[tuple[str, int]]) -> tuple[str, int]:
        if isinstance(e, Load):
            text = f"{self.typed(e.buffer, e.dtype)}[{texts[0][0]}]"
            return (text if e.mask is None else f"({text} if {texts[1][0]})"), _TIGHTEST
        assert isinstance(e, Apply)
        plain = e.dtype == inferred_dtype(e.op, e.args)
        if plain and e.op in INFIX and len(texts) == 2:
            return _infix(e.op, *texts)
        dtype = "" if plain else f"<{e.dtype}>"
        return f"{e.op}{dtype}({', '.join(text for text, _ in texts)})", _TIGHTEST


def _cut(part: _Part) -> None:
    """Decides whether a part is named: it is shared, or too deep to stand inside another."""
    inside = [c.depth for c in part.children if isinstance(c, _Part)]
    part.depth = 1 + max(inside, default=0)
    if part.count > 1 or part.depth >= _DEEPEST:
        part.name = "named"
        part.depth = 0


def _infix(op: str, left: tuple[str, int], right: tuple[str, int]) -> tuple[str, int]:
    sign, precedence = INFIX[op]
    tight = precedence + (op in COMPARISONS)
    a = left[0] if left[1] >= tight else f"({left[0]})"
    b = right[0] if right[1] > precedence else f"({right[0]})"
    return (f"{a}*{b}" if sign == "*" else f"{a} {sign} {b}"), precedence


def number(e: Const) -> str:
    """A constant, such as `1`, `0.5`, `true`, `1:u32` or `-inf:f64`."""
    if e.dtype == "bool":
        return "true" if e.value else "false"
    if e.dtype[0] in "iu":
        text = str(int(e.value))
    else:
        value = float(e.value)
        text = "nan" if math.isnan(value) else repr(value)
    return text if e.dtype in DEFAULT_DTYPES else f"{text}:{e.dtype}"


class _Key:
    """Writes a nest with numbers for names and nodes.

    A node has its number in the body where it is first used and in those inside; index expressions
    that read no memory have one number for each form they take.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.names: dict[str, str] = {}
        self.seen: dict[Expr, str] = {}
        self.forms: dict[str, str] = {}
        self.added: list[Expr] = []
        self.numbers = count()

    def nest(self, nest: Nest) -> str:
        for p in nest.params:
            self.parts.append(f"{self.declare(p.name)}:{p.dtype}[{p.size}] {p.role}")
        for p in nest.params:
            self.parts.append(" ".join([self.shown(name) for name in p.may_alias.split()]))
        self.parts.append(f"checks {nest.checks}")
        self.parts.append(" ".join([self.declare(name) for name in nest.sizes]))
        self.body(nest.body)
        return "\n".join(self.parts)

    def declare(self, name: str) -> str:
        found = self.names[name] = f"n{next(self.numbers)}"
        return found

    def body(self, stmts: tuple[Stmt, ...]) -> None:
        level, forms = len(self.added), self.forms
        self.forms = dict(forms)
        for stmt in stmts:
            self.stmt(stmt, ",".join([self.expr(e) for e in expressions(stmt)]))
        for node in self.added[level:]:
            del self.seen[node]
        del self.added[level:]
        self.forms = forms
        self.parts.append("}")

    def stmt(self, s: Stmt, texts: str) -> None:
        match s:
            case For():
                head = f"{s.kind} {s.step} {s.copies} {self.declare(s.var)}"
            case Let():
                head = f"let {self.declare(s.name)}"
            case Store():
                head = f"store {self.shown(s.buffer)} {s.streaming} {s.mask is None}"
            case Prefetch():
                head = f"prefetch {self.shown(s.buffer)}"
            case Accumulator():
                head = f"acc {self.declare(s.name)} {s.dtype} {s.op}"
            case Accumulate():
                head = f"{self.shown(s.name)} <- {s.mask is None}"
            case Alloc():
                room = self.leaf(s.size) if isinstance(s.size, Var) else s.size
                head = f"alloc {self.declare(s.name)} {s.dtype} {room} {s.space}"
            case If():
                head = "if"
            case Fault():
                head = f"fault {s.code}"
            case _:
                raise TypeError(f"no statement: {s!r}")
        self.parts.append(f"{head} {texts}")
        if isinstance(s, For | If):
            self.body(s.body)

    def shown(self, name: str) -> str:
        return self.names.get(name, name)

    def expr(self, root: Expr) -> str:
        """The number of a node, or the text of a leaf; what is new is written, operands first."""
        if isinstance(root, _LEAVES):
            return self.leaf(root)
        seen = self.seen
        waiting = [root]
        while waiting:
            e = waiting[-1]
            if e not in seen:
                inner = operands(e)
                missing = [x for x in inner if x not in seen and not isinstance(x, _LEAVES)]
                if missing:
                    waiting.extend(reversed(missing))
                    continue
                self.write(e, inner)
            waiting.pop()
        return seen[root]

    def write(self, e: Expr, inner: tuple[Expr, ...]) -> None:
        texts = [self.seen.get(x) or self.leaf(x) for x in inner]
        if isinstance(e, Load):
            head = f"{self.shown(e.buffer)}[{e.dtype}"
        else:
            assert isinstance(e, Apply)
            head = f"{e.op}<{e.dtype}"
        form = f"{head} {','.join(texts)}"
        index = head.endswith("<i64") and "%" not in form
        found = self.forms.get(form) if index else None
        if found is None:
            found = f"{'$' if index else '%'}{next(self.numbers)}"
            self.parts.append(f"{found} {form}")
            if index:
                self.forms[form] = found
        self.seen[e] = found
        self.added.append(e)

    def leaf(self, e: Expr) -> str:
        if isinstance(e, Var):
            return f"{self.shown(e.name)}:{e.dtype}"
        assert isinstance(e, Const)
        return number(e)
