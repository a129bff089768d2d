"""How often each route was asked, and with what result: counts per minute, no line per request.

A line with its time for each request would tell whoever reads the log when somebody fetched a
code; laid beside a venue's own records it could tell who. It would also cost more than a check.
"""

import asyncio
from collections import Counter
from typing import Final

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

__all__ = ["PERIOD_S", "RouteCounts"]

PERIOD_S: Final = 60.0
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})


class _Counts:
    """Of one process: counts and seconds by method, route and status, since the last report."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.seconds: Counter[tuple[str, str, int]] = Counter()

    def add(self, key: tuple[str, str, int], seconds: float) -> None:
        if not self.requests:
            asyncio.get_running_loop().call_later(PERIOD_S, self.report)
        self.requests[key] += 1
        self.seconds[key] += seconds  # type: ignore[assignment] # a sum of floats

    def report(self) -> None:
        log = structlog.get_logger()
        for key, count in sorted(self.requests.items()):
            method, route, status = key
            mean_ms = round(self.seconds[key] / count * 1000, 2)
            log.info(
                "requests", method=method, route=route, status=status, count=count,
                duration_ms=mean_ms,
            )  # fmt: skip
        self.requests.clear()
        self.seconds.clear()


COUNTS: Final = _Counts()


class RouteCounts(AbstractAccessLogger):
    """Method, route template and status. No path, query, header or address."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        match_info = getattr(request, "match_info", None)
        resource = match_info.route.resource if match_info is not None else None
        method = request.method if request.method in _METHODS else "other"
        route = "none" if resource is None else resource.canonical
        COUNTS.add((method, route, response.status), time)
