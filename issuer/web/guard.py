"""What is done around every handler: tricks refused, errors made answers, answers counted."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeAlias

import structlog
from aiohttp import web

from issuer.errors import InputError
from issuer.people.problems import Problem
from issuer.web.accesslog import Statuses
from issuer.web.problems import answer_to, problem_of

__all__ = ["Handle", "guarded", "refuse_all", "refused"]

Handle: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

_OVERRIDES: Final = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
_LOG: Final = structlog.get_logger()


def guarded(handle: Handle, counts: Statuses) -> Handle:
    """*handle*, letting no error out that is not a problem with both languages.

    A bug is answered like every other: it is logged with its type and place, without its text,
    which may hold what somebody sent. Not a middleware, because those cost every request more.
    """

    async def guard(request: web.Request) -> web.StreamResponse:
        try:
            _refuse_tricks(request)
            response = await handle(request)
        except Exception as error:  # noqa: BLE001 - the one place where all of them end
            response = refused(request, error)
        counts[response.status] += 1
        return response

    return guard


def refuse_all(problem: Problem, *, allow: str = "") -> Handle:
    """A handler for methods and paths that are not served."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        response = answer_to(problem)
        if allow:
            response.headers["Allow"] = allow
        return _closing(request, response)

    return refuse


def _refuse_tricks(request: web.Request) -> None:
    headers = request.headers
    if len(headers.getall("Host", ())) != 1:
        raise InputError(Problem.BAD_REQUEST)
    for name in _OVERRIDES:
        if name in headers:
            raise InputError(Problem.METHOD_OVERRIDE)


def refused(request: web.Request, error: Exception) -> web.Response:
    """The answer to an error; the error is logged where it is ours."""
    problem, members = problem_of(error)
    response = answer_to(problem, **members)
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _LOG.error("request_failed", problem=str(problem), exc_info=error)
    return _closing(request, response)


def _closing(request: web.Request, response: web.Response) -> web.Response:
    """Whatever else of the body comes is not read as the next request."""
    if not request.content.is_eof():
        response.force_close()
    return response
