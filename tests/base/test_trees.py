"""Trees: taken apart in order, put together again, compared by structure."""

from __future__ import annotations

from collections import namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.base import trees
from lamina.base.errors import UsageError

Pair = namedtuple("Pair", "left right")

TREES = st.recursive(
    st.none() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.builds(Pair, inner, inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


class Box:
    """A class that is a node of the tree."""

    def __init__(self, content, label):
        self.content, self.label = content, label

    def __tree_flatten__(self):
        return {"content": self.content}, lambda new: Box(new["content"], self.label)


@given(TREES)
def test_flatten_and_rebuild_give_an_equal_tree(tree):
    leaves, rebuild = trees.flatten(tree)
    assert rebuild(leaves) == tree
    assert trees.leaves(tree) == leaves
    assert trees.map(lambda x: x, tree) == tree


def test_leaves_come_in_order_with_their_paths():
    tree = {"b": [1, (2, None)], "a": Pair(3, 4)}
    assert dict(trees.paths(tree)) == {
        ("b", 0): 1,
        ("b", 1, 0): 2,
        ("a", "left"): 3,
        ("a", "right"): 4,
    }
    assert isinstance(trees.map(lambda x: -x, tree)["a"], Pair)


def test_objects_take_part_and_keep_what_is_no_child():
    box = Box([1, 2], "kept")
    doubled = trees.map(lambda x: 2 * x, box)
    assert (doubled.content, doubled.label) == ([2, 4], "kept")
    assert trees.describe(box) == "Box(content: list(0: *, 1: *))"


def test_several_trees_are_walked_together():
    assert trees.map(lambda x, y: x + y, {"a": 1}, {"a": 2}) == {"a": 3}


@pytest.mark.parametrize("other", [{"b": 1}, {"a": 1, "b": 2}, [1], 1])
def test_trees_of_another_structure_are_refused(other):
    with pytest.raises(UsageError) as error:
        trees.map(lambda x, y: x, {"a": 1}, other)
    assert error.value.summary == "tree map: the trees differ in structure"
    assert error.value.facts[0] == "first:  dict(a: *)"


def test_another_number_of_leaves_is_refused():
    _, rebuild = trees.flatten([1, 2])
    with pytest.raises(UsageError, match="another number of leaves"):
        rebuild([1])
