"""Flattening of a call's arguments: order, signatures, aliasing, uniqueness, writing back."""

import enum
import gc
import weakref
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

from lamina.runtime import flatten, register_leaf, register_node


class Kind:
    """Stands for an interned tensor type."""


F32, F64 = Kind(), Kind()


class Leaf:
    __slots__ = ("__weakref__", "type")

    def __init__(self, kind: Kind = F32):
        self.type = kind


class Parameter(Leaf):
    __slots__ = ()


class Lazy(Leaf):
    """A leaf whose type is worked out when asked for."""

    __slots__ = ()

    @property
    def type(self):
        return F64

    @type.setter
    def type(self, kind):
        pass


class Node:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Other(Node):
    pass


class Slotted(Node):
    __slots__ = ()


class Colour(enum.IntEnum):
    RED = 1


Pair = namedtuple("Pair", "left right")

register_leaf(Leaf)
register_node(Node)
register_leaf(np.ndarray, lambda array: (array.dtype, array.shape))


def signature(*arguments):
    return flatten(arguments).signature


def test_leaves_come_in_order():
    a, b, c, d = (Leaf() for _ in range(4))
    tree = (a, [b, 2.5], {"x": c, "y": (True, None)}, Node(w=d, rate=0.1, name="n"), "text")
    flat = flatten(tree)
    assert flat.leaves == [a, b, 2.5, c, True, d]
    assert len(flat) == 6
    assert flat.keys == [None, 0, 1, "x", None, "w"]
    assert flat.containers == [None, tree[1], tree[1], tree[2], None, tree[3].__dict__]
    assert isinstance(flat.key, bytes)
    assert "text" in flat.statics
    assert "n" in flat.statics


@pytest.mark.parametrize(
    "build",
    [
        lambda: (Leaf(), [Leaf(F64)], {"a": 1.0}),
        lambda: (Node(a=Leaf(), b=[Node(c=Leaf())], rate=0.5, name="x", sizes=(1, 2)),),
        lambda: (1, 2.0, True, None, "s", Colour.RED, int, frozenset({1})),
        lambda: (np.zeros((2, 3)), np.float32(1)),
        lambda: (Pair(Leaf(), 2), OrderedDict(a=Leaf())),
        lambda: ({("a", 1): 2, 3: 4, None: 5, 2**80: 1},),
        lambda: (Node(big=2**80, nothing=None, nan=float("nan")),),
        lambda: ({"".join(["na", "me"]): Leaf()},),
    ],
)
def test_equal_structures_have_equal_signatures(build):
    left, right = signature(*build()), signature(*build())
    assert left is not right
    assert left == right
    assert hash(left) == hash(right)
    assert {left: "program"}[right] == "program"


DIFFERENT = [
    (1,),
    (1.0,),
    (True,),
    (None,),
    ("1",),
    (),
    ([],),
    ({},),
    ((),),
    (Colour.RED,),
    (Pair(1, 1),),
    ((1, 1),),
    ([1, 1],),
    ({"a": 1},),
    ({"b": 1},),
    ({"a": 1, "b": 1},),
    ({"b": 1, "a": 1},),
    (Leaf(),),
    (Leaf(F64),),
    (Parameter(),),
    (Leaf(), Leaf()),
    ([Leaf(), Leaf()],),
    (Node(),),
    (Other(),),
    (Node(a=1),),
    (Node(a=2),),
    (Node(a=1.0),),
    (Node(a=True),),
    (Node(a="1"),),
    (Node(a=None),),
    (Node(a=0.0),),
    (Node(a=-0.0),),
    (Node(b=1),),
    (Node(a=(1,)),),
    (Node(a=(2,)),),
    (Node(a=Leaf()),),
    (Node(a=Node()),),
    (np.zeros(2),),
    (np.zeros(3),),
    (np.zeros(2, np.float32),),
    (int,),
    (float,),
    ({1, 2},),
]


def test_different_structures_have_different_signatures():
    signatures = [signature(*arguments) for arguments in DIFFERENT]
    for i, left in enumerate(signatures):
        for right in signatures[i + 1 :]:
            assert left != right
    assert len(set(signatures)) == len(signatures)
    assert signatures[0] != "something else"


