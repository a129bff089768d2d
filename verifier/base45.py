"""Base45 (RFC 9285), strict, both ways. Pure.

Two bytes are three characters: n = c + 45 d + 2025 e. A loop over the groups would cost more than
all other checks of a code together, so all groups are computed at once: the input becomes one big
integer whose equal lanes are the groups, and one multiplication of it multiplies every lane. The
lanes are wide enough never to reach each other.
"""

from functools import lru_cache
from typing import Final

from verifier.errors import TransportError

__all__ = ["ALPHABET", "decode", "encode"]

ALPHABET: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"  # RFC 9285 §4.2

_NO_DIGIT: Final = 0x80  # a bit that no digit below 45 has
_MAX_BYTE: Final = 0xFF
_TO_DIGIT: Final = bytes(
    ALPHABET.index(octet) if octet in ALPHABET else _NO_DIGIT for octet in range(256)
)
_TO_CHARACTER: Final = ALPHABET.ljust(256, b"?")


def encode(data: bytes) -> str:
    """The one text of *data*. Source: RFC 9285 §4."""
    pairs = len(data) >> 1
    spread = bytearray(6 * pairs)  # lanes of six bytes: the products below need up to 33 bits
    spread[4::6] = data[0 : 2 * pairs : 2]
    spread[5::6] = data[1 : 2 * pairs : 2]
    n = int.from_bytes(spread, "big")
    low_half = _repeated(b"\0\0\0\0\xff\xff", pairs)
    # Division by 45 and 2025 as multiplication and shift: exact for every n below 2^16 (tested).
    by_45 = ((n * 11_651) >> 19) & low_half
    by_2025 = ((n * 66_281) >> 27) & low_half
    # c = n mod 45, d = (n / 45) mod 45 and e = n / 2025 become three neighbouring bytes.
    digits = ((n - 45 * by_45) << 16) + ((by_45 - 45 * by_2025) << 8) + by_2025
    lanes = digits.to_bytes(6 * pairs, "big")
    text = bytearray(3 * pairs)
    text[0::3] = lanes[3::6]
    text[1::3] = lanes[4::6]
    text[2::3] = lanes[5::6]
    if len(data) & 1:
        text += bytes((data[-1] % 45, data[-1] // 45))
    return text.translate(_TO_CHARACTER).decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of *text*, if *text* is their one text.

    Raises:
        TransportError: A character outside the alphabet, a group above 65,535, a pair above 255,
            or one character left over.

    Source: RFC 9285 §4 and §6 (the overflow rule).
    """
    try:
        digits = text.encode("ascii").translate(_TO_DIGIT)
    except UnicodeEncodeError as error:
        raise TransportError("a character outside the base45 alphabet") from error
    groups, rest = divmod(len(digits), 3)
    lanes = int.from_bytes(digits[: 3 * groups], "big")
    if lanes & _repeated(b"\x80\x80\x80", groups):
        raise TransportError("a character outside the base45 alphabet")
    c_place = _repeated(b"\xff\0\0", groups)
    low = c_place >> 16
    n = ((lanes >> 16) & low) + 45 * ((lanes >> 8) & low) + 2025 * (lanes & low)
    if n & c_place:  # 2^16 and above
        raise TransportError("a group above 65,535")
    values = n.to_bytes(3 * groups, "big")
    data = bytearray(2 * groups)
    data[0::2] = values[1::3]
    data[1::2] = values[2::3]
    if rest:
        data.append(_last_byte(digits[3 * groups :]))
    return bytes(data)


def _last_byte(digits: bytes) -> int:
    """The byte of the one or two digits after the last whole group."""
    if len(digits) == 1:
        raise TransportError("one character left over")
    value = digits[0] + 45 * digits[1]
    if max(digits) == _NO_DIGIT:
        raise TransportError("a character outside the base45 alphabet")
    if value > _MAX_BYTE:
        raise TransportError("a pair above 255")
    return value


@lru_cache(maxsize=64)
def _repeated(lane: bytes, times: int) -> int:
    """The same bytes in every lane. Codes come in three lengths, so a few are kept."""
    return int.from_bytes(lane * times, "big")
