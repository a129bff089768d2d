"""The text in the QR code: "CE1:" and base45. Pure. Spec page: docs/spec/code.md.

Nothing is trimmed, folded or repaired: one code has one text.
"""

from typing import Final

from verifier import base45
from verifier.errors import TransportError

__all__ = ["MAX_TEXT_CHARS", "PREFIX", "decode_text", "encode_text"]

PREFIX: Final = "CE1:"
#: The text of a presentation, the longest thing of the profile: 233 bytes.
MAX_TEXT_CHARS: Final = 354


def encode_text(data: bytes) -> str:
    """The text of a code or a presentation.

    Raises:
        ValueError: *data* is longer than anything of the profile.
    """
    text = PREFIX + base45.encode(data)
    if len(text) > MAX_TEXT_CHARS:
        raise ValueError(f"{len(data)} bytes do not fit a text of {MAX_TEXT_CHARS} characters")
    return text


def decode_text(text: str) -> bytes:
    """The bytes that *text* carries. Does not look into them.

    Raises:
        TransportError: Too long (looked at first), another prefix, or not base45.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise TransportError(f"{len(text)} characters, at most {MAX_TEXT_CHARS} are allowed")
    if not text.startswith(PREFIX):
        raise TransportError("no CE1: in front")
    return base45.decode(text[len(PREFIX) :])
