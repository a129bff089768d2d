"""The signed lists, as a web server would serve the public folder, and nothing outside it.

A name is served when it has the form of one of the published files; it is never a path that
somebody else composed. Links are not followed out of the folder. The ETag is the SHA-256 of the
content, so it is the same on every machine that serves it, and says nothing about who asks.
"""

import asyncio
import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from aiohttp import web

from issuer.errors import InputError
from issuer.people.problems import Problem
from issuer.web.appkeys import PUBLIC
from issuer.web.routes import AnyRoute, Call, Nothing, Route

__all__ = ["ROUTES"]

_TEXT: Final = "text/plain; charset=utf-8"

#: The published layout: which files there are, and of which type.
_FILES: Final = (
    (r"trust-list\.cbor", "application/cose"),
    (r"risk-table\.cbor", "application/cose"),
    (r"status/[0-9]{1,7}\.cwt", "application/statuslist+cwt"),
    (r"status/[0-9]{6}\.(?:delta|snapshot)", "application/cose"),
    (r"keys/[0-9a-f]{8}\.cosekey", "application/cose-key"),
    (r"rules/[a-z0-9][a-z0-9.-]{0,79}\.cbor", "application/cose"),
    (r"log/checkpoint", _TEXT),
    (r"log/vkey", _TEXT),
    (r"log/proofs\.json", "application/json"),
)
_FORMS: Final = tuple((re.compile(form, re.ASCII), media) for form, media in _FILES)

#: Lists change within minutes; whoever holds an old copy asks again with its ETag.
_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=60, must-revalidate",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "celadon",
}


async def published_file(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    name = call.request.match_info["file"]
    media = next((media for form, media in _FORMS if form.fullmatch(name)), None)
    if media is None:
        raise InputError(Problem.NOT_FOUND)
    folder = call.request.app[PUBLIC]
    path = folder / name
    if not _is_inside(path, folder):
        raise InputError(Problem.NOT_FOUND)
    data = await asyncio.to_thread(path.read_bytes)
    digest = sha256(data).hexdigest()
    headers = {**_HEADERS, "ETag": f'"{digest}"'}
    if any(held.value in {digest, "*"} for held in call.request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=data, headers={**headers, "Content-Type": media})


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve()) and path.is_file()


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "GET",
        "/published/{file}",
        published_file,
        "A signed list: trust list, status lists, rules, risk table, keys, checkpoint.",
        Nothing,
        Nothing,
        None,
        variables=(("file", ".+"),),
        problems=(Problem.NOT_FOUND,),
        media="*/*",
        etag=True,
    ),
)
