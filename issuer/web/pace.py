"""Answers that take the same time whoever is asked about.

The slow index work runs in a few threads of its own, so that it delays nobody else, and the
answer leaves at the end of a time slot that is longer than the work's own differences.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from issuer.errors import BusyError

__all__ = ["Pace"]

_THREADS: Final = 2  # of 64 MiB each
_MAX_WAITING: Final = 64

T = TypeVar("T")


class Pace:
    """Runs blocking work and answers, or fails, at the end of a slot of *slot_s* seconds."""

    __slots__ = ("_pool", "_slot_s", "_waiting")

    def __init__(self, slot_s: float) -> None:
        self._slot_s = slot_s
        self._pool = ThreadPoolExecutor(_THREADS, "celadon-pace")
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """The result of *work*, which runs in a thread.

        Raises:
            BusyError: Too many wait already. Nothing was done.
        """
        if self._waiting >= _MAX_WAITING:
            raise BusyError("too many registrations and bindings at once")
        loop = asyncio.get_running_loop()
        start = loop.time()
        self._waiting += 1
        try:
            return await loop.run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
            spent = loop.time() - start
            await asyncio.sleep(self._slot_s - spent % self._slot_s)

    def close(self) -> None:
        self._pool.shutdown()
