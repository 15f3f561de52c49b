"""One thread at a time where threads share state: pending tensors, and objects under a transform.

`jit` and `vmap` put placeholders into the user's objects and into the default random generator
while the function is traced. Another thread that reads those objects through a jitted call, draws
random numbers, or computes pending tensors waits until they are back. Compiled programs run freely.
"""

from __future__ import annotations

import os
import threading


class _Exclusive:
    """The lock, made anew in a forked child: the thread that held it is not there."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.lock = threading.RLock()

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *error: object) -> None:
        self.lock.release()


exclusive = _Exclusive()
