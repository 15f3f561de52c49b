"""Small functions with control flow over tensors, each with arguments that take all its ways."""

from __future__ import annotations

from typing import Any

import lamina as lm

F = lm.float64


def if_else(x: Any) -> Any:
    if x > 0:
        y = x * 2
    else:
        y = -x
    return y + 1


def elif_chain(x: Any) -> Any:
    if x > 5:
        return x - 5
    elif x > 0:
        return x * 3
    elif x == 0:
        return x + 7
    return -x


def one_sided(x: Any) -> Any:
    y = x
    if x > 1:
        y = y * x
    return y


def numbers(x: Any) -> Any:
    k = 0.1
    if x > 0:
        k = 0.3
    return x * k


def nested_return(x: Any) -> Any:
    if x > 0:
        y = x * 2
        if x > 5:
            return y + 100
        z = 1
    else:
        y = -x
        z = 2
    return y + z


def only_in_the_branch(x: Any) -> Any:
    if x > 0:
        t = x * x
        x = t + 1
    return x


def several(x: Any) -> Any:
    a, b = x, x + 1
    if x > 2:
        a, b = b, a
    return a - 2 * b, {"a": a}


def counted(x: Any) -> Any:
    steps = 0
    while x > 1:
        x = x / 2
        steps += 1
    return x, steps


def while_else(x: Any) -> Any:
    i = 0
    while i < x:
        i += 1
        if i == 4:
            break
    else:
        i += 100
    return i


def jumps(x: Any) -> Any:
    s, i = 0, 0
    while i < x:
        i += 1
        if i % 2 == 0:
            continue
        if i > 7:
            break
        s += i
    return s


def endless(x: Any) -> Any:
    k = 0
    while True:
        k += 1
        x = x * 2
        if x > 20 or k > 6:
            return x + k


def return_in_a_loop(x: Any) -> Any:
    for i in range(10):
        x = x + i
        if x > 12:
            return x * 100
    return x


def jumps_of_an_inner_loop(x: Any) -> Any:
    s = 0
    if x > 2:
        s = 1
    else:
        for i in range(int(x) + 4):
            if i > 2:
                continue
            s += i
    return x + 10 * s


def over_range(x: Any) -> Any:
    s = 0
    for i in range(int(x)):
        s += i * i
    return s


def range_of_three(x: Any) -> Any:
    s = 0
    for i in range(7, int(x), -2):
        s = s * 3 + i
    return s


def nested_loops(x: Any) -> Any:
    s = 0
    for i in range(int(x)):
        for j in range(i):
            if j > 3:
                break
            if (i + j) % 3 == 0:
                continue
            s += i * j + 1
        else:
            s += 50
        if s > 400:
            return -s
    return s


def logic(x: Any) -> Any:
    a = 1 if x > 0 and x < 5 else 2
    b = 3 if x < 0 or x > 7 else 4
    c = 5 if not x > 2 else 6
    return x + 10 * a + 100 * b + 1000 * c


def chained(x: Any) -> Any:
    return x * 2 if 0 < x <= 3 < 2 * x else x - 1


def conditional(x: Any) -> Any:
    return (x if x > 0 else -x) + (1.5 if x > 3 else 0.5)


def walrus(x: Any) -> Any:
    n = 0
    while (y := x - n) > 1:
        n += 2
    return y + n


def builtin_numbers(x: Any) -> Any:
    return max(x, 2.0) + min(x, 1.0, 3.0) + int(x) + float(x > 1)


def helper(x: Any, scale: float = 2.0) -> Any:
    if x > 3:
        return x * scale
    return x + scale


def calls(x: Any) -> Any:
    return helper(x) + helper(x + 2, scale=3.0)


def closure(x: Any) -> Any:
    count = 0

    def note(by: Any) -> Any:
        nonlocal count
        if by > 1:
            count += 1
        return by * 2

    y = note(x) + note(x - 1)
    if x > 2:
        note(x)
    return y + 100 * count


def lambdas(x: Any) -> Any:
    f = lambda v: v * v if v > 1 else v
    return f(x) + f(-x)


def in_with(x: Any) -> Any:
    import contextlib

    with contextlib.nullcontext():
        if x > 2:
            return x * 5
        x = x + 1
    return x


def in_try(x: Any) -> Any:
    try:
        if x > 2:
            x = x * 3
    finally:
        x = x + 1
    return x


def dictionary(x: Any) -> Any:
    d = {"k": x, "n": 0}
    if x > 2:
        d["k"] = d["k"] * 2
        d["n"] += 1
    for _ in range(int(x)):
        d["n"] += 2
    return d["k"] + d["n"]


def list_items(x: Any) -> Any:
    both = [x, x * 2]
    if x > 1:
        both[0] = both[1] + 1
    return both[0] - both[1]


def asserted(x: Any) -> Any:
    assert x > -100, "too small"
    return x if x > 0 else x * x


def flags(x: Any) -> Any:
    found = False
    for i in range(5):
        if x < i:
            found = True
    return 1.0 if found else x


def python_decides(x: Any, mode: str = "b") -> Any:
    if mode == "a":
        return x.no_such_attribute
    for k in (1, 2, 3):
        if k == 2:
            continue
        if x > k:
            x = x - k
    return x


SCALARS = [
    if_else, elif_chain, one_sided, numbers, nested_return, only_in_the_branch, several, counted,
    while_else, jumps, endless, return_in_a_loop, jumps_of_an_inner_loop, over_range,
    range_of_three, nested_loops, logic,
    chained, conditional, walrus, builtin_numbers, calls, closure, lambdas, in_with, in_try,
    dictionary, list_items, asserted, flags, python_decides,
]  # fmt: skip


def total(xs: Any) -> Any:
    s = 0.0
    for x in xs:
        s = s + x
    return s


def until_negative(xs: Any) -> Any:
    s = 1.0
    for x in xs:
        if x < 0:
            break
        s = s * x
    else:
        s = s + 1000.0
    return s


def skips(xs: Any) -> Any:
    s = 0.0
    for i, x in enumerate(xs):
        if x < 1:
            continue
        s += x * i
    return s


def first_large(xs: Any) -> Any:
    for x in xs:
        if x > 2:
            return x * 10
    return xs[0]


def fills_a_list(xs: Any) -> Any:
    found = []
    for x in xs:
        found.append(x * x if x > 0 else x)
    return lm.stack(found)


def best(xs: Any) -> Any:
    top = None
    for x in xs:
        if top is None or x > top:
            top = x
    return top


def pairs(xs: Any) -> Any:
    s = 0.0
    for x, y in zip(xs, reversed(xs), strict=True):
        s = s * 0.5 + (x if x > y else -y)
    return s


def last_one(xs: Any) -> Any:
    for x in xs:
        y = x * 2
    return x + y


def assigns_elements(xs: Any) -> Any:
    out = lm.zeros(3, dtype=F)
    for i in range(int(xs[0] * 0) + 3):
        if xs[i] > 1:
            out[i] = xs[i] * 2
    return out


def rows(xs: Any) -> Any:
    table = lm.stack([xs, xs * 2])
    s = 0.0
    for row in table:
        for x in row:
            if x > 2:
                s += x
    return s


def power(xs: Any) -> Any:
    x = xs
    while (abs(x) > 0.01).any():
        x = x / 3
    return x


VECTORS = [
    total, until_negative, skips, first_large, fills_a_list, best, pairs, last_one,
    assigns_elements, rows, power,
]  # fmt: skip
