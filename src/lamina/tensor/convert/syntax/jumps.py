"""`return`, `break` and `continue` as flags: afterwards control leaves every block at its end.

    Before:  if a: return x        After:  if a: ret = x; did = True
             y = f(x)                      else: y = f(x); ret = y; did = True
             return y                      return ret

Where a branch always jumps, what follows the `if` becomes the other branch; where it may jump,
what follows asks the flags.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lamina.tensor.convert.syntax.names import FUNCTIONS
from lamina.tensor.convert.syntax.templates import expression, statements

FLAG = "_lm_did_"
DID, RESULT = f"{FLAG}return", "_lm_return"


@dataclass
class _Block:
    """Statements without jumps.

    Attributes:
        flags: those that the statements may set.
        ends: whether control never goes on behind them.
    """

    body: list[ast.stmt]
    flags: frozenset[str] = frozenset()
    ends: bool = False


def _joined(first: _Block, then: _Block) -> _Block:
    return _Block([*first.body, *then.body], then.flags, then.ends)


def stops(loop: ast.While | ast.For) -> tuple[str, ...]:
    """The flags that end a lowered loop."""
    return getattr(loop, "lm_stops", ())


def lower_jumps(body: list[ast.stmt]) -> list[ast.stmt]:
    """The body of a function with one `return`, at its end."""
    body = [_Opener().visit(s) for s in body]
    if not any(_jumps_inside(s) for s in body):
        return body
    lowered = _Lowering().block([*body, *statements("return None", body[-1])])
    start = statements("DID = False", body[0], DID=DID)
    end = statements("return RESULT", body[-1], RESULT=RESULT)
    return [*start, *lowered.body, *end]


class _Opener(ast.NodeTransformer):
    """`while (x := f()): ...` as `while True: if (x := f()): pass else: break; ...`.

    A test that binds a name changes the state, which only the body of a loop can do.
    """

    def visit_While(self, node: ast.While) -> ast.While:
        self.generic_visit(node)
        if node.orelse or not any(isinstance(n, ast.NamedExpr) for n in ast.walk(node.test)):
            return node
        asked = statements("if TEST: pass\nelse:\n    LEAVE", node.test, TEST=node.test,
                           LEAVE=[ast.copy_location(ast.Break(), node.test)])  # fmt: skip
        node.body = [*asked, *node.body]
        node.test = ast.copy_location(ast.Constant(True), node.test)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        return node  # has its own turn

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        return node


def _jumps_inside(statement: ast.stmt) -> bool:
    """Whether a statement holds a jump, other than being a `return` itself."""
    inner = list(ast.iter_child_nodes(statement))
    return not isinstance(statement, ast.Return) and any(_has_jump(c) for c in inner)


def _has_jump(node: ast.AST) -> bool:
    if isinstance(node, ast.Return | ast.Break | ast.Continue):
        return True
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return False
    return any(_has_jump(c) for c in ast.iter_child_nodes(node))


def unset(flags: Iterable[str], at: ast.AST) -> ast.expr:
    """An expression: none of the flags is set."""
    return expression(f"_lm_.none({', '.join(sorted(flags))})", at)


class _Lowering:
    """Loops are numbered; `loops` holds those around, the innermost last."""

    def __init__(self) -> None:
        self.loops: list[int] = []
        self.count = 0

    def block(self, body: Sequence[ast.stmt]) -> _Block:
        made: list[ast.stmt] = []
        flags: frozenset[str] = frozenset()
        for i, statement in enumerate(body):
            rest = body[i + 1 :]
            if isinstance(statement, ast.If) and _has_jump(statement):
                found = self._if(statement, rest)
                return _Block([*made, *found.body], flags | found.flags, found.ends)
            one = self._statement(statement)
            made += one.body
            flags |= one.flags
            if one.ends:
                return _Block(made, flags, True)
            if one.flags and rest:
                return self._guarded(made, flags, one.flags, rest)
        return _Block(made or statements("pass", ast.Pass(lineno=1, col_offset=0)), flags)

    def _guarded(
        self,
        made: list[ast.stmt],
        flags: frozenset[str],
        asked: frozenset[str],
        rest: Sequence[ast.stmt],
    ) -> _Block:
        """The rest, where no flag is set."""
        found = self.block(rest)
        guard = ast.If(unset(asked, rest[0]), found.body, [])
        made.append(ast.copy_location(guard, rest[0]))
        return _Block(made, flags | found.flags, False)

    def _if(self, node: ast.If, rest: Sequence[ast.stmt]) -> _Block:
        taken, other = self.block(node.body), self.block(node.orelse)
        jumped = taken.flags | other.flags
        ends = taken.ends and other.ends
        if not ends and rest and jumped:
            if taken.ends and not other.flags:
                other = _joined(other, self.block(rest))
            elif other.ends and not taken.flags:
                taken = _joined(taken, self.block(rest))
            else:
                new = self._rebuilt(node, taken, other)
                return self._guarded([new], jumped, jumped, rest)
            both = taken.flags | other.flags
            new = self._rebuilt(node, taken, other)
            return _Block([new], both, taken.ends and other.ends)
        whole = _Block([self._rebuilt(node, taken, other)], jumped, ends)
        if ends or not rest:
            return whole
        return _joined(whole, self.block(rest))  # the jumps inside stay inside

    def _rebuilt(self, node: ast.If, taken: _Block, other: _Block) -> ast.stmt:
        other_body = [] if not node.orelse and _only_passes(other.body) else other.body
        return ast.copy_location(ast.If(node.test, taken.body, other_body), node)

    def _statement(self, node: ast.stmt) -> _Block:
        if isinstance(node, ast.Return):
            value = node.value or ast.copy_location(ast.Constant(None), node)
            text = "RESULT = VALUE\nDID = True"
            made = statements(text, node, RESULT=RESULT, DID=DID, VALUE=value)
            return _Block(made, frozenset([DID]), True)
        if isinstance(node, ast.Break | ast.Continue):
            kind = "break" if isinstance(node, ast.Break) else "continue"
            flag = f"{FLAG}{kind}_{self.loops[-1]}"
            return _Block(statements("F = True", node, F=flag), frozenset([flag]), True)
        if isinstance(node, ast.Raise):
            return _Block([node], frozenset(), True)
        if isinstance(node, ast.While | ast.For):
            return self._loop(node)
        if not _has_jump(node):
            return _Block([node])
        return self._compound(node)

    def _loop(self, node: ast.While | ast.For) -> _Block:
        self.count += 1
        number = self.count
        stop, skip = f"{FLAG}break_{number}", f"{FLAG}continue_{number}"
        self.loops.append(number)
        inner = self.block(node.body)
        self.loops.pop()
        behind = self.block(node.orelse) if node.orelse else _Block([])
        start = statements("F = False", node, F=skip) if skip in inner.flags else []
        leaving = inner.flags - {skip}
        new = ast.copy_location(_like(node, [*start, *inner.body]), node)
        new.lm_stops = tuple(sorted(leaving))  # type: ignore[union-attr]
        made = statements("F = False", node, F=stop) if stop in inner.flags else []
        made.append(new)
        if behind.body and leaving:
            guard = ast.If(unset(leaving, node.orelse[0]), behind.body, [])
            made.append(ast.copy_location(guard, node.orelse[0]))
        else:
            made += behind.body
        endless = isinstance(node, ast.While) and _is_true(node.test) and stop not in leaving
        return _Block(made, (leaving - {stop}) | behind.flags, endless)

    def _compound(self, node: ast.stmt) -> _Block:
        """`with`, `try` and `match`: every block inside, in place."""
        flags: frozenset[str] = frozenset()
        for holder in (node, *getattr(node, "handlers", []), *getattr(node, "cases", [])):
            for name in ("body", "orelse", "finalbody"):
                inner = getattr(holder, name, None)
                if not inner:
                    continue
                found = self.block(inner)
                if name == "orelse" and flags:  # runs where the body came to its end
                    guard = ast.If(unset(flags, inner[0]), found.body, [])
                    found.body = [ast.copy_location(guard, inner[0])]
                setattr(holder, name, found.body)
                flags |= found.flags
        return _Block([node], flags)


def _like(node: ast.While | ast.For, body: list[ast.stmt]) -> ast.While | ast.For:
    if isinstance(node, ast.While):
        return ast.While(node.test, body, [])
    return ast.For(node.target, node.iter, body, [], node.type_comment)


def _is_true(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and bool(test.value)


def _only_passes(body: Sequence[ast.stmt]) -> bool:
    return all(isinstance(s, ast.Pass) for s in body)
