"""Typed routes: what a handler takes and gives is written once; it is served and described so.

A handler gets a `Call`, its body and query already validated and its caller known, and returns a
model, or an aiohttp response of its own. `issuer.web.openapi` describes the same `Route`s.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Generic, TypeAlias, TypeVar

from aiohttp import web
from multidict import CIMultiDict
from pydantic import BaseModel, ConfigDict, ValidationError

from issuer.errors import InputError, NotBoundError
from issuer.people.binding import Sessions
from issuer.people.problems import Problem
from issuer.web.accesslog import Counts
from issuer.web.appkeys import CLOCK, SESSIONS
from issuer.web.body import read_object, refuse_body
from issuer.web.guard import Handle, guarded, refuse_all
from issuer.web.problems import SECURITY_HEADERS

__all__ = [
    "API", "Answer", "AnyRoute", "Call", "In", "Nothing", "Out", "Route", "encode",
    "json_response", "mount",
]  # fmt: skip

API: Final = "/api/v1"
_SCHEME: Final = "bearer"  # in any case: RFC 9110 §11.1


class In(BaseModel):
    """A body or a query: exact types, and no member that we do not know."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Nothing(In):
    """The body of a request without a body; the query of one without a query."""


class Out(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


BodyT = TypeVar("BodyT", bound=In)
QueryT = TypeVar("QueryT", bound=In)
Answer: TypeAlias = Out | web.StreamResponse


@dataclass(slots=True)
class Call(Generic[BodyT, QueryT]):
    """One request, as a handler sees it. *subject* is empty where the route needs no binding."""

    request: web.Request
    body: BodyT
    query: QueryT
    subject: bytes
    now: int


@dataclass(frozen=True, slots=True)
class Route(Generic[BodyT, QueryT]):
    """One route and all that is promised about it.

    Attributes:
        method: GET is also served as HEAD; nothing else is also anything.
        path: After `/api/v1`, with {variables}.
        variables: Their regular expressions.
        answer: Of a JSON answer; None where there is no body, or one of type *media*.
        bound: Whether the caller must be bound.
        problems: Those beside the ones that follow from the shape of the route.
        headers: Request headers that must be there, with their regular expressions and what they
            are for.
        etag: Whether the answer has one, and whoever still holds that answer gets 304.
    """

    method: str
    path: str
    handler: Callable[[Call[BodyT, QueryT]], Awaitable[Answer]]
    summary: str
    body: type[BodyT]
    query: type[QueryT]
    answer: type[Out] | None
    status: HTTPStatus = HTTPStatus.OK
    variables: tuple[tuple[str, str], ...] = ()
    bound: bool = False
    problems: tuple[Problem, ...] = ()
    headers: tuple[tuple[str, str, str], ...] = ()
    media: str = ""
    etag: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    def pattern(self) -> str:
        """The path as aiohttp wants it."""
        path = API + self.path
        for name, pattern in self.variables:
            path = path.replace(f"{{{name}}}", f"{{{name}:{pattern}}}")
        return path

    def serve(self, app: web.Application, resource: web.Resource, counts: Counts) -> None:
        handle = self._handle(app[CLOCK], app[SESSIONS])
        for method in self.methods:
            resource.add_route(method, guarded(handle, counts.of(method, API + self.path)))

    def _handle(self, clock: Callable[[], int], sessions: Sessions) -> Handle:
        handler, status, bound = self.handler, self.status, self.bound
        # Its own method would only look these up again.
        parse_body = (
            None if self.body is Nothing else self.body.__pydantic_validator__.validate_python
        )
        takes_query = self.query is not Nothing
        nothing: Any = Nothing()

        async def handle(request: web.Request) -> web.StreamResponse:
            now = clock()
            subject = await _subject(request, sessions, now) if bound else b""
            query = _query(request, self.query) if takes_query else nothing
            if not takes_query and "?" in request.raw_path:
                raise InputError(Problem.BAD_QUERY)
            if parse_body is None:
                refuse_body(request)
                body = nothing
            else:
                body = parse_body(await read_object(request))
            answer = await handler(Call(request, body, query, subject, now))
            if isinstance(answer, web.StreamResponse):
                return answer
            return json_response(encode(answer), status)

        return handle


def encode(answer: Out) -> bytes:
    encoded: bytes = answer.__pydantic_serializer__.to_json(answer)
    return encoded


def json_response(body: bytes, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """A JSON answer, not to be kept by anyone on the way."""
    return web.Response(body=body, status=status, headers=CIMultiDict(_JSON_HEADERS))


_JSON_HEADERS: Final = CIMultiDict({**SECURITY_HEADERS, "Content-Type": "application/json"})


async def _subject(request: web.Request, sessions: Sessions, now: int) -> bytes:
    """Who asks. A token looked up just before costs no thread."""
    given = request.headers.getall("Authorization", [])
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != _SCHEME:
        raise NotBoundError("no token")
    recalled = sessions.recall(token, now=now)
    if recalled is not None:
        return recalled
    return await asyncio.to_thread(sessions.look_up, token, now=now)


def _query(request: web.Request, model: type[QueryT]) -> QueryT:
    query = request.query
    if len(set(query)) != len(query):
        raise InputError(Problem.BAD_QUERY)
    try:
        return model.model_validate(dict(query))
    except ValidationError as error:
        raise InputError(Problem.BAD_QUERY) from error


#: A list of routes has many bodies and queries.
AnyRoute: TypeAlias = Route[Any, Any]


def mount(app: web.Application, routes: Iterable[AnyRoute], counts: Counts) -> None:
    """Serve the routes, and refuse whatever else is asked for."""
    by_path: dict[str, list[AnyRoute]] = {}
    for route in routes:
        by_path.setdefault(route.path, []).append(route)
    for path, there in by_path.items():
        resource = app.router.add_resource(there[0].pattern())
        for route in there:
            route.serve(app, resource, counts)
        allowed = ", ".join(method for route in there for method in route.methods)
        refuse = refuse_all(Problem.METHOD_NOT_ALLOWED, allow=allowed)
        resource.add_route("*", guarded(refuse, counts.of("other", API + path)))
    nothing = guarded(refuse_all(Problem.NOT_FOUND), counts.of("any", "none"))
    app.router.add_route("*", "/{path:.*}", nothing)
