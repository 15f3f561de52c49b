"""Text to graphs: the inverse of `printer.to_text`, and snippets for documentation and tests.

Reads the text with a grammar of its own and evaluates nothing; what does not fit is a ParseError
with the line. The type of a node may be left out, then its op gives it.

    graph      = "graph" ["[" symbol {"," symbol} "]"] "(" [input {"," input}] ")"
                 "{" {statement end} "return" [names] end "}"
    symbol     = word ">=" int
    input      = name ":" type
    statement  = name [":" type] "=" op ["(" [parameter {"," parameter}] ")"] [names]  [span]
    type       = dtype "[" [size {"," size}] "]"  |  "(" [type {"," type}] ")"
    size       = ["-"] product {("+" | "-") product}
    product    = factor {"*" factor}
    factor     = int | word  |  "(" size ["//" int] ")"
    parameter  = size | float | complex | string | "true" | "false" | "none" | dtype | type
               | graph | tuple | array
    complex    = "complex" "(" float "," float ")"
    tuple      = "(" [parameter ","] [parameter {"," parameter}] ")"
    array      = "literal" "(" rows "," dtype ["," tuple] ")"
    end        = line end | ";"
    span       = "# file:line in function"
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import numpy as np

from lamina.base import dtypes
from lamina.base.dims import Dim
from lamina.base.dtypes import DType
from lamina.base.errors import ParseError, TraceError
from lamina.base.records import field_names
from lamina.base.spans import Span, at
from lamina.graph.ir.graph import Graph
from lamina.graph.ir.op import REGISTRY, Op
from lamina.graph.ir.types import TensorType, TupleType, Type
from lamina.graph.ir.value import Value

MAX_DEPTH = 32  # of tuples and graphs inside one another
MAX_RANK = 64
MAX_EXTENT = 2**48

_DTYPES = {d.name: d for d in dtypes.ALL}
_WORDS: dict[str, Any] = {
    "true": True, "false": False, "none": None, "inf": float("inf"), "nan": float("nan"),
    "-inf": float("-inf"),
}  # fmt: skip
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+)
      | (?P<end>\n|;)
      | (?P<comment>\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<name>%\w{1,64})
      | (?P<float>-?\d+(?:\.\d*(?:[eE][-+]?\d+)?|[eE][-+]?\d+))
      | (?P<int>-?(?:0x[0-9a-f]{1,64}|\d{1,400})(?![\w.]))
      | (?P<word>-inf\b|[A-Za-z_]\w{0,63}(?:\.[A-Za-z_]\w{0,63})?)
      | (?P<mark>//|>=|[(){}\[\]:,=+*-])
    """,
    re.VERBOSE,
)
_SPAN = re.compile(r"#\s*(\S.*?):(\d{1,9})(?: in (.+?))?\s*")


class Token(NamedTuple):
    kind: str
    text: str
    line: int


def parse(text: str) -> Graph:
    """The graph that `text` describes.

    Raises:
        ParseError: names the line and what stands there.
    """
    reader = _Reader(text)
    reader.skip_ends()
    graph = reader.graph(0)
    reader.skip_ends()
    reader.take("", "the end of the text")
    return graph


def snippet(text: str) -> Graph:
    """A graph in short form, such as `%x: f32[2,3]; %0 = exp %x; %1 = add %0, %0`.

    A name with a type and no op is an input; a name that is not defined is an input f32[8]; the
    last statement, or `return`, gives the outputs.
    """
    return _Reader(text).snippet()


def before_after(docstring: str | None) -> tuple[Graph, Graph] | None:
    """The two snippets, or whole graphs, behind `Before:` and `After:`, if they are there."""
    found = re.search(
        r"^\s*Before:(.*?)^\s*After:(.*?)(?:\n\s*\n|\Z)", docstring or "", re.S | re.M
    )
    if found is None:
        return None
    before, after = (textwrap.dedent(part).strip() for part in found.groups())
    read: list[Graph] = [
        parse(part) if part.startswith("graph") else snippet(part) for part in (before, after)
    ]
    return read[0], read[1]


def _tokens(text: str) -> list[Token]:
    line, position, found = 1, 0, []
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            rest = text[position:].split("\n", 1)[0]
            _fail("this is no part of a graph", Token("", rest[:40], line))
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match.group(), line))
        line += match.group() == "\n"
        position = match.end()
    return [*found, Token("", "", line)]


