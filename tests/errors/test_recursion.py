"""`recursive` given functions that do not end, or do not call themselves as they were called."""

from __future__ import annotations

from typing import Any

import pytest

import lamina as lm
from tests.errors.messages import whole


def test_no_branch_ends_the_recursion() -> None:
    @lm.recursive
    def forever(n: Any) -> Any:
        return lm.where(n <= 1, 1, n * forever(n - 1))

    with pytest.raises(lm.UsageError) as error:
        lm.jit(forever)(3)
    assert whole(error) == (
        "recursive forever: no branch ends the recursion\n"
        "  every way through the function calls it again\n"
        "  help: return from one branch without a call, as in "
        "lm.cond(n <= 1, lambda: 1, lambda: n * forever(n - 1))\n"
        "  at test_no_branch_ends_the_recursion: lm.jit(forever)(3)"
    )


def test_an_if_on_a_tensor() -> None:
    @lm.recursive
    def plain(n: Any) -> Any:
        if n <= 1:
            return 1
        return n * plain(n - 1)

    with pytest.raises(lm.TraceError) as error:
        lm.jit(plain)(3)
    assert whole(error) == (
        "bool(): the tensor has no value yet inside recursive\n"
        "  tensor: bool[]\n"
        "  made at test_an_if_on_a_tensor.<locals>.plain: if n <= 1:\n"
        "  help: write the branch that ends the recursion and the one that goes on with lm.cond, "
        "as in lm.cond(n <= 1, lambda: 1, lambda: n * f(n - 1)), or choose between values with "
        "lm.where\n"
        "  at test_an_if_on_a_tensor.<locals>.plain: if n <= 1:"
    )


def test_a_call_of_the_function_underneath() -> None:
    def plain(n: Any) -> Any:
        return lm.cond(n <= 1, lambda: 1, lambda: n * plain(n - 1))

    wrapped = lm.recursive(plain)
    with pytest.raises(lm.UsageError) as error:
        lm.jit(wrapped)(3)
    assert whole(error) == (
        "recursive plain: the function is traced without end\n"
        "  a call inside it does not go through the recursive function\n"
        "  help: call the function that lm.recursive returned, by the name that it is bound to\n"
        "  at test_a_call_of_the_function_underneath: lm.jit(wrapped)(3)"
    )


def test_other_shapes_inside() -> None:
    @lm.recursive
    def halves(x: Any, scale: Any) -> Any:
        return lm.cond(x[0] > 1.0, lambda: x.sum(), lambda: halves(x[:2], scale))

    with pytest.raises(lm.ShapeError) as error:
        lm.jit(halves)(lm.ones((4,)), 2)
    assert whole(error) == (
        "recursive halves: a call inside it has other arguments than the first one\n"
        "  first:  (f32[4], i64[])\n"
        "  inside: (f32[2], i64[])\n"
        "  help: the structure, shapes and dtypes stay the same: cast or pad what it is called "
        "with, and keep what is no tensor outside\n"
        "  at test_other_shapes_inside.<locals>.halves.<locals>.<lambda>: "
        "return lm.cond(x[0] > 1.0, lambda: x.sum(), lambda: halves(x[:2], scale))"
    )


def test_branches_that_differ() -> None:
    @lm.recursive
    def grows(x: Any) -> Any:
        return lm.cond(x[0] > 1.0, lambda: x, lambda: lm.concat([x, grows(x)]))

    with pytest.raises(lm.ShapeError) as error:
        lm.jit(grows)(lm.ones((2,)))
    assert whole(error) == (
        "cond: the branches give different results\n"
        "  false_fun: f32[4]\n"
        "  true_fun: f32[2]\n"
        "  help: return the same structure with the same shapes and dtypes from all\n"
        "  at test_branches_that_differ.<locals>.grows: "
        "return lm.cond(x[0] > 1.0, lambda: x, lambda: lm.concat([x, grows(x)]))"
    )


def test_a_result_without_a_type_that_stays() -> None:
    @lm.recursive
    def flips(x: Any) -> Any:
        kinds = []

        def onward() -> Any:
            found = flips(x)
            kinds.append(found.dtype)
            return lm.astype(found, lm.float32)

        found = lm.cond(x > 1.0, lambda: x, onward)
        return lm.astype(found, lm.int32) if kinds == [lm.float32] else found

    with pytest.raises(lm.ShapeError) as error:
        lm.jit(flips)(lm.asarray(1.0))
    assert whole(error) == (
        "recursive flips: the result has no type that stays\n"
        "  where the calls inside give: f32[]\n"
        "  it returns:                  i32[]\n"
        "  help: cast or reshape what the branches return to one type\n"
        "  at test_a_result_without_a_type_that_stays: lm.jit(flips)(lm.asarray(1.0))"
    )


def test_too_many_calls() -> None:
    @lm.recursive(most_calls=5)
    def down(n: Any) -> Any:
        return lm.cond(n <= 0, lambda: 0, lambda: 1 + down(n - 1))

    with pytest.raises(lm.DepthError) as error:
        lm.jit(down)(7)
    assert whole(error) == (
        "recursive down: too many calls inside one another\n"
        "  allowed: 5\n"
        "  call number 6 was refused\n"
        "  help: check that the recursion ends, or raise the limit: "
        "lm.recursive(f, most_calls=...)\n"
        "  at test_too_many_calls.<locals>.down.<locals>.<lambda>: "
        "return lm.cond(n <= 0, lambda: 0, lambda: 1 + down(n - 1))"
    )


def test_a_derivative_of_itself() -> None:
    @lm.recursive
    def steep(x: Any, n: Any) -> Any:
        onward = lambda: lm.grad(steep)(x, n - 1)
        return lm.cond(n <= 0, lambda: x * x, onward)

    with pytest.raises(lm.UsageError) as error:
        lm.jit(steep)(lm.asarray(1.0), 2)
    assert whole(error) == (
        "recursive steep: a derivative of a recursive call, taken inside the function\n"
        "  call: steep -> (f32[])\n"
        "  it would need derivatives of every order\n"
        "  help: take the derivative of the whole function, outside\n"
        "  at test_a_derivative_of_itself.<locals>.steep.<locals>.<lambda>: "
        "onward = lambda: lm.grad(steep)(x, n - 1)"
    )


@pytest.mark.parametrize("most", [0, -1, True, 2.5])
def test_a_limit_that_is_none(most: Any) -> None:
    with pytest.raises(lm.UsageError, match="most_calls is a positive number"):
        lm.recursive(lambda x: x, most_calls=most)
