"""A phone code as it is shown: signed again by the phone, with the time. Pure.

    18([<<{1: -8, 4: kid of the holder key}>>, {}, <<[time, code]>>, signature])      233 bytes

A copied picture is worthless after 45 seconds, and a lent code without the phone is worthless at
once. Spec page: docs/spec/code.md, section "The presentation".
"""

from struct import Struct
from typing import Final, NamedTuple

from keys import ed25519
from keys.cose import MessageSigner
from keys.ed25519 import PublicKey
from keys.errors import SignatureError
from keys.kid import kid as kid_of
from verifier.claims import MAX_EXP, MIN_EXP, PHONE_CODE_BYTES, ParsedCode, parse_code
from verifier.errors import CodeError, PresentationError

__all__ = [
    "MAX_AGE_S", "MAX_AHEAD_S", "PRESENTATION_BYTES", "ParsedPresentation",
    "parse_presentation", "sign_presentation", "verify_presentation",
]  # fmt: skip

PRESENTATION_BYTES: Final = 233
#: The phone draws a new presentation every 15 s; three of them may have passed.
MAX_AGE_S: Final = 45
#: How far the phone's clock may be ahead of the verifier's.
MAX_AHEAD_S: Final = 30

# Fixed bytes and gaps, as in verifier.claims; 0x98 = 152 bytes of payload, 0x90 = 144 of code.
_HEAD: Final = bytes.fromhex("D284 49 A20127 0444")
_TIME: Final = bytes.fromhex("A0 5898 82 1A")
_CODE: Final = bytes.fromhex("5890")
_SIGNATURE: Final = bytes.fromhex("5840")
_TEMPLATE: Final = Struct(">8s 4s 5s I 2s 144s 2s 64x")
_FIXED: Final = (_HEAD, _TIME, _CODE, _SIGNATURE)
_SIGNED_HEAD: Final = b"\x84\x6aSignature1"
_NO_AAD: Final = b"\x40"


class ParsedPresentation(NamedTuple):
    """A presentation of the right shape, and the code inside. Nothing is verified.

    Attributes:
        signed: The signature with the Sig_structure behind it.
    """

    kid: bytes
    time: int
    code: ParsedCode
    signed: bytes


def sign_presentation(code: bytes, holder: MessageSigner, *, now: int) -> bytes:
    """What the phone shows at *now*: 233 bytes.

    Raises:
        ValueError: *code* is not a phone code of this holder key, or *now* has no four bytes.
    """
    if len(code) != PHONE_CODE_BYTES or parse_code(code).holder_key != holder.public_key:
        raise ValueError("not a phone code of this holder key")
    if not MIN_EXP <= now <= MAX_EXP:
        raise ValueError("the time has no four bytes in CBOR")
    protected = _HEAD[2:] + holder.kid
    payload = _TIME[1:] + now.to_bytes(4, "big") + _CODE + code
    signature = holder.sign(_SIGNED_HEAD + protected + _NO_AAD + payload)
    return _HEAD[:2] + protected + _TIME[:1] + payload + _SIGNATURE + signature


def parse_presentation(data: bytes) -> ParsedPresentation:
    """Take a presentation and its code apart. Does not verify either signature.

    Raises:
        PresentationError: Anything but the one encoding of a presentation of profile 1.
    """
    if len(data) != PRESENTATION_BYTES:
        raise PresentationError(f"{len(data)} bytes are not a presentation")
    head, kid, a, time, b, code, c = _TEMPLATE.unpack(data)
    if (head, a, b, c) != _FIXED or time < MIN_EXP:
        raise PresentationError("not the bytes of profile 1")
    try:
        parsed = parse_code(code)
    except CodeError as error:
        raise PresentationError(f"the code inside: {error}") from error
    signed = data[-64:] + _SIGNED_HEAD + data[2:12] + _NO_AAD + data[13:-66]
    return ParsedPresentation(kid, time, parsed, signed)


def verify_presentation(presentation: ParsedPresentation) -> None:
    """Verify that the holder key inside the code signed. Verify the code itself first.

    libsodium refuses keys of small order and those that are not canonical; keys of mixed order
    are refused by the issuer, before it signs the code that names them (ADR 0002).

    Raises:
        SignatureError: It did not, or the kid names another key.
    """
    holder_key = PublicKey(presentation.code.holder_key or b"")
    if presentation.kid != kid_of(holder_key):
        raise SignatureError("the kid is not that of the holder key")
    ed25519.verify_signed(presentation.signed, holder_key)
