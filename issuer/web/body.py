"""The one reader of request bodies: bytes to a JSON object, or a refusal that says why.

aiohttp's own `request.json()` answers 500 to an empty body, bad UTF-8, deep nesting and long
numbers, and takes JSON sent as text/plain, duplicate members, NaN and lone surrogates.
Source: RFC 8259; docs/spec/api.md, "Bodies".
"""

import asyncio
import json
from typing import Final, NoReturn

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, PayloadEncodingError

from issuer.errors import InputError
from issuer.people.problems import Problem

__all__ = ["MAX_BODY_BYTES", "MAX_BODY_S", "parse_object", "read_object", "refuse_body"]

MAX_BODY_BYTES: Final = 16 * 1024
MAX_BODY_S: Final = 10.0

_SPACE: Final = " \t\n\r"  # RFC 8259 §2; what str.strip takes for space is more
_JSON_TYPES: Final = frozenset(
    {
        "application/json",
        "application/json;charset=utf-8",
        'application/json;charset="utf-8"',
    }
)


async def read_object(request: web.Request) -> dict[str, object]:
    """The request's body as a JSON object.

    Raises:
        InputError: 415 for another media type, charset or coding; 413 beyond 16 KiB, by its
            header or by its bytes; 408 when it takes longer than 10 s; else 400.
    """
    headers = request.headers
    media = headers.getall("Content-Type", ())
    if len(media) != 1 or (
        media[0] != "application/json" and media[0].lower().replace("; ", ";") not in _JSON_TYPES
    ):
        raise InputError(Problem.NOT_JSON_TYPE)
    # Nothing is ever decompressed here; the parser takes other codings before "chunked" for none.
    is_packed = headers.get("Transfer-Encoding", "chunked").lower() != "chunked"
    if is_packed or "Content-Encoding" in headers:
        raise InputError(Problem.ENCODED_BODY)
    content = request.content
    if content.is_eof():  # all of it came with the headers, as small bodies do
        data = content.read_nowait(-1)
        if len(data) > MAX_BODY_BYTES:
            raise InputError(Problem.BODY_TOO_LARGE)
    else:
        data = await _read(request)
    return parse_object(data)


def refuse_body(request: web.Request) -> None:
    """For requests that take none.

    Raises:
        InputError: There is one.
    """
    if request.body_exists:
        raise InputError(Problem.BODY_NOT_EXPECTED)


async def _read(request: web.Request) -> bytes:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise InputError(Problem.BODY_TOO_LARGE)
    parts, size = [], 0
    try:
        async with asyncio.timeout(MAX_BODY_S):
            while part := await request.content.readany():
                size += len(part)
                if size > MAX_BODY_BYTES:
                    raise InputError(Problem.BODY_TOO_LARGE)
                parts.append(part)
    except TimeoutError as error:
        raise InputError(Problem.BODY_TOO_SLOW) from error
    except (
        ConnectionError,  # the caller is gone; as a failure of ours it would be a line in the log
        HttpProcessingError,
        PayloadEncodingError,
        web.RequestPayloadError,
    ) as error:
        raise InputError(Problem.BODY_BROKEN_OFF) from error
    return b"".join(parts)


def parse_object(data: bytes) -> dict[str, object]:
    """A JSON object from bytes, as strict as RFC 8259 lets a reader be.

    Raises:
        InputError: Not UTF-8, not JSON, a member twice, NaN or infinity, a number of thousands of
            digits, half of a surrogate pair, nesting beyond the interpreter's limit, or not an
            object.
    """
    if not data:
        raise InputError(Problem.EMPTY_BODY)
    try:
        text = data.decode().strip(_SPACE)
        value, end = _DECODER.raw_decode(text)
        if b"\\u" in data:  # the only way to write half of a surrogate pair
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise InputError(Problem.NOT_UTF8) from error
    except UnicodeEncodeError as error:
        raise InputError(Problem.LONE_SURROGATE) from error
    except json.JSONDecodeError as error:
        raise InputError(Problem.NOT_JSON) from error
    except RecursionError as error:
        raise InputError(Problem.TOO_DEEP) from error
    except ValueError as error:  # int() refuses more than 4,300 digits
        raise InputError(Problem.BAD_NUMBER) from error
    if end != len(text):
        raise InputError(Problem.NOT_JSON)
    if type(value) is not dict:
        raise InputError(Problem.NOT_AN_OBJECT)
    return value


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InputError(Problem.DUPLICATE_MEMBER)
    return members


def _constant(_name: str) -> NoReturn:
    raise InputError(Problem.BAD_NUMBER)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant)
