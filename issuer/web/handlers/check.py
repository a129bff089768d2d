"""Check one code, for integrators who try out what they read. Doors check offline."""

from typing import Final

from aiohttp import web

from issuer.web.appkeys import LISTS
from issuer.web.routes import AnyRoute, Call, In, Nothing, Out, Route, encode, json_response
from verifier.check import VENUE, Kind, Reason, check

__all__ = ["ROUTES"]


class CodeRead(In):
    """*code*: the text of the QR code, exactly as it was read."""

    code: str


class Verdict(Out):
    """What an ordinary venue learns: what to do, and why. Never a colour."""

    kind: Kind
    reason: Reason


async def check_code(call: Call[CodeRead, Nothing]) -> web.Response:
    outcome = check(call.body.code, call.request.app[LISTS](), now=call.now, policy=VENUE)
    return json_response(_VERDICTS[outcome.reason])


#: All the answers there are, encoded.
_VERDICTS: Final = {reason: encode(Verdict(kind=reason.kind, reason=reason)) for reason in Reason}

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
