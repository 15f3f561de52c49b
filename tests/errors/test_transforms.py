"""`grad`, `vjp`, `jvp`, `vmap` and `jit` given functions or arguments that do not fit."""

from __future__ import annotations

import pytest

import lamina as lm
from tests.errors.messages import whole


def test_loss_that_is_not_one_number() -> None:
    double = lm.grad(lambda x: x * 2)
    with pytest.raises(lm.ShapeError) as error:
        double(lm.ones((3,)))
    assert whole(error) == (
        "grad: the loss is not one number\n"
        "  loss: f32[3]\n"
        "  wanted: shape ()\n"
        "  help: reduce it with mean() or sum(), or use vjp\n"
        "  at test_loss_that_is_not_one_number: double(lm.ones((3,)))"
    )


def test_loss_that_is_no_tensor() -> None:
    nothing = lm.grad(lambda x: None)
    with pytest.raises(lm.UsageError) as error:
        nothing(lm.ones((3,)))
    assert whole(error) == (
        "grad: the function did not return a tensor\n"
        "  returned: NoneType\n"
        "  help: return the loss, or pass has_aux=True and return (loss, aux)\n"
        "  at test_loss_that_is_no_tensor: nothing(lm.ones((3,)))"
    )


def test_argument_that_is_not_there() -> None:
    second = lm.grad(lambda x: x.sum(), argnums=2)
    with pytest.raises(lm.UsageError) as error:
        second(lm.ones((3,)))
    assert whole(error) == (
        "grad: no positional argument 2\n"
        "  given: 1 positional arguments\n"
        "  argnums: 2\n"
        "  help: pass what is differentiated by position\n"
        "  at test_argument_that_is_not_there: second(lm.ones((3,)))"
    )


def test_cotangent_of_another_shape() -> None:
    _, pull = lm.vjp(lambda x: x * 2, lm.ones((3,)))
    with pytest.raises(lm.ShapeError) as error:
        pull(lm.ones((2,)))
    assert whole(error) == (
        "vjp: the given tensors do not fit\n"
        "  given:  f32[2]\n"
        "  wanted: f32[3]\n"
        "  at test_cotangent_of_another_shape: pull(lm.ones((2,)))"
    )


def test_tangent_of_another_shape() -> None:
    x, dot = lm.ones((3,)), lm.ones((2,))
    with pytest.raises(lm.ShapeError) as error:
        lm.jvp(lm.sin, [x], [dot])
    assert whole(error) == (
        "jvp: the given tensors do not fit\n"
        "  given:  f32[2]\n"
        "  wanted: f32[3]\n"
        "  at test_tangent_of_another_shape: lm.jvp(lm.sin, [x], [dot])"
    )


def test_mapped_axes_of_two_sizes() -> None:
    add = lm.vmap(lambda x, y: x + y)
    with pytest.raises(lm.ShapeError) as error:
        add(lm.ones((3,)), lm.ones((2,)))
    assert whole(error) == (
        "vmap: the mapped axes differ in size\n"
        "  argument 0: f32[3], axis 0\n"
        "  argument 1: f32[2], axis 0\n"
        "  help: map axes of one size, or pass None in in_axes for shared arguments\n"
        "  at test_mapped_axes_of_two_sizes: add(lm.ones((3,)), lm.ones((2,)))"
    )


def test_nothing_to_map() -> None:
    same = lm.vmap(lambda x: x, in_axes=None)
    with pytest.raises(lm.UsageError) as error:
        same(lm.ones((3,)))
    assert whole(error) == (
        "vmap: no tensor is mapped\n"
        "  in_axes: None\n"
        "  help: give an axis to some argument, or the number of examples as axis_size\n"
        "  at test_nothing_to_map: same(lm.ones((3,)))"
    )


def test_leaf_with_another_number_of_examples() -> None:
    f = lm.vmap(lambda d: d["w"], in_axes=({"w": -1, "deep": [0, None]},))
    batch = {"w": lm.ones((2, 3)), "deep": [lm.ones((4, 1)), lm.ones(())]}
    with pytest.raises(lm.ShapeError) as error:
        f(batch)
    assert whole(error) == (
        "vmap: the mapped axes differ in size\n"
        "  argument 0['w']: f32[2,3], axis -1\n"
        "  argument 0['deep'][0]: f32[4,1], axis 0\n"
        "  help: map axes of one size, or pass None in in_axes for shared arguments\n"
        "  at test_leaf_with_another_number_of_examples: f(batch)"
    )
    assert batch["w"].shape == (2, 3)


