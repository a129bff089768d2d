"""About the service itself: is it there, what does it offer, what can it refuse."""

from typing import Final, Literal

from aiohttp import web
from multidict import CIMultiDict

from issuer.people.problems import TEXTS
from issuer.web.appkeys import DESCRIPTION
from issuer.web.problems import SECURITY_HEADERS
from issuer.web.routes import AnyRoute, Call, Nothing, Out, Route

__all__ = ["ROUTES"]


class Health(Out):
    """The service answers. Whether its stores are well is for its operators to know."""

    status: Literal["ok"] = "ok"


class ProblemText(Out):
    zh: str
    en: str


class Problems(Out):
    """All refusals by name."""

    problems: dict[str, ProblemText]


async def health(_call: Call[Nothing, Nothing]) -> Health:
    return Health()


async def openapi(call: Call[Nothing, Nothing]) -> web.Response:
    headers = CIMultiDict(SECURITY_HEADERS)
    headers["Content-Type"] = "application/json"
    return web.Response(body=call.request.app[DESCRIPTION], headers=headers)


async def problems(_call: Call[Nothing, Nothing]) -> Problems:
    return _PROBLEMS


_PROBLEMS: Final = Problems(
    problems={str(name): ProblemText(zh=text.zh, en=text.en) for name, text in TEXTS.items()}
)

ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route("GET", "/health", health, "Whether the service answers.", Nothing, Nothing, Health),
    Route(
        "GET",
        "/openapi.json",
        openapi,
        "This description.",
        Nothing,
        Nothing,
        None,
        media="application/json",
    ),
    Route(
        "GET", "/problems", problems, "All refusals and their texts.", Nothing, Nothing, Problems
    ),
)
