"""Makes the application from its services. Opens nothing and closes nothing: `issuer.app` does."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from aiohttp import web

from audit.gate import Gate
from audit.logreader import LogReader
from issuer.between.exchange import Exchange
from issuer.codes.issuing import Issuing
from issuer.people.binding import Sessions
from issuer.people.enrolment import Enrolment
from issuer.web import appkeys
from issuer.web.accesslog import Counts
from issuer.web.handlers import between, check, enrolment, me, meta, published, regions
from issuer.web.openapi import describe
from issuer.web.pace import Pace
from issuer.web.refusals import Refusals
from issuer.web.routes import AnyRoute, mount
from issuer.web.soon import Soon
from verifier.check import Lists

__all__ = ["ROUTES", "Services", "make_app"]

ROUTES: Final[tuple[AnyRoute, ...]] = (
    *enrolment.ROUTES,
    *me.ROUTES,
    *between.ROUTES,
    *regions.ROUTES,
    *published.ROUTES,
    *check.ROUTES,
    *meta.ROUTES,
)


@dataclass(frozen=True, slots=True)
class Services:
    """What the handlers work with.

    Attributes:
        clock: The present second.
        lists: The lists that a code is checked against.
        public: The published folder.
        slot_s: Registrations and bindings are answered at the end of a slot of so many seconds.
    """

    clock: Callable[[], int]
    sessions: Sessions
    enrolment: Enrolment
    issuing: Issuing
    log: LogReader
    gate: Gate
    exchange: Exchange
    lists: Callable[[], Lists]
    public: Path
    slot_s: float


def make_app(services: Services) -> web.Application:
    """The application, every route mounted and described."""
    app = web.Application()
    counts = Counts()
    app[appkeys.CLOCK] = services.clock
    app[appkeys.SESSIONS] = services.sessions
    app[appkeys.ENROLMENT] = services.enrolment
    app[appkeys.ISSUING] = services.issuing
    app[appkeys.LOG] = services.log
    app[appkeys.GATE] = services.gate
    app[appkeys.EXCHANGE] = services.exchange
    app[appkeys.LISTS] = services.lists
    app[appkeys.PUBLIC] = services.public
    soon = app[appkeys.SOON] = Soon()
    pace = app[appkeys.PACE] = Pace(services.slot_s)
    app[appkeys.REFUSALS] = Refusals()
    description = describe(ROUTES, version=version("celadon"))
    app[appkeys.DESCRIPTION] = json.dumps(description, ensure_ascii=False).encode()
    mount(app, ROUTES, counts)
    app.cleanup_ctx.append(counts.report_until_cleanup)

    async def close(_app: web.Application) -> None:
        pace.close()
        await asyncio.to_thread(soon.close)

    app.on_cleanup.append(close)
    return app