def test_axis_size_that_is_not_that_of_the_examples() -> None:
    same = lm.vmap(lambda x: x, axis_size=4)
    with pytest.raises(lm.ShapeError) as error:
        same(lm.ones((3,)))
    assert whole(error) == (
        "vmap: the mapped axes differ in size\n"
        "  axis_size: 4\n"
        "  argument 0: f32[3], axis 0\n"
        "  help: map axes of one size, or pass None in in_axes for shared arguments\n"
        "  at test_axis_size_that_is_not_that_of_the_examples: same(lm.ones((3,)))"
    )


def test_axes_that_are_no_prefix_of_the_argument() -> None:
    f = lm.vmap(lambda d: d["w"], in_axes=({"v": 0},))
    with pytest.raises(lm.UsageError) as error:
        f({"w": lm.ones((3,))})
    assert whole(error) == (
        "vmap: the axes do not fit argument 0\n"
        "  axes: dict with v\n"
        "  argument 0: dict with w\n"
        "  help: give a number, None, or the same structure with numbers and None in place of "
        "tensors\n"
        '  at test_axes_that_are_no_prefix_of_the_argument: f({"w": lm.ones((3,))})'
    )


def test_result_that_differs_where_one_is_asked_for() -> None:
    f = lm.vmap(lambda x: {"y": x}, out_axes=None)
    with pytest.raises(lm.UsageError) as error:
        f(lm.ones((3, 2)))
    assert whole(error) == (
        "vmap: result['y'] differs between the examples\n"
        "  result['y']: f32[2]\n"
        "  out_axes: None\n"
        "  help: give the axis where the examples go, or make one of them all, as psum does\n"
        "  at test_result_that_differs_where_one_is_asked_for: f(lm.ones((3, 2)))"
    )


def test_axis_that_the_result_does_not_have() -> None:
    f = lm.vmap(lambda x: x, out_axes=2)
    with pytest.raises(lm.AxisError) as error:
        f(lm.ones((3, 2)))
    assert whole(error) == (
        "vmap: result with the example axis: no axis 2\n"
        "  the tensor has 2 axes\n"
        "  at test_axis_that_the_result_does_not_have: f(lm.ones((3, 2)))"
    )


def test_name_that_no_axis_has() -> None:
    f = lm.vmap(lambda x: lm.psum(x, "rows"), axis_name="batch")
    with pytest.raises(lm.UsageError) as error:
        f(lm.ones((3,)))
    assert whole(error) == (
        "psum: no axis has the name 'rows'\n"
        "  named here: 'batch'\n"
        "  help: name it where the function is mapped: lm.vmap(f, axis_name='rows')\n"
        "  at test_name_that_no_axis_has.<locals>.<lambda>: "
        'f = lm.vmap(lambda x: lm.psum(x, "rows"), axis_name="batch")'
    )
    with pytest.raises(lm.UsageError, match="named here: none"):
        lm.axis_index("batch")


def test_pairs_that_are_no_permutation() -> None:
    for pairs in ([(0, 1), (2, 1)], [(0, 1), (0, 2)], [(0, 3)], [(-1, 0)]):
        f = lm.vmap(lambda x, p=pairs: lm.ppermute(x, "i", p), axis_name="i")
        with pytest.raises(lm.UsageError) as error:
            f(lm.ones((3,)))
        assert str(error.value).startswith(
            "ppermute: the pairs are no permutation of the members\n"
            f"  perm: {pairs}\n"
            "  members: 3\n"
        )


def test_slices_for_another_number_of_members() -> None:
    f = lm.vmap(lambda x: lm.psum_scatter(x, "i"), axis_name="i")
    with pytest.raises(lm.ShapeError, match="sum_scatter: not one slice for each member"):
        f(lm.ones((3, 2)))
    tiled = lm.vmap(lambda x: lm.psum_scatter(x, "i", tiled=True), axis_name="i")
    with pytest.raises(lm.ShapeError, match="the axis does not divide among the members"):
        tiled(lm.ones((3, 4)))


