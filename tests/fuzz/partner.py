"""The same profile decoded a second way: general COSE and CBOR modules, PyPI's base45.

Nothing here knows the template of `verifier.claims`; what the two agree on, the template and the
words of docs/spec/code.md both say.
"""

from typing import Any

import base45  # type: ignore[import-untyped]

from keys import cbor
from keys.cose import parse_sign1
from keys.errors import CborError, Sign1Error

__all__ = ["Code", "Presentation", "decode_code", "decode_presentation", "decode_text"]

#: kid, exp, cti, colour, holder key.
Code = tuple[bytes, int, bytes, int, bytes | None]
#: kid, time, code.
Presentation = tuple[bytes, int, Code]

_MAX_BYTES = 233
_HOUR_S = 3600


def decode_text(text: str) -> bytes | None:
    """The bytes of a text, or None where it is not their one text."""
    if len(text) > 354 or not text.startswith("CE1:"):
        return None
    try:
        octets = text[4:].encode("ascii")
        data: bytes = base45.b45decode(octets)
    except ValueError:
        return None
    # PyPI's base45 repairs some texts; encoding again shows which.
    return data if base45.b45encode(data) == octets else None


def decode_code(data: bytes) -> Code | None:
    """The members of a code, or None."""
    opened = _open(data)
    if opened is None:
        return None
    kid, claims = opened
    match claims:
        case {4: int(exp), 7: bytes(cti), 8: {1: dict(key), **other}, -65537: int(colour), **rest}:
            holder = _holder_key(key)
            if holder is None or other or rest:
                return None
        case {4: int(exp), 7: bytes(cti), -65537: int(colour), **rest}:
            holder = None
            if rest:
                return None
        case _:
            return None
    numbers = type(exp) is int and type(colour) is int and _four_bytes(exp)
    if not numbers or exp % _HOUR_S or len(cti) != 5 or not 0 <= colour <= 2:
        return None
    return kid, exp, cti, colour, holder


def decode_presentation(data: bytes) -> Presentation | None:
    """The members of a presentation, or None."""
    opened = _open(data)
    if opened is None:
        return None
    kid, payload = opened
    match payload:
        case [int(time), bytes(inner)] if type(time) is int and _four_bytes(time):
            code = decode_code(inner)
        case _:
            return None
    if code is None or code[4] is None:
        return None
    return kid, time, code


def _open(data: bytes) -> tuple[bytes, Any] | None:
    try:
        sign1 = parse_sign1(data, typ=None, max_bytes=_MAX_BYTES)
        return sign1.kid, cbor.decode(sign1.payload, max_bytes=_MAX_BYTES)
    except (Sign1Error, CborError):
        return None


def _holder_key(key: dict[Any, Any]) -> bytes | None:
    x = key.get(-2)
    shaped = len(key) == 3 and key.get(1) == 1 and key.get(-1) == 6
    plain = type(key.get(1)) is int and type(key.get(-1)) is int
    return x if shaped and plain and isinstance(x, bytes) and len(x) == 32 else None


def _four_bytes(number: int) -> bool:
    return 2**16 <= number < 2**32
