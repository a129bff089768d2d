"""Errors to HTTP: one function decides the status, one writes the answer (RFC 9457)."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web
from multidict import CIMultiDict
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import AuditError
from issuer.between.reason import Reason
from issuer.errors import (
    BusyError,
    IdempotencyConflictError,
    InputError,
    IssuerEndedError,
    ListsExhaustedError,
    NoCodeKeyError,
    NoPersonError,
    NotBoundError,
    RegionNoticeError,
    StoreError,
    TooManyCodesError,
)
from issuer.people.problems import TEXTS, Problem
from keys.errors import KeysError

__all__ = ["MEDIA_TYPE", "PROBLEMS_PATH", "SECURITY_HEADERS", "STATUS", "answer_to", "problem_of"]

MEDIA_TYPE: Final = "application/problem+json"
PROBLEMS_PATH: Final = "/api/v1/problems"

#: On every answer. The API is data: it is never a page, never framed, never kept by a cache.
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "celadon",
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
}

#: What is not listed is 400: the request cannot be read.
STATUS: Final[Mapping[Problem, HTTPStatus]] = {
    Problem.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Problem.BODY_TOO_SLOW: HTTPStatus.REQUEST_TIMEOUT,
    Problem.NOT_JSON_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Problem.ENCODED_BODY: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Problem.METHOD_OVERRIDE: HTTPStatus.METHOD_NOT_ALLOWED,
    Problem.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    Problem.NOT_FOUND: HTTPStatus.NOT_FOUND,
    **dict.fromkeys(
        (
            Problem.UNKNOWN_MEMBER,
            Problem.MISSING_MEMBER,
            Problem.WRONG_VALUE,
            Problem.NAME_LENGTH,
            Problem.NAME_CHARACTER,
            Problem.PHONE_FORM,
            Problem.NOT_A_MOBILE,
            Problem.IDENTITY_NUMBER_FORM,
            Problem.IDENTITY_NUMBER_WRONG,
            Problem.BIRTH_IN_FUTURE,
            Problem.TIME_FORM,
            Problem.TIME_OUT_OF_RANGE,
            Problem.UNKNOWN_PLACE,
            Problem.UNKNOWN_VALUE,
            Problem.BAD_HOLDER_KEY,
            Problem.TOO_MANY,
            Problem.REGION_NOTICE_REFUSED,
        ),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    Problem.NOT_BOUND: HTTPStatus.UNAUTHORIZED,
    Problem.CODE_REFUSED: HTTPStatus.FORBIDDEN,
    Problem.IDEMPOTENCY_CONFLICT: HTTPStatus.CONFLICT,
    Problem.COLOUR_PENDING: HTTPStatus.CONFLICT,
    Problem.ISSUER_ENDED: HTTPStatus.GONE,
    Problem.NOTHING_TO_APPEAL: HTTPStatus.CONFLICT,
    Problem.REGION_NOTICE_EARLY: HTTPStatus.CONFLICT,
    Problem.TOO_MANY_READS: HTTPStatus.TOO_MANY_REQUESTS,
    Problem.TOO_MANY_CODES: HTTPStatus.TOO_MANY_REQUESTS,
    Problem.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Problem.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_HTTP_ERRORS: Final[Mapping[int, Problem]] = {
    HTTPStatus.NOT_FOUND: Problem.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: Problem.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Problem.BODY_TOO_LARGE,
}


_PROBLEMS: Final[tuple[tuple[type[Exception], Problem], ...]] = (
    (NotBoundError, Problem.NOT_BOUND),
    (NoPersonError, Problem.NOT_BOUND),  # erased, and remembered for a few seconds
    (IdempotencyConflictError, Problem.IDEMPOTENCY_CONFLICT),
    (TooManyCodesError, Problem.TOO_MANY_CODES),
    (BusyError, Problem.UNAVAILABLE),
    (ListsExhaustedError, Problem.UNAVAILABLE),
    (NoCodeKeyError, Problem.UNAVAILABLE),
    (KeysError, Problem.UNAVAILABLE),  # a key was stopped meanwhile, or the token is out
    (AuditError, Problem.UNAVAILABLE),  # no log, no answer
    (StoreError, Problem.UNAVAILABLE),
    (SQLAlchemyError, Problem.UNAVAILABLE),
    (OSError, Problem.UNAVAILABLE),
)


def problem_of(error: Exception) -> tuple[Problem, Mapping[str, str]]:
    """Which problem an error is to whoever asked, and the members that only its answer has."""
    match error:
        case InputError():
            return error.problem, {"field": error.field}
        case ValidationError():
            return _of_validation(error)
        case RegionNoticeError():
            early = error.reason is Reason.TOO_EARLY
            return Problem.REGION_NOTICE_EARLY if early else Problem.REGION_NOTICE_REFUSED, {}
        case IssuerEndedError():
            return Problem.ISSUER_ENDED, {"successor": error.successor}
        case web.HTTPException():
            return _HTTP_ERRORS.get(error.status, Problem.BAD_REQUEST), {}
        case _:
            pass
    found = (problem for kind, problem in _PROBLEMS if isinstance(error, kind))
    return next(found, Problem.INTERNAL), {}


def answer_to(problem: Problem, **members: str) -> web.Response:
    """The refusal, in both languages, with those *members* that say something.

    Holds nothing of what was sent.
    """
    status = STATUS.get(problem, HTTPStatus.BAD_REQUEST)
    text = TEXTS[problem]
    body = {
        "type": f"{PROBLEMS_PATH}#{problem}",
        "title": text.en,
        "status": int(status),
        "zh": text.zh,
        "en": text.en,
        **{name: value for name, value in members.items() if value},
    }
    headers = CIMultiDict(SECURITY_HEADERS)
    headers["Content-Type"] = MEDIA_TYPE
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "5"
    encoded = json.dumps(body, ensure_ascii=False).encode()
    return web.Response(body=encoded, status=status, headers=headers)


def _of_validation(error: ValidationError) -> tuple[Problem, Mapping[str, str]]:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = first["loc"]
    if first["type"] == "extra_forbidden":
        # Its name came from outside; the member that holds it is ours.
        return Problem.UNKNOWN_MEMBER, {"field": _dotted(place[:-1])}
    problem = Problem.MISSING_MEMBER if first["type"] == "missing" else Problem.WRONG_VALUE
    return problem, {"field": _dotted(place)}


def _dotted(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in place)
