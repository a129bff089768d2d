"""The OpenAPI 3.1 description, made from the routes that are served.

Source: OpenAPI 3.1.1; JSON Schema 2020-12 by pydantic. Tests compare it with the router and
validate the answers that they get against it.
"""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from issuer.people.problems import Problem
from issuer.web.problems import MEDIA_TYPE, STATUS
from issuer.web.routes import API, AnyRoute, Nothing, Out

__all__ = ["describe"]

_REF: Final = "#/components/schemas/{model}"
_OF_EVERY_ROUTE: Final = (
    Problem.BAD_REQUEST,
    Problem.METHOD_OVERRIDE,
    Problem.INTERNAL,
    Problem.UNAVAILABLE,
)
_OF_QUERIES: Final = (Problem.BAD_QUERY,)
_OF_BODIES: Final = (
    Problem.EMPTY_BODY,
    Problem.NOT_UTF8,
    Problem.NOT_JSON,
    Problem.TOO_DEEP,
    Problem.DUPLICATE_MEMBER,
    Problem.LONE_SURROGATE,
    Problem.BAD_NUMBER,
    Problem.NOT_AN_OBJECT,
    Problem.BODY_TOO_LARGE,
    Problem.BODY_TOO_SLOW,
    Problem.BODY_BROKEN_OFF,
    Problem.NOT_JSON_TYPE,
    Problem.ENCODED_BODY,
    Problem.UNKNOWN_MEMBER,
    Problem.MISSING_MEMBER,
    Problem.WRONG_VALUE,
)


class Refusal(Out):
    """RFC 9457. *type* ends in the problem's name; *field* is the member of the body.

    *successor*: the region whose code to ask for instead, where the issuer has ended.
    """

    type: str
    title: str
    status: int
    zh: str
    en: str
    field: str | None = None
    successor: str | None = None


def describe(routes: Sequence[AnyRoute], *, version: str) -> dict[str, Any]:
    """The description of *routes* as a JSON value."""
    bodies = {route.body for route in routes if route.body is not Nothing}
    answers = {route.answer for route in routes if route.answer is not None} | {Refusal}
    _, schemas = models_json_schema(
        [
            *((model, "validation") for model in sorted(bodies, key=lambda m: m.__name__)),
            *((model, "serialization") for model in sorted(answers, key=lambda m: m.__name__)),
        ],
        ref_template=_REF,
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(API + route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.1",
        "info": {"title": "Celadon", "version": version, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"binding": {"type": "http", "scheme": "bearer"}},
        },
    }


_ABOUT: Final = (
    "Health codes: register, bind, declare, read one's colour and its reasons, fetch codes;"
    " public risk levels and signed lists. Refusals are application/problem+json with texts in"
    f" Chinese and English; {API}/problems lists all of them."
)


_NOT_MODIFIED: Final = "What has the ETag in If-None-Match is still right."


def _operation(route: AnyRoute) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "parameters": list(_parameters(route)),
        "responses": _responses(route),
        "security": [{"binding": []}] if route.bound else [],
    }
    if route.body is not Nothing:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(route.body)}},
        }
    return operation


def _parameters(route: AnyRoute) -> Iterable[dict[str, Any]]:
    for name, pattern in route.variables:
        schema = {"type": "string", "pattern": f"^(?:{pattern})$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    query = route.query.model_json_schema()
    for name, schema in query.get("properties", {}).items():
        needed = name in query.get("required", ())
        yield {"name": name, "in": "query", "required": needed, "schema": schema}
    for name, pattern, meaning in route.headers:
        schema = {"type": "string", "pattern": f"^(?:{pattern})$"}
        yield {
            "name": name, "in": "header", "required": True, "schema": schema,
            "description": meaning,
        }  # fmt: skip


def _responses(route: AnyRoute) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": route.summary}
    if route.answer is not None:
        answer["content"] = {"application/json": {"schema": _ref(route.answer)}}
    elif route.media:
        answer["content"] = {route.media: {}}
    responses = {str(int(route.status)): answer}
    if route.etag:
        responses[str(int(HTTPStatus.NOT_MODIFIED))] = {"description": _NOT_MODIFIED}
    problems: dict[HTTPStatus, list[Problem]] = {}
    for problem in _problems(route):
        problems.setdefault(STATUS.get(problem, HTTPStatus.BAD_REQUEST), []).append(problem)
    for status in sorted(problems):
        responses[str(int(status))] = {
            "description": ", ".join(problems[status]),
            "content": {MEDIA_TYPE: {"schema": _ref(Refusal)}},
        }
    return responses


def _problems(route: AnyRoute) -> Iterable[Problem]:
    yield from _OF_EVERY_ROUTE
    yield from _OF_QUERIES
    yield from _OF_BODIES if route.body is not Nothing else (Problem.BODY_NOT_EXPECTED,)
    if route.bound:
        yield Problem.NOT_BOUND
    yield from (problem for problem in route.problems)


def _ref(model: type) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}