def _fail(problem: str, token: Token, help: str = "") -> NoReturn:
    shown = repr(token.text) if token.text else "the end of the text"
    with at(None):
        raise ParseError(
            f"parse: {problem}",
            [f"line {token.line}:  {shown}"],
            help or "the grammar is in lamina/graph/ir/parser.py; print a graph for an example",
        ) from None


class _Reader:
    """A position in the tokens, and one method for each rule of the grammar."""

    def __init__(self, text: str):
        self.tokens = _tokens(text)
        self.i = 0
        self.symbols: dict[str, Dim] = {}

    # ------------------------------------------------------------------ tokens

    @property
    def next(self) -> Token:
        return self.tokens[self.i]

    def sees(self, text: str) -> bool:
        return self.next.text == text and self.next.kind not in ("string", "")

    def accept(self, text: str) -> bool:
        found = self.sees(text)
        self.i += found
        return found

    def expect(self, text: str) -> None:
        if not self.accept(text):
            _fail(f"expected {text!r}", self.next)

    def take(self, kind: str, what: str) -> Token:
        token = self.next
        if token.kind != kind:
            _fail(f"expected {what}", token)
        self.i += bool(kind)
        return token

    def skip_ends(self) -> None:
        while self.next.kind in ("end", "comment"):
            self.i += 1

    def several(self, one: Callable[[], Any], close: str) -> list[Any]:
        """`one {"," one} close`, or just `close`; lines may end inside."""
        found: list[Any] = []
        self.skip_ends()
        while not self.accept(close):
            found.append(one())
            self.skip_ends()
            if not self.accept(","):
                self.expect(close)
                break
            self.skip_ends()
        return found

    # ------------------------------------------------------------------ graphs

    def graph(self, depth: int) -> Graph:
        if depth > MAX_DEPTH:
            _fail(f"more than {MAX_DEPTH} levels inside one another", self.next)
        self.expect("graph")
        if self.accept("["):
            self.several(self.symbol, "]")
        self.expect("(")
        scope: dict[str, Value] = {}
        inputs = self.several(lambda: self.input(scope), ")")
        self.expect("{")
        self.skip_ends()
        while not self.accept("return"):
            self.statement(scope, depth)
            self.skip_ends()
        outputs = self.operands(scope)
        self.skip_ends()
        self.expect("}")
        return Graph(inputs, outputs)

    def symbol(self) -> None:
        token = self.take("word", "the name of a size")
        self.expect(">=")
        least = _integer(self.take("int", "the smallest size").text)
        if token.text in _DTYPES or token.text in _WORDS or "." in token.text or least < 0:
            _fail("this is no symbol", token)
        self.symbols[token.text] = Dim(token.text, min=least)

    def snippet(self) -> Graph:
        scope: dict[str, Value] = {}
        inputs: list[Value] = []
        outputs: list[Value] = []
        self.skip_ends()
        while self.next.kind:
            if self.sees("return"):
                self.free(scope, inputs)
                self.expect("return")
                outputs = self.operands(scope)
            elif self.tokens[self.i + 1].text == ":" and not self.is_statement():
                inputs.append(self.input(scope))
                outputs = inputs[-1:]
            else:
                self.free(scope, inputs)
                outputs = [self.statement(scope, 0)]
            self.skip_ends()
        return Graph(inputs, outputs)

    def is_statement(self) -> bool:
        """Whether an "=" follows before the statement ends."""
        i = self.i
        while self.tokens[i].kind not in ("end", ""):
            if self.tokens[i].text == "=":
                return True
            i += 1
        return False

    def free(self, scope: dict[str, Value], inputs: list[Value]) -> None:
        """Operands of the coming statement that have no definition become inputs."""
        i = self.i + 1
        while self.tokens[i].kind not in ("end", ""):
            token = self.tokens[i]
            if token.kind == "name" and token.text not in scope:
                scope[token.text] = Value(TensorType(dtypes.float32, (8,)))
                inputs.append(scope[token.text])
            i += 1

    def input(self, scope: dict[str, Value]) -> Value:
        token = self.take("name", "the name of an input, such as %a")
        self.expect(":")
        return self.define(scope, token, Value(self.type(0)))

    def define(self, scope: dict[str, Value], token: Token, value: Value) -> Value:
        if token.text in scope:
            _fail("a name is defined twice", token, "give each value a name of its own")
        scope[token.text] = value
        return value

    def operands(self, scope: dict[str, Value]) -> list[Value]:
        found: list[Value] = []
        while self.next.kind == "name":
            token = self.take("name", "an operand")
            if token.text not in scope:
                _fail("a name is used that is not defined above", token, "define it first")
            found.append(scope[token.text])
            if not self.accept(","):
                break
            if self.next.kind != "name":
                _fail("expected an operand, such as %a", self.next)
        return found

    def statement(self, scope: dict[str, Value], depth: int) -> Value:
        token = self.take("name", "a statement, such as %0: f32[8] = exp %a")
        declared = self.type(0) if self.accept(":") else None
        self.expect("=")
        op_token = self.take("word", "the name of an op")
        parameters = (
            self.several(lambda: self.parameter(depth + 1), ")") if self.accept("(") else []
        )
        op = self.op(op_token, parameters)
        operands = tuple(self.operands(scope))
        span = self.span()
        if self.next.kind not in ("end", "") and not self.sees("}"):
            _fail("expected the end of the statement", self.next)
        with at(span):
            type = self.checked(op, operands, op_token)
        if declared is not None and type != declared:
            _fail(f"declared {declared}, but {op.name} gives {type}", token)
        return self.define(scope, token, Value(type, op, operands, span))

    def op(self, token: Token, parameters: list[Any]) -> Op:
        kind = REGISTRY.get(token.text)
        if kind is None:
            _fail("there is no op of this name", token, "the ops are the classes in graph/ops")
        names = field_names(kind)
        if len(names) != len(parameters):
            wanted = ", ".join(names) or "no parameters"
            _fail(f"{token.text} takes {wanted}, got {len(parameters)} parameters", token)
        literal = getattr(kind, "literal", None)
        if literal is not None:
            parameters = [literal.of(p) if isinstance(p, np.ndarray) else p for p in parameters]
        try:
            op = kind(*parameters)
            hash(op)
        except Exception as error:  # the text may hold any parameters
            _fail(f"{token.text} refuses its parameters: {error}", token)
        return op

    def checked(self, op: Op, operands: tuple[Value, ...], token: Token) -> Type:
        try:
            return op.check(*[o.type for o in operands])
        except Exception as error:  # the text may apply any op to anything
            _fail(f"{token.text} refuses its operands: {error}", token)

    def span(self) -> Span | None:
        if self.next.kind != "comment":
            return None
        token = self.take("comment", "a span")
        found = _SPAN.fullmatch(token.text)
        return Span(found[1], int(found[2]), found[3] or "") if found else None

    # ------------------------------------------------------------------ types and parameters

    def type(self, depth: int) -> Type:
        if self.accept("("):
            if depth:
                _fail("a tuple type inside a tuple type", self.next)
            return TupleType(tuple(self.several(lambda: self.type(1), ")")))  # type: ignore[arg-type]
        dtype = self.dtype()
        self.expect("[")
        return self.shaped(dtype)

    def shaped(self, dtype: DType) -> TensorType:
        shape = self.several(self.extent, "]")
        if len(shape) > MAX_RANK:
            _fail(f"more than {MAX_RANK} axes", self.next)
        return TensorType(dtype, shape)

    def dtype_or_type(self) -> DType | TensorType:
        dtype = self.dtype()
        return self.shaped(dtype) if self.accept("[") else dtype

    def dtype(self) -> DType:
        token = self.take("word", "an element type, such as f32")
        if token.text not in _DTYPES:
            _fail("there is no element type of this name", token, f"there are {', '.join(_DTYPES)}")
        return _DTYPES[token.text]

    def extent(self) -> Any:
        if self.starts_size():
            return self.size(0)
        token = self.take("int", "the size of an axis")
        if not 0 <= _integer(token.text) <= MAX_EXTENT:
            _fail("an axis cannot have this size", token)
        return _integer(token.text)

    def starts_size(self) -> bool:
        """Whether what follows is arithmetic with symbols."""
        token = self.next
        if token.kind == "word":
            return token.text in self.symbols
        if token.kind == "int":
            return self.tokens[self.i + 1].text == "*"
        return bool(self.symbols) and (self.sees("-") or (self.sees("(") and self.is_floor()))

    def is_floor(self) -> bool:
        """Whether the parentheses that open here hold a division, and no comma."""
        depth, divides = 0, False
        for token in self.tokens[self.i :]:
            depth += (token.text == "(") - (token.text == ")")
            divides |= token.text == "//"
            if token.text == "," and depth == 1:
                return False
            if not depth:
                return divides
        return False

    def size(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            _fail(f"more than {MAX_DEPTH} levels inside one another", self.next)
        token = self.next
        try:
            total = -self.product(depth) if self.accept("-") else self.product(depth)
            while True:
                if self.accept("+"):
                    total = total + self.product(depth)
                elif self.accept("-"):
                    total = total - self.product(depth)
                elif self.next.kind == "int" and self.next.text.startswith("-"):
                    total = total + self.product(depth)
                else:
                    return total
        except (TraceError, ZeroDivisionError) as error:
            _fail(f"this is no size: {error}", token)

    def product(self, depth: int) -> Any:
        found = self.factor(depth)
        while self.accept("*"):
            found = found * self.factor(depth)
        return found

    def factor(self, depth: int) -> Any:
        if self.accept("("):
            inner = self.size(depth + 1)
            if self.accept("//"):
                inner = inner // _integer(self.take("int", "a divisor").text)
            self.expect(")")
            return inner
        if self.next.kind == "int":
            return _integer(self.take("int", "a size").text)
        token = self.take("word", "a size")
        if token.text not in self.symbols:
            _fail("a symbol is used that is not declared", token, "declare it: graph[B >= 1](...)")
        return self.symbols[token.text]

    def parameter(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            _fail(f"more than {MAX_DEPTH} levels inside one another", self.next)
        token = self.next
        if self.starts_size():
            return self.size(depth)
        if self.sees("graph"):
            return self.graph(depth + 1)
        if self.sees("literal"):
            return self.array()
        if self.accept("("):
            return tuple(self.several(lambda: self.parameter(depth + 1), ")"))
        if token.kind == "string":
            self.i += 1
            return self.string(token)
        if token.kind == "word" and token.text in _DTYPES:
            return self.dtype_or_type()
        return self.scalar()

    def string(self, token: Token) -> str:
        try:
            return json.loads(token.text)
        except ValueError:
            _fail("this string cannot be read", token)

    def scalar(self) -> Any:
        token = self.next
        self.i += 1
        if token.text == "complex":
            return self.complex()
        if token.kind == "float":
            return float(token.text)
        if token.kind == "int":
            return _integer(token.text)
        if token.kind == "word" and token.text in _WORDS:
            return _WORDS[token.text]
        _fail("expected a parameter: a number, a string, a word, a tuple or a graph", token)

    def complex(self) -> complex:
        self.expect("(")
        parts = self.several(self.scalar, ")")
        if len(parts) != 2 or not all(isinstance(p, float) for p in parts):
            _fail("expected two parts, such as complex(0.0, 1.0)", self.next)
        return complex(*parts)

    # ------------------------------------------------------------------ arrays

    def array(self) -> Any:
        token = self.take("word", "literal")
        self.expect("(")
        values: list[Any] = []
        shape = self.rows(values, 0)
        self.expect(",")
        dtype = self.dtype()
        if self.accept(","):
            shape = self.parameter(MAX_DEPTH - 1)
        self.expect(")")
        try:
            array = np.array([_number(x, dtype) for x in values], dtype.numpy).reshape(shape)
        except (ValueError, TypeError, OverflowError) as error:
            _fail(f"these elements are no {dtype} array: {error}", token)
        return array

    def rows(self, values: list[Any], depth: int) -> tuple[int, ...]:
        """Adds the elements to `values`; returns the shape that the brackets tell."""
        if not self.accept("["):
            values.append(self.element())
            return ()
        if depth >= MAX_DEPTH:
            _fail(f"more than {MAX_DEPTH} levels inside one another", self.next)
        shapes = self.several(lambda: self.rows(values, depth + 1), "]")
        if any(s != shapes[0] for s in shapes):
            _fail("rows of different lengths", self.next)
        return (len(shapes), *(shapes[0] if shapes else ()))

    def element(self) -> Any:
        """A scalar; `nan(0x...)` gives the bits of a NaN as bytes."""
        token = self.next
        value = self.scalar()
        if token.text != "nan" or not self.accept("("):
            return value
        bits = self.take("int", "the bits of a NaN")
        if not bits.text.startswith("0x"):
            _fail("expected the bits of a NaN, such as 0x7fc00000", bits)
        self.expect(")")
        return _integer(bits.text).to_bytes(32, "little")


def _integer(text: str) -> int:
    return int(text, 16 if "x" in text else 10)


def _number(value: Any, dtype: DType) -> Any:
    if isinstance(value, bytes):
        return np.frombuffer(value, dtype.numpy, 1)[0]
    fits = {"bool": bool, "int": int, "uint": int, "complex": int | float | complex}
    if (
        not isinstance(value, fits.get(dtype.kind, int | float))
        or isinstance(value, bool) != (dtype.kind == "bool")
    ):  # fmt: skip
        raise ValueError(f"{value!r} is no {dtype}")
    return value