def test_object_that_is_mapped_in_one_argument_only() -> None:
    held = {"w": lm.ones((3, 2))}
    f = lm.vmap(lambda a, b: a["w"] + b["w"][0], in_axes=(0, None))
    with pytest.raises(lm.UsageError, match="one object stands in two arguments"):
        f(held, held)
    with pytest.raises(lm.UsageError, match="one object stands in two arguments"):
        lm.vmap(lambda a, b: a["w"] + b["w"], in_axes=(None, 0))(held, held)
    assert held["w"].shape == (3, 2)
    assert f(held, dict(held)).shape == (3, 2)


def test_static_name_that_is_not_there() -> None:
    with pytest.raises(lm.UsageError) as error:
        lm.jit(lambda x, mode: x, static_argnames="n")
    assert whole(error) == (
        "jit: static_argnames names no argument 'n'\n"
        "  arguments: x, mode\n"
        "  at test_static_name_that_is_not_there: "
        'lm.jit(lambda x, mode: x, static_argnames="n")'
    )


def test_static_position_that_is_not_there() -> None:
    for number in (2, -3):
        with pytest.raises(lm.UsageError) as error:
            lm.jit(lambda x, mode, *, n=1: x, static_argnums=number)
        assert whole(error) == (
            f"jit: static_argnums: no positional argument {number}\n"
            "  arguments: x, mode, n\n"
            "  help: an argument after * has a name only: give it in static_argnames\n"
            "  at test_static_position_that_is_not_there: "
            "lm.jit(lambda x, mode, *, n=1: x, static_argnums=number)"
        )
    with pytest.raises(lm.UsageError) as error:
        lm.jit(lambda x, *sizes: x, static_argnums=-1)
    assert whole(error) == (
        "jit: static_argnums: no positional argument -1\n"
        "  arguments: x, *sizes\n"
        "  help: from the end can only be counted where their number is known\n"
        "  at test_static_position_that_is_not_there: "
        "lm.jit(lambda x, *sizes: x, static_argnums=-1)"
    )


def test_static_position_that_is_a_name() -> None:
    with pytest.raises(lm.UsageError) as error:
        lm.jit(lambda x, mode: x, static_argnums=("mode",))
    assert whole(error) == (
        "jit: static_argnums holds something that is no position: 'mode'\n"
        "  arguments: x, mode\n"
        "  help: positions are integers; arguments by name go into static_argnames\n"
        "  at test_static_position_that_is_a_name: "
        'lm.jit(lambda x, mode: x, static_argnums=("mode",))'
    )


def test_static_argument_that_is_not_hashable() -> None:
    f = lm.jit(lambda x, sizes: x.reshape(sizes), static_argnames="sizes")
    with pytest.raises(lm.UsageError) as error:
        f(lm.ones((4,)), [2, 2])
    assert whole(error) == (
        "jit: a static argument is not hashable\n"
        "  argument 1: list\n"
        "  help: pass a tuple in place of a list, or a frozen dataclass in place of a dict\n"
        "  at test_static_argument_that_is_not_hashable: f(lm.ones((4,)), [2, 2])"
    )
    assert f(lm.ones((4,)), (2, 2)).shape == (2, 2)


def test_jit_of_something_else() -> None:
    with pytest.raises(lm.UsageError) as error:
        lm.jit("n")
    assert whole(error) == (
        "jit: takes a function\n"
        "  given: str\n"
        "  help: options have names, as in @lm.jit(static_argnames='n')\n"
        '  at test_jit_of_something_else: lm.jit("n")'
    )


def test_a_failed_call_changes_nothing() -> None:
    state = {"w": lm.ones((2,))}
    before = state["w"]

    @lm.jit
    def step(s: dict[str, lm.Tensor]) -> None:
        s["w"] = s["w"] * 2
        s["w"] = s["w"] + lm.ones((3,))

    for _ in range(2):
        with pytest.raises(lm.ShapeError) as error:
            step(state)
        assert whole(error).splitlines()[-1] == (
            '  at test_a_failed_call_changes_nothing.<locals>.step: s["w"] = s["w"] + lm.ones((3,))'
        )
        assert state == {"w": before}
    assert step.signatures == 0
