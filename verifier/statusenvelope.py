"""What status lists, deltas and snapshots share: a Sign1 by a status key, in time. Pure."""

import zlib
from typing import Final

from keys.cose import Sign1, VerifiedPayload, parse_sign1, verify_sign1
from keys.errors import Sign1Error, SignatureError
from keys.purpose import Purpose
from keys.trustlist import ListedIssuer, ListedKey, TrustList
from verifier.errors import StatusListExpiredError, StatusListFormatError, StatusListSignerError

__all__ = [
    "any_bool", "inflate", "open_signed", "parse_signed", "require_current", "require_in_force",
    "zlib_best",
]  # fmt: skip

_LEVEL: Final = 9


def parse_signed(data: bytes, *, typ: str, max_bytes: int) -> Sign1:
    """The envelope, its signature not looked at.

    Raises:
        StatusListFormatError: Too long, or not a Sign1 of this typ.
    """
    try:
        return parse_sign1(data, typ=typ, max_bytes=max_bytes)
    except Sign1Error as error:
        raise StatusListFormatError(str(error)) from error


def open_signed(
    data: bytes, trust: TrustList, *, typ: str, max_bytes: int
) -> tuple[VerifiedPayload, ListedIssuer, ListedKey]:
    """The payload, whose key signed it, and that key. When it is in force is for the caller.

    Raises:
        StatusListFormatError: As `parse_signed`.
        StatusListSignerError: Not a status key on the trust list, or not its signature.
    """
    token = parse_signed(data, typ=typ, max_bytes=max_bytes)
    found = trust.find(token.kid)
    if found is None:
        raise StatusListSignerError(f"key {token.kid.hex()} is not on the trust list")
    issuer, key = found
    if key.purpose is not Purpose.STATUS:
        raise StatusListSignerError(f"key {token.kid.hex()} is not for status lists")
    try:
        return verify_sign1(token, key.public_key), issuer, key
    except SignatureError as error:
        raise StatusListSignerError(str(error)) from error


def require_in_force(key: ListedKey, at: int) -> None:
    """Refuse a key outside its window.

    Raises:
        StatusListSignerError: It is.
    """
    if not key.not_before <= at < key.not_after:
        raise StatusListSignerError(f"key {key.kid.hex()} is not in force")


def require_current(issued_at: int, exp: int, *, now: int) -> None:
    """Refuse what is of another time.

    Raises:
        StatusListExpiredError: Issued in the future, or ended.
    """
    if issued_at > now:
        raise StatusListExpiredError(f"issued {issued_at - now} s in the future")
    if now >= exp:
        raise StatusListExpiredError(f"ended {now - exp} s ago")


def any_bool(*numbers: int) -> bool:
    """Whether one of them is true or false, which Python takes for integers."""
    return any(isinstance(number, bool) for number in numbers)


def zlib_best(data: bytes) -> bytes:
    """One zlib stream by the standard library. Issuers have a better compressor."""
    return zlib.compress(data, _LEVEL)


def inflate(stream: bytes, *, max_bytes: int) -> bytes:
    """Decompress one whole zlib stream, never more than one byte beyond what is allowed.

    Raises:
        StatusListFormatError: It is not one, is empty, or holds more.
    """
    inflating = zlib.decompressobj()
    try:
        inflated = inflating.decompress(stream, max_bytes + 1)
    except zlib.error as error:
        raise StatusListFormatError("not a zlib stream") from error
    if len(inflated) > max_bytes:
        raise StatusListFormatError(f"inflates to more than {max_bytes} bytes")
    if not inflating.eof or inflating.unused_data or inflating.unconsumed_tail or not inflated:
        raise StatusListFormatError("not exactly one whole zlib stream with something in it")
    return inflated
