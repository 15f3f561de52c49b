"""Messages of a running program: `print`, and checks that stop it."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import numpy as np

from lamina.base.errors import CheckError, user_frames
from lamina.tensor.callbacks import io_callback
from lamina.tensor.conversion import asarray


def print(format: str, *args: Any, ordered: bool = True, **kwargs: Any) -> None:
    """Print tensors each time the program runs, also from inside `jit`, `vmap`, and loops.

    Args:
        format: as for `str.format`.
        args, kwargs: what it formats: tensors or anything else.
        ordered: keep the order of prints.

    Example:
        >>> import lamina as lm
        >>> f = lm.jit(lambda x: (lm.debug.print("x = {}", x), x * 2)[1])
        >>> f(lm.asarray(3)).tolist()
        x = 3
        6
    """
    with user_frames:
        names = [*builtins.range(len(args)), *kwargs]
        things = [*args, *kwargs.values()]
        moving = [i for i, x in enumerate(things) if hasattr(x, "__array__")]

        def show(*arrays: Any) -> None:
            found = dict(enumerate(things)) | dict(zip(moving, arrays, strict=True))
            place = [found[i] for i in builtins.range(len(args))]
            named = {names[i]: found[i] for i in builtins.range(len(args), len(names))}
            sys.stdout.write(format.format(*place, **named) + "\n")

        io_callback(show, None, *[things[i] for i in moving], ordered=ordered)


def check_that(condition: Any, message: str, *args: Any) -> None:
    """Stop the program with `message` when it runs and `condition` does not hold everywhere.

    Args:
        condition: a boolean tensor.
        message: as for `str.format`.
        args: what it formats.

    Raises:
        CheckError: when the program runs.

    Example:
        >>> import lamina as lm
        >>> f = lm.jit(lambda x: (lm.debug.check_that(x > 0, "x is {}", x), lm.log(x))[1])
        >>> f(lm.asarray(1.0)).tolist()
        0.0
    """
    with user_frames:

        def require(holds: Any, *arrays: Any) -> None:
            if not np.all(holds):
                raise CheckError(
                    f"check_that: {message.format(*arrays)}",
                    [f"holds for {int(np.sum(holds))} of {np.size(holds)} elements"],
                )

        io_callback(require, None, asarray(condition), *[asarray(a) for a in args])
