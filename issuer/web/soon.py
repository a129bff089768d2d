"""A thread for work that nobody waits for."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

__all__ = ["Soon"]


class Soon:
    """Does what it is asked for in turn; asked again before it began, once. Ask from one thread."""

    __slots__ = ("_pool", "_waiting")

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "celadon-soon")
        self._waiting: set[Callable[[], object]] = set()

    def submit(self, work: Callable[[], object]) -> None:
        """Do *work* after this call began. Its failure is its own: the upkeep does it again."""
        if work not in self._waiting:
            self._waiting.add(work)
            self._pool.submit(self._run, work)

    def _run(self, work: Callable[[], object]) -> None:
        self._waiting.discard(work)  # first: who asks from now on may have come too late for this
        work()

    def close(self) -> None:
        """When everything is done."""
        self._pool.shutdown()
