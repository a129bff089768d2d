"""How often each route was asked, and with what result: counts per minute, no line per request.

A line with its time for each request would tell whoever reads the log when somebody fetched a
code; laid beside a venue's own records it could tell who. It would also cost as much as a check.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final, TypeAlias

import structlog
from aiohttp import web

__all__ = ["PERIOD_S", "Counts", "Statuses"]

PERIOD_S: Final = 60.0

#: How often each status was answered.
Statuses: TypeAlias = Counter[int]


class Counts:
    """Of one application: answers by method, route template and status since the last report."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], Statuses] = {}

    def of(self, method: str, route: str) -> Statuses:
        """Where the answers of a route are counted."""
        return self._routes.setdefault((method, route), Counter())

    def report(self) -> None:
        """One line for each status of each route that was asked."""
        log = structlog.get_logger()
        for (method, route), statuses in self._routes.items():
            for status, count in sorted(statuses.items()):
                log.info("requests", method=method, route=route, status=status, count=count)
            statuses.clear()

    async def report_until_cleanup(self, _app: web.Application) -> AsyncIterator[None]:
        """Report every minute, and once more at the end."""
        task = asyncio.create_task(self._report_on())
        yield
        task.cancel()
        self.report()

    async def _report_on(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            self.report()
