"""What the application holds, by type. Written once, by `issuer.web.factory`."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from aiohttp import web

from audit.gate import Gate
from audit.logreader import LogReader
from issuer.between.exchange import Exchange
from issuer.codes.issuing import Issuing
from issuer.people.binding import Sessions
from issuer.people.enrolment import Enrolment
from issuer.web.pace import Pace
from issuer.web.refusals import Refusals
from issuer.web.soon import Soon
from verifier.check import Lists

__all__ = [
    "CLOCK", "DESCRIPTION", "ENROLMENT", "EXCHANGE", "GATE", "ISSUING", "LISTS", "LOG", "PACE",
    "PUBLIC", "REFUSALS", "SESSIONS", "SOON",
]  # fmt: skip

#: UNIX seconds.
CLOCK: Final[web.AppKey[Callable[[], int]]] = web.AppKey("CLOCK")
SESSIONS: Final = web.AppKey("SESSIONS", Sessions)
ENROLMENT: Final = web.AppKey("ENROLMENT", Enrolment)
#: What is done between regions.
EXCHANGE: Final = web.AppKey("EXCHANGE", Exchange)
#: For work that nobody waits for.
SOON: Final = web.AppKey("SOON", Soon)
PACE: Final = web.AppKey("PACE", Pace)
REFUSALS: Final = web.AppKey("REFUSALS", Refusals)
#: The folder whose lists are published.
PUBLIC: Final = web.AppKey("PUBLIC", Path)
#: The OpenAPI description, encoded.
DESCRIPTION: Final = web.AppKey("DESCRIPTION", bytes)
ISSUING: Final = web.AppKey("ISSUING", Issuing)
LOG: Final = web.AppKey("LOG", LogReader)
GATE: Final = web.AppKey("GATE", Gate)
#: The lists that a code is checked against, as published last.
LISTS: Final[web.AppKey[Callable[[], Lists]]] = web.AppKey("LISTS")
