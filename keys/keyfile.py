"""Files that people carry: a key's public record as JSON, and how such files are read. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from keys.ed25519 import PublicKey, parse_public_key
from keys.errors import PublicKeyError, SourceFileError
from keys.instants import format_time, parse_time
from keys.kid import kid
from keys.lifecycle import Environment, KeyInfo, Purpose

__all__ = [
    "PublicRecord", "decode_public_record", "encode_public_record", "hex_bytes", "members",
    "parse_json", "public_key", "typed", "word",
]  # fmt: skip

T = TypeVar("T")
W = TypeVar("W", Purpose, Environment)

_HEX: Final = re.compile(r"([0-9a-f]{2})*")
_KINDS: Final = {int: "a whole number", str: "text", list: "an array", dict: "an object"}


@dataclass(frozen=True, slots=True)
class PublicRecord:
    """What others need to know of a key. Not signed: compare the kid with its owner."""

    public_key: PublicKey
    purpose: Purpose
    environment: Environment
    region: str
    not_before: int
    not_after: int


def encode_public_record(info: KeyInfo) -> str:
    """The file's text. Its window is that in which the key signs."""
    content = {
        "kid": info.kid.hex(),
        "public_key": info.public_key.hex(),
        "purpose": info.purpose.value,
        "environment": info.environment.value,
        "region": info.region,
        "not_before": format_time(info.not_before),
        "not_after": format_time(info.not_after),
    }
    return json.dumps(content, indent=2) + "\n"


def decode_public_record(text: str) -> PublicRecord:
    """The record in a file.

    Raises:
        SourceFileError: The message names the member that is wrong.
    """
    names = "kid public_key purpose environment region not_before not_after"
    found = members(parse_json(text), names)
    key = public_key(found["public_key"])
    if found["kid"] != kid(key).hex():
        raise SourceFileError(f"kid: the key's own is {kid(key).hex()}")
    return PublicRecord(
        key,
        word(Purpose, found["purpose"]),
        word(Environment, found["environment"]),
        typed(str, found["region"], "region"),
        parse_time(found["not_before"]),
        parse_time(found["not_after"]),
    )


def parse_json(text: str) -> object:
    """The JSON value of a file; a name may stand once in an object.

    Raises:
        SourceFileError: It is not JSON, or a name stands twice.
    """
    try:
        value: object = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise SourceFileError(f"not JSON: {error}") from error
    return value


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


def members(value: object, names: str, optional: str = "") -> Mapping[str, Any]:
    """The members of a JSON object that has exactly these *names*, and perhaps the *optional*."""
    found = typed(dict, value, "this")
    for name in names.split():
        if name not in found:
            raise SourceFileError(f"{name} is missing")
    for name in found:
        if name not in f"{names} {optional}".split():
            raise SourceFileError(f"{name!a} is not a known name")
    return found


def typed(kind: type[T], value: object, name: str) -> T:
    """*value*, if it is exactly a *kind*: int, str, list or dict."""
    if type(value) is not kind:
        raise SourceFileError(f"{name} is not {_KINDS[kind]}")
    return value


def word(words: type[W], value: object) -> W:
    """One of the words of an enumeration."""
    text = typed(str, value, words.__name__.lower())
    try:
        return words(text)
    except ValueError as error:
        known = ", ".join(words)
        raise SourceFileError(f"{words.__name__.lower()}: not one of {known}") from error


def hex_bytes(value: object, length: int, name: str) -> bytes:
    """Bytes written as lower-case hex."""
    text = typed(str, value, name)
    if len(text) != 2 * length or not _HEX.fullmatch(text):
        raise SourceFileError(f"{name} is not {length} bytes in lower-case hex")
    return bytes.fromhex(text)


def public_key(value: object) -> PublicKey:
    """A public key written as hex."""
    try:
        return parse_public_key(hex_bytes(value, 32, "public_key"))
    except PublicKeyError as error:
        raise SourceFileError(f"public_key: {error}") from error
