"""Generators: keys that count their draws. The default one serves who brings no key."""

from __future__ import annotations

import numpy as np

from lamina.base import dtypes
from lamina.base.errors import UsageError
from lamina.tensor.containers import register_node
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.exclusive import exclusive
from lamina.tensor.random.keys import fold_in, key
from lamina.tensor.tensor import Tensor, from_numpy


class Generator:
    """A key and the number of draws so far; both are tensors, so `jit` carries them along.

    Args:
        seed: where the stream starts.

    Example:
        >>> Generator(seed=1).next_key().shape
        (2,)
    """

    def __init__(self, seed: int = 0):
        self.key = key(seed)
        self.counter = from_numpy(np.array(0, np.uint32))

    def next_key(self) -> Tensor:
        """The key of the next draw."""
        drawn = fold_in(self.key, self.counter)
        self.counter = self.counter + 1
        return drawn

    def seed(self, seed: int) -> None:
        """Start again from `seed`."""
        self.key = key(seed)
        self.counter = from_numpy(np.array(0, np.uint32))

    def get_state(self) -> np.ndarray:
        """Where the stream is: three uint32 words, for a file or for `set_state`."""
        return np.array([*self.key.tolist(), int(self.counter)], np.uint32)

    def set_state(self, state: object) -> None:
        """Go on from a state that `get_state` gave.

        Raises:
            UsageError: it is no state.
        """
        words = np.asarray(state)
        if words.shape != (3,) or words.dtype.kind not in "iu":
            raise UsageError(
                "set_state: this is no state of a generator",
                [f"given: {words.dtype.name} of shape {words.shape}", "takes: three uint32 words"],
                "pass what get_state() returned",
            )
        self.key = cast(asarray(words[:2]), dtypes.uint32)
        self.counter = cast(asarray(words[2]), dtypes.uint32)


register_node(Generator)

default = Generator()
"""The generator of every function that is given no key."""


def seed(seed: int) -> None:
    """Start the default generator again from `seed`."""
    with exclusive:
        default.seed(seed)


def get_state() -> np.ndarray:
    """Where the stream of the default generator is: three uint32 words."""
    with exclusive:
        return default.get_state()


def set_state(state: object) -> None:
    """Let the default generator go on from a state that `get_state` gave.

    Raises:
        UsageError: it is no state.
    """
    with exclusive:
        default.set_state(state)


def next_key(key: Tensor | Generator | None = None) -> Tensor:
    """`key` itself, or the next key of a generator; of the default one when None."""
    if key is None:
        with exclusive:  # another thread may have put its placeholders there
            return default.next_key()
    return key.next_key() if isinstance(key, Generator) else key
