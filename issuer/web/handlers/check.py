"""Check one code, for integrators who try out what they read. Doors check offline."""

from typing import Final

from aiohttp import web

from issuer.web.appkeys import LISTS
from issuer.web.routes import AnyRoute, Call, In, Nothing, Out, Route, json_response
from verifier.check import VENUE, Kind, Reason, check

__all__ = ["ROUTES"]


class CodeRead(In):
    """*code*: the text of the QR code, exactly as it was read."""

    code: str


class Verdict(Out):
    """What an ordinary venue learns: what to do, and why. Never a colour.

    *successor*: the region whose code to ask for instead, where the issuer has ended.
    """

    kind: Kind
    reason: Reason
    successor: str | None = None


async def check_code(call: Call[CodeRead, Nothing]) -> web.Response:
    outcome = check(call.body.code, call.request.app[LISTS](), now=call.now, policy=VENUE)
    if outcome.successor is not None:
        return json_response(_encoded(outcome.reason, outcome.successor))
    return json_response(_VERDICTS[outcome.reason])


def _encoded(reason: Reason, successor: str | None = None) -> bytes:
    verdict = Verdict(kind=reason.kind, reason=reason, successor=successor)
    return verdict.model_dump_json(exclude_none=True).encode()


#: All the answers there are but those that name a successor, encoded.
_VERDICTS: Final = {reason: _encoded(reason) for reason in Reason}

ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "POST",
        "/check",
        check_code,
        "Check a code as an ordinary venue would. Nothing is stored.",
        CodeRead,
        Nothing,
        Verdict,
    ),
)
