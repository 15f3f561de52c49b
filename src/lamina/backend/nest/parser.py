"""Reads the text that `printer.py` writes."""

from __future__ import annotations

import re
from collections.abc import Callable

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
    Param,
    Prefetch,
    Stmt,
    Store,
    Var,
)
from lamina.backend.nest.printer import COMPARISONS, INFIX, inferred_dtype
from lamina.base.errors import ParseError

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
    r"|(?P<part>\$\d+)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\.\.|<-|<=|==|!=|//|[-+*/%<>&|()\[\]{}:,=])"
)
_OPS = {sign: (op, precedence) for op, (sign, precedence) in INFIX.items()}
_KINDS = ("parallel", "vector", "unroll")


def parse(text: str) -> Nest:
    """The nest of a text.

    Raises:
        ParseError: the text is none; the message shows the line.
    """
    return _Parser(text).nest()


class _Parser:
    def __init__(self, text: str):
        self.text = text
        self.tokens: list[tuple[str, str, int]] = []
        self.at = 0
        self.dtypes: dict[str, str] = {}  # buffers, variables and accumulators in scope
        self.parts: dict[str, Expr] = {}
        position = 0
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                raise self.error(f"no token begins with {text[position]!r}", position)
            if found.lastgroup != "space":
                self.tokens.append((found.lastgroup or "", found.group(), position))
            position = found.end()
        self.tokens.append(("end", "the end of the text", len(text)))

    # -------------------------------------------------------------- tokens

    def error(self, problem: str, position: int | None = None) -> ParseError:
        if position is None:
            position = self.tokens[self.at][2]
        row = self.text.count("\n", 0, position)
        line = self.text.splitlines()[row] if self.text.splitlines()[row:] else ""
        return ParseError(f"nest text: {problem}", [f"line {row + 1}: {line.strip()}"])

    @property
    def peek(self) -> str:
        return self.tokens[self.at][1]

    def take(self, kind: str = "") -> str:
        found, text, _ = self.tokens[self.at]
        if kind and found != kind:
            raise self.error(f"expected a {kind}, found {text!r}")
        self.at += 1
        return text

    def expect(self, text: str) -> None:
        if self.peek != text:
            raise self.error(f"expected {text!r}, found {self.peek!r}")
        self.at += 1

    def skip(self, text: str) -> bool:
        if self.peek != text:
            return False
        self.at += 1
        return True

    def integer(self) -> int:
        negative = self.skip("-")
        text = self.take("number")
        if not text.isdigit():
            raise self.error(f"expected an integer, found {text!r}")
        return -int(text) if negative else int(text)

    def listed(self, item: Callable[[], Expr | Param]) -> list:
        """`(a, b, c)`."""
        self.expect("(")
        found = []
        while not self.skip(")"):
            if found:
                self.expect(",")
            found.append(item())
        return found

    # -------------------------------------------------------------- kernel and statements

    def nest(self) -> Nest:
        self.expect("kernel")
        name = self.take("name")
        listed = self.listed(self.param)
        params = [p for p in listed if isinstance(p, Param)]
        sizes = [p.name for p in listed if isinstance(p, Var)]
        checks = self.skip("checks")
        body = self.body()
        if self.tokens[self.at][0] != "end":
            raise self.error(f"expected the end of the text, found {self.peek!r}")
        return Nest(name, tuple(params), body, checks, tuple(sizes))

    def param(self) -> Param | Var:
        if self.tokens[self.at + 1][1] != ":":
            return self.open_size()
        name, dtype, size = self.buffer()
        role = self.take("name")
        if isinstance(size, Var):
            raise self.error("a parameter has a constant size, or none")
        aliases = [self.take("name")] if self.skip("alias") else []
        while aliases and self.tokens[self.at][0] == "name":
            aliases.append(self.take("name"))
        return Param(name, dtype, size, role, " ".join(aliases))

    def open_size(self) -> Var:
        name = self.take("name")
        self.dtypes[name] = "i64"
        return Var("i64", name)

    def buffer(self) -> tuple[str, str, int | Var | None]:
        """`name: dtype[size]`, `name: dtype[n]` or `name: dtype[]`."""
        name = self.take("name")
        self.expect(":")
        dtype = self.dtypes[name] = self.take("name")
        self.expect("[")
        if self.skip("]"):
            return name, dtype, None
        is_open = self.tokens[self.at][0] == "name"
        size = Var("i64", self.take("name")) if is_open else self.integer()
        self.expect("]")
        return name, dtype, size

    def body(self) -> tuple[Stmt, ...]:
        self.expect("{")
        outer = dict(self.dtypes), dict(self.parts)
        stmts: list[Stmt] = []
        while not self.skip("}"):
            if self.tokens[self.at][0] == "part":
                name = self.take()
                self.expect("=")
                self.parts[name] = self.expr()
            else:
                stmts.append(self.stmt())
        self.dtypes, self.parts = outer
        return tuple(stmts)

    def stmt(self) -> Stmt:
        following = self.tokens[self.at + 1][1] if self.at + 1 < len(self.tokens) else ""
        if following == "[":
            return self.store()
        if following == "<-":
            name = self.take("name")
            self.expect("<-")
            return Accumulate(name, self.expr(), self.mask())
        rules: dict[str, Callable[[], Stmt]] = {
            "let": self.let, "acc": self.accumulator, "alloc": self.alloc, "if": self.condition,
            "fault": self.fault, "for": self.loop, "prefetch": self.prefetch,
        }  # fmt: skip
        rule = self.loop if self.peek in _KINDS else rules.get(self.peek)
        if rule is None:
            raise self.error(f"no statement begins with {self.peek!r}")
        return rule()

    def mask(self) -> Expr | None:
        return self.expr() if self.skip("if") else None

    def element(self) -> tuple[str, Expr]:
        """`buffer[offset]`."""
        name = self.take("name")
        self.expect("[")
        offset = self.expr()
        self.expect("]")
        return name, offset

    def prefetch(self) -> Prefetch:
        self.expect("prefetch")
        return Prefetch(*self.element())

    def store(self) -> Store:
        name, offset = self.element()
        self.expect("=")
        value = self.expr()
        mask = self.mask()
        return Store(name, offset, value, mask, self.skip("streaming"))

    def loop(self) -> For:
        kind = "serial" if self.peek == "for" else self.take()
        self.expect("for")
        name = self.take("name")
        self.expect("in")
        start = self.expr()
        self.expect("..")
        stop = self.expr()
        step = self.integer() if self.skip("step") else 1
        copies = self.integer() if self.skip("copies") else 1
        before = self.dtypes.get(name)
        self.dtypes[name] = "i64"
        body = self.body()
        if before is None:
            del self.dtypes[name]
        else:
            self.dtypes[name] = before
        return For(name, start, stop, body, kind, step, copies)

    def let(self) -> Let:
        self.expect("let")
        name, dtype = self.declared()
        value = self.expr()
        if value.dtype != dtype:
            raise self.error(f"{name} is {dtype}, its value is {value.dtype}")
        self.dtypes[name] = dtype
        return Let(name, value)

    def accumulator(self) -> Accumulator:
        self.expect("acc")
        name, dtype = self.declared()
        op = self.take("name")
        init = self.expr()
        self.dtypes[name] = dtype
        return Accumulator(name, dtype, op, init)

    def declared(self) -> tuple[str, str]:
        """`name: dtype =`."""
        name = self.take("name")
        self.expect(":")
        dtype = self.take("name")
        self.expect("=")
        return name, dtype

    def alloc(self) -> Alloc:
        self.expect("alloc")
        name, dtype, size = self.buffer()
        if size is None:
            raise self.error("a local buffer has a size")
        return Alloc(name, dtype, size, self.take("name"))

    def condition(self) -> If:
        self.expect("if")
        condition = self.expr()
        return If(condition, self.body())

    def fault(self) -> Fault:
        self.expect("fault")
        code = self.integer()
        self.expect("(")
        value = self.expr()
        self.expect(",")
        limit = self.expr()
        self.expect(")")
        self.expect("if")
        return Fault(self.expr(), code, value, limit)

    # -------------------------------------------------------------- expressions

    def expr(self, lowest: int = 1) -> Expr:
        left = self.operand()
        while self.peek in _OPS and _OPS[self.peek][1] >= lowest:
            op, precedence = _OPS[self.take()]
            right = self.expr(precedence + 1)
            left = Apply(inferred_dtype(op, (left, right)), op, (left, right))
            if op in COMPARISONS and self.peek in _OPS and _OPS[self.peek][1] == precedence:
                raise self.error("comparisons do not chain")
        return left

    def operand(self) -> Expr:
        kind, text, _ = self.tokens[self.at]
        if kind == "number" or text in ("-", "inf", "nan"):
            return self.number()
        if kind == "part":
            if text not in self.parts:
                raise self.error(f"{text} has not been written")
            return self.parts[self.take()]
        if self.skip("("):
            return self.grouped()
        name = self.take("name")
        if name in ("true", "false"):
            return Const("bool", name == "true")
        if self.peek in ("(", "<") and self.is_call():
            return self.call(name)
        dtype = self.take("name") if self.skip(":") else self.dtypes.get(name)
        if dtype is None:
            raise self.error(f"{name} is not declared")
        if not self.skip("["):
            return Var(dtype, name)
        offset = self.expr()
        self.expect("]")
        return Load(dtype, name, offset)

    def grouped(self) -> Expr:
        """`(expr)`, or a masked load `(x[o] if m)`."""
        inner = self.expr()
        mask = self.mask()
        self.expect(")")
        if mask is None:
            return inner
        if not isinstance(inner, Load):
            raise self.error("only a load has a mask")
        return Load(inner.dtype, inner.buffer, inner.offset, mask)

    def is_call(self) -> bool:
        """`op(` or `op<dtype>(`; `a < b` is a comparison."""
        if self.peek == "(":
            return True
        return [token[1] for token in self.tokens[self.at + 2 : self.at + 4]] == [">", "("]

    def call(self, op: str) -> Apply:
        dtype = ""
        if self.skip("<"):
            dtype = self.take("name")
            self.expect(">")
        args = tuple(self.listed(self.expr))
        if not dtype:
            dtype = inferred_dtype(op, args)
        if not dtype:
            raise self.error(f"{op} needs a dtype, as in {op}<f32>(x)")
        return Apply(dtype, op, args)

    def number(self) -> Const:
        sign = -1 if self.skip("-") else 1
        text = self.take()
        whole = text.isdigit()
        if not whole and text not in ("inf", "nan") and not text[0].isdigit():
            raise self.error(f"expected a number, found {text!r}")
        value = int(text) if whole else float(text)
        dtype = self.take("name") if self.skip(":") else "i64" if whole else "f32"
        return Const(dtype, sign * value)
