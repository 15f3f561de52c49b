"""One set of names over Lamina and over JAX, so that a program is written once for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lamina as lm


class Namespace:
    """The first room that has a name gives it; `own` comes before all."""

    def __init__(self, *rooms: Any, **own: Any):
        self._rooms, self._own = rooms, own

    def __getattr__(self, name: str) -> Any:
        if name in self._own:
            return self._own[name]
        for room in self._rooms:
            if hasattr(room, name):
                return getattr(room, name)
        raise AttributeError(name)


OURS = Namespace(lm, lm.functional)


def of_jax(jax: Any) -> Namespace:
    """JAX's names, and what it lacks or calls otherwise, in Lamina's words."""
    import jax.scipy as scipy

    def while_loop(go: Callable[..., Any], body: Any, init: Any, max_steps: int = 0) -> Any:
        """With a bound, a scan whose rounds are idle after the end: it has a gradient."""
        if not max_steps:
            return jax.lax.while_loop(go, body, init)
        idle = lambda s: s
        step = lambda s, _: (jax.lax.cond(go(s), body, idle, s), None)
        return jax.lax.scan(step, init, None, length=max_steps)[0]

    def conv2d(x: Any, w: Any, padding: int = 0) -> Any:
        return jax.lax.conv_general_dilated(x, w, (1, 1), [(padding, padding)] * 2)

    def avg_pool2d(x: Any, size: int) -> Any:
        b, c, h, w = x.shape
        return x.reshape(b, c, h // size, size, w // size, size).mean((3, 5))

    def hvp(f: Any, primals: Any, tangents: Any) -> Any:
        return jax.jvp(jax.grad(f), primals, tangents)[1]

    linalg = Namespace(jax.numpy.linalg, solve_triangular=scipy.linalg.solve_triangular,
                       expm=scipy.linalg.expm)  # fmt: skip
    return Namespace(
        jax.numpy, jax.lax, jax, jax.nn, scipy.special,
        while_loop=while_loop, conv2d=conv2d, avg_pool2d=avg_pool2d, hvp=hvp, linalg=linalg,
        make_complex=lambda a, b: a + 1j * b,
    )  # fmt: skip
