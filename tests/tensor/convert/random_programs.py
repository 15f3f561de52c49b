"""Random small programs: Python text with nested branches, loops and jumps over integers.

Every variable is an integer from the start, every loop ends, and numbers stay small, so that any
program runs: as plain Python on tensors with values, and converted on tensors without.
"""

from __future__ import annotations

import random

VARIABLES = ("a", "b", "c")


class Writer:
    """Writes one program.

    Args:
        seed: the same one gives the same program.
    """

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.counters = 0

    def program(self) -> str:
        """A function `f(a, b, xs)` of two integers and a vector of integers."""
        self.lines = ["def f(a, b, xs):", "    c = 1"]
        self.block(1, 0, 3)
        self.line(1, "return a + 10 * b, c")
        return "\n".join(self.lines) + "\n"

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def block(self, depth: int, loops: int, left: int) -> None:
        for _ in range(self.random.randint(1, 3)):
            self.statement(depth, loops, left)

    def statement(self, depth: int, loops: int, left: int) -> None:
        kinds = ["assign", "assign", "update"]
        if left:
            kinds += ["if", "if", "while", "for range", "for tensor"]
        if loops:
            kinds += ["break", "continue"]
        kinds += ["return", "helper", "unpack"]
        kind = self.random.choice(kinds)
        getattr(self, f"write_{kind.replace(' ', '_')}")(depth, loops, left)

    # ------------------------------------------------------------ statements

    def write_assign(self, depth: int, loops: int, left: int) -> None:
        self.line(depth, f"{self.variable()} = ({self.expression()}) % 23")

    def write_update(self, depth: int, loops: int, left: int) -> None:
        self.line(depth, f"{self.variable()} += {self.random.randint(-3, 3)}")

    def write_unpack(self, depth: int, loops: int, left: int) -> None:
        x, y = self.random.sample(VARIABLES, 2)
        self.line(depth, f"{x}, {y} = {y}, ({self.expression()}) % 17")

    def write_helper(self, depth: int, loops: int, left: int) -> None:
        self.line(depth, f"{self.variable()} = helper({self.expression()}, {self.variable()})")

    def write_if(self, depth: int, loops: int, left: int) -> None:
        self.line(depth, f"if {self.condition()}:")
        self.block(depth + 1, loops, left - 1)
        if self.random.random() < 0.3:
            self.line(depth, f"elif {self.condition()}:")
            self.block(depth + 1, loops, left - 1)
        if self.random.random() < 0.6:
            self.line(depth, "else:")
            self.block(depth + 1, loops, left - 1)

    def write_while(self, depth: int, loops: int, left: int) -> None:
        self.counters += 1
        k = f"k{self.counters}"
        self.line(depth, f"{k} = 0")
        self.line(depth, f"while {k} < {self.random.randint(1, 4)} and ({self.condition()}):")
        self.line(depth + 1, f"{k} += 1")
        self.block(depth + 1, loops + 1, left - 1)
        self.otherwise(depth, loops, left)

    def write_for_range(self, depth: int, loops: int, left: int) -> None:
        self.counters += 1
        i = f"i{self.counters}"
        bound = self.random.choice(["3", f"{self.variable()} % 4", f"1, {self.variable()} % 5"])
        self.line(depth, f"for {i} in range({bound}):")
        self.line(depth + 1, f"{self.variable()} = ({i} + {self.expression()}) % 19")
        self.block(depth + 1, loops + 1, left - 1)
        self.otherwise(depth, loops, left)

    def write_for_tensor(self, depth: int, loops: int, left: int) -> None:
        self.counters += 1
        x = f"x{self.counters}"
        self.line(depth, f"for {x} in xs:")
        self.line(depth + 1, f"{self.variable()} = ({x} + {self.expression()}) % 19")
        self.block(depth + 1, loops + 1, left - 1)
        self.otherwise(depth, loops, left)

    def otherwise(self, depth: int, loops: int, left: int) -> None:
        if self.random.random() < 0.2:
            self.line(depth, "else:")
            self.block(depth + 1, loops, left - 1)

    def write_break(self, depth: int, loops: int, left: int) -> None:
        self.jump(depth, "break")

    def write_continue(self, depth: int, loops: int, left: int) -> None:
        self.jump(depth, "continue")

    def write_return(self, depth: int, loops: int, left: int) -> None:
        self.jump(depth, f"return {self.expression()}, {self.variable()}")

    def jump(self, depth: int, text: str) -> None:
        self.line(depth, f"if {self.condition()}:")
        self.line(depth + 1, text)

    # ------------------------------------------------------------ expressions

    def variable(self) -> str:
        return self.random.choice(VARIABLES)

    def atom(self) -> str:
        return self.random.choice([*VARIABLES, str(self.random.randint(-3, 5))])

    def expression(self) -> str:
        x, y = self.variable(), self.atom()
        kind = self.random.random()
        if kind < 0.2:
            return f"({x} if {self.condition()} else {y})"
        return f"{x} {self.random.choice('+-*')} {y}"

    def condition(self) -> str:
        x, y, z = self.variable(), self.atom(), self.atom()
        order = self.random.choice(["<", "<=", ">", "==", "!="])
        forms = [
            f"{x} {order} {y}",
            f"{x} % 3 == 1",
            f"{x} < {y} < {z}",
            f"not {x} > {y}",
            f"{x} > {y} and {z} < {x}",
            f"{x} < {y} or {x} % 2 == 0",
        ]
        return self.random.choice(forms)


HELPER = """
def helper(x, y):
    if x > y:
        return x - y
    while y > 3:
        y = y - 3
        if y == x:
            return 7
    return (x + y) % 11
"""
