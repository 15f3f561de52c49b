"""Which names may be read after a statement: what a branch or a loop has to give back.

    if a: t = 2 * x; y = t + 1     `y` is live behind the `if`, `t` is not: a branch without `t`
    else: y = x                    is no mistake
    return y

Functions that the code defines run at unknown times: what they read is live everywhere.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from lamina.tensor.convert.syntax.names import binds, reads

Names = frozenset[str]


class Liveness:
    """Walks from the end to the beginning and notes names on `If`, `While` and `For` nodes.

    Args:
        always: names that are live everywhere.
    """

    def __init__(self, always: set[str]):
        self.always = frozenset(always)
        self.caught: Names = frozenset()  # live where an exception goes

    def function(self, body: Sequence[ast.stmt]) -> None:
        """Note the names for all statements of a function's body."""
        self.block(body, self.always)

    def block(self, body: Sequence[ast.stmt], out: Names) -> Names:
        """The names live before `body`, from those live behind it."""
        for statement in reversed(body):
            out = self._statement(statement, out | self.caught) | self.always
        return out

    def _statement(self, node: ast.stmt, out: Names) -> Names:
        method = getattr(self, f"_{type(node).__name__.lower()}", self._simple)
        return method(node, out)

    def _simple(self, node: ast.stmt, out: Names) -> Names:
        kept = out - binds([node])
        return kept | reads(node)

    def _raise(self, node: ast.Raise, out: Names) -> Names:
        return self.caught | reads(node)

    def _return(self, node: ast.Return, out: Names) -> Names:
        return self.caught | reads(node)

    def _if(self, node: ast.If, out: Names) -> Names:
        note(node, out, out)
        return self.block(node.body, out) | self.block(node.orelse, out) | reads(node.test)

    def _while(self, node: ast.While, out: Names) -> Names:
        out = self.block(node.orelse, out)
        head = out | reads(node.test) | frozenset(_stops(node))
        while True:
            again = head | self.block(node.body, head)
            if again == head:
                break
            head = again
        note(node, out, head)
        return head

    def _for(self, node: ast.For, out: Names) -> Names:
        out = self.block(node.orelse, out)
        head = out | frozenset(_stops(node))
        targets = binds([node.target])
        while True:
            again = head | (self.block(node.body, head) - targets) | reads(node.target)
            if again == head:
                break
            head = again
        note(node, out, head)
        return head | reads(node.iter)

    def _with(self, node: ast.With, out: Names) -> Names:
        found = self.block(node.body, out)
        for item in reversed(node.items):
            bound = binds([item.optional_vars]) if item.optional_vars else set()
            found = (found - bound) | reads(item.context_expr, item.optional_vars)
        return found | out  # an exception may be held back

    def _try(self, node: ast.Try, out: Names) -> Names:
        last = self.block(node.finalbody, out)
        handled = last
        for handler in node.handlers:
            handled |= self.block(handler.body, last) | reads(handler.type)
        outer = self.caught
        self.caught = outer | handled
        found = self.block([*node.body, *node.orelse], last)
        self.caught = outer
        return found | handled

    _trystar = _try

    def _match(self, node: ast.Match, out: Names) -> Names:
        found = out | reads(node.subject)
        for case in node.cases:
            found |= self.block(case.body, out) | reads(case.guard, case.pattern)
        return found


def _stops(node: ast.AST) -> tuple[str, ...]:
    return getattr(node, "lm_stops", ())


def note(node: ast.stmt, behind: Names, before: Names) -> None:
    """Attach to a statement what is live behind it and at the beginning of each step."""
    node.lm_live = (behind, before)  # type: ignore[attr-defined]


def live(node: ast.stmt) -> tuple[Names, Names]:
    """What is live behind a statement, and before each step of a loop."""
    return node.lm_live  # type: ignore[attr-defined]
