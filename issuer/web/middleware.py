"""What is done around every request: method overrides refused, every error made an answer."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web

from issuer.errors import InputError
from issuer.problems import Problem
from issuer.web.problems import answer_to, problem_of

__all__ = ["answer_errors"]

_OVERRIDES: Final = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
_LOG: Final = structlog.get_logger()


@web.middleware
async def answer_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Let no error out that is not a problem with both languages.

    A bug is answered like every other: it is logged with its type and place, without its text,
    which may hold what somebody sent.
    """
    try:
        _refuse_tricks(request)
        return await handler(request)
    except Exception as error:  # noqa: BLE001 - the one place where all of them end
        return _answer(request, error)


def _refuse_tricks(request: web.Request) -> None:
    headers = request.headers
    if len(headers.getall("Host", ())) != 1:
        raise InputError(Problem.BAD_REQUEST)
    for name in _OVERRIDES:
        if name in headers:
            raise InputError(Problem.METHOD_OVERRIDE)


def _answer(request: web.Request, error: Exception) -> web.Response:
    problem, field = problem_of(error)
    response = answer_to(problem, field)
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _LOG.error("request_failed", problem=str(problem), exc_info=error)
    if isinstance(error, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = error.headers["Allow"]
    if not request.content.is_eof():
        # Whatever else of the body comes is not read as the next request.
        response.force_close()
    return response
