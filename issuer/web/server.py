"""How the application meets the network: aiohttp's server, with our answer to broken requests.

aiohttp answers what its parser refuses in plain text that repeats part of the request, and logs
the same. Both may hold personal data, so both are replaced here.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiohttp import http_parser, web, web_protocol

from issuer.errors import NotReadyError
from issuer.people.problems import Problem
from issuer.web.guard import refused
from issuer.web.problems import answer_to

__all__ = ["Runner", "require_c_extensions"]

_KEEPALIVE_S: Final = 75.0
_LINGER_S: Final = 2.0
_LOG: Final = structlog.get_logger()


def require_c_extensions() -> None:
    """Refuse to serve with aiohttp's Python parser: most of its holes were in that one.

    Raises:
        NotReadyError: The C extensions are missing.
    """
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise NotReadyError("aiohttp was installed without its C extensions: install a wheel")


class _Protocol(web_protocol.RequestHandler):
    """Answers what cannot be parsed like every other refusal."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it repeats the request
    ) -> web.StreamResponse:
        problem = Problem.BAD_REQUEST if status < 500 else Problem.INTERNAL  # noqa: PLR2004
        if problem is Problem.INTERNAL:
            _LOG.error("request_failed", problem=str(problem), exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        response = answer_to(problem)
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> web_protocol.RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs the application with our limits. Bodies are never decompressed."""

    def __init__(self, app: web.Application) -> None:
        super().__init__(
            app,
            access_log=None,
            logger=_silent(),
            keepalive_timeout=_KEEPALIVE_S,
            lingering_time=_LINGER_S,
            auto_decompress=False,
            handler_cancellation=False,
        )

    async def _make_server(self) -> web.Server:
        made: Any = await super()._make_server()
        return _Server(
            _in_our_form(made.request_handler),
            request_factory=made.request_factory,
            loop=made._loop,  # noqa: SLF001 - aiohttp has no public way to name the protocol
            **made._kwargs,  # noqa: SLF001
        )


def _in_our_form(
    handle: Callable[[Any], Awaitable[web.StreamResponse]],
) -> Callable[[Any], Awaitable[web.StreamResponse]]:
    """*handle*, whose refusals before any route (OPTIONS *, an unknown Expect) are ours too."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handle(request)
        except web.HTTPException as error:
            return refused(request, error)

    return answer


def _silent() -> logging.Logger:
    logger = logging.getLogger("celadon.http")
    logger.disabled = True
    return logger