def test_numbers_are_dynamic_outside_nodes_and_static_below():
    assert signature(1, [2.0], {"k": 3}) == signature(4, [5.0], {"k": 6})
    assert signature(Node(rate=0.1)) != signature(Node(rate=0.2))
    assert signature(Node(sizes=[1, {"k": 2}])) != signature(Node(sizes=[1, {"k": 3}]))
    assert flatten(Node(rate=0.1, sizes=(1, 2))).leaves == []


def test_unhashable_objects_are_compared_by_identity():
    one, two = {1}, {1}
    assert signature(one) == signature(one)
    assert signature(one) != signature(two)


def test_equality_that_raises_is_reported():
    class Odd:
        def __hash__(self):
            return 1

        def __eq__(self, other):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        assert signature(Odd()) == signature(Odd())


def test_aliasing_is_part_of_the_signature():
    a, b = Leaf(), Leaf()
    assert signature(a, a) != signature(a, b)
    assert signature(a, b, a) != signature(a, b, b)
    assert signature(a, a) == signature(b, b)
    assert signature(Node(x=a), a) != signature(Node(x=a), b)
    assert flatten((a, a)).leaves == [a, a]


def test_a_subclass_and_a_computed_type():
    assert signature(Parameter()) == signature(Parameter())
    assert Lazy().type is F64
    assert signature(Lazy()) == signature(Lazy())
    assert F64 in flatten(Lazy()).statics


def test_unique_says_who_else_holds_a_leaf():
    held = Leaf()
    node = Node(a=Leaf(), b=held, c=[Leaf()])
    twice = Leaf()
    node.d = (twice, twice)
    del twice
    flat = flatten((node, Leaf()))
    assert [flat.unique(i) for i in range(len(flat))] == [True, False, True, False, False, True]
    assert flat.unique_mask() == bytes([1, 0, 1, 0, 0, 1])
    assert not flatten(Leaf()).unique(0)
    with pytest.raises(IndexError):
        flat.unique(6)


def test_write_back():
    node = Node(a=Leaf(), items=[Leaf(), 1], table={"x": Leaf()})
    flat = flatten(([2.0, node], Leaf()))
    fresh = [object() for _ in range(len(flat))]
    for i in range(len(flat) - 1):
        flat.write(i, fresh[i])
    assert flat.containers[0][0] is fresh[0]
    assert node.a is fresh[1]
    assert node.items == [fresh[2], 1]
    assert node.table == {"x": fresh[3]}
    with pytest.raises(TypeError, match="in a tuple"):
        flat.write(4, fresh[4])
    with pytest.raises(TypeError, match="the root"):
        flatten(Leaf()).write(0, 1)
    with pytest.raises(IndexError):
        flat.write(9, 1)


def test_cycles_and_depth():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="deeper than 200 levels, at a list"):
        flatten(loop)
    node = Node()
    node.parent = (node,)
    with pytest.raises(ValueError, match="does something contain itself"):
        flatten(node)
    deep = Leaf()
    for _ in range(150):
        deep = [deep]
    assert len(flatten(deep)) == 1


def test_a_node_that_changes_while_read():
    class Growing(Leaf):
        __slots__ = ("owner",)

        @property
        def type(self):
            self.owner.__dict__[f"new{len(self.owner.__dict__)}"] = 1
            return F32

        @type.setter
        def type(self, kind):
            pass

    node = Node()
    node.leaf = Growing()
    node.leaf.owner = node
    with pytest.raises(RuntimeError, match="changed while it was read"):
        flatten(node)


def test_flatten_inside_flatten():
    class Nested:
        inner = (1, 2.0)

    register_leaf(Nested, lambda leaf: flatten(leaf.inner).signature)
    assert signature(Nested()) == signature(Nested())


def test_nothing_is_kept_alive_by_a_signature_but_statics():
    leaf = Leaf()
    gone = weakref.ref(leaf)
    kept = signature(leaf, Node(w=leaf))
    del leaf
    gc.collect()
    assert gone() is None
    assert kept == kept


def test_flats_are_collected():
    node = Node(w=Leaf())
    node.flat = [flatten((node,))]
    gone = weakref.ref(node)
    del node
    gc.collect()
    assert gone() is None


def test_registration_wants_a_class():
    with pytest.raises(TypeError, match="is no class"):
        register_leaf(3)
