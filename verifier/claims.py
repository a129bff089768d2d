"""The code: token profile 1, both directions. Pure. Spec page: docs/spec/code.md.

The profile leaves no choice, so a code is a template with a few gaps: every byte outside the gaps
is fixed, and "strict deterministic CBOR" is one comparison. cbor2 has no part in it; the tests
hold this decoder against `keys.cose` and `keys.cbor`.
"""

from enum import Enum, IntEnum
from struct import Struct
from typing import Final, NamedTuple, NewType

from keys import ed25519
from keys.cose import MessageSigner
from keys.dataclasses import dataclass
from keys.ed25519 import PublicKey
from verifier.errors import CodeError

__all__ = [
    "HOUR_S", "KID_PLACE", "LIFETIME_S", "MAX_EXP", "MIN_EXP", "PAPER_CODE_BYTES",
    "PHONE_CODE_BYTES", "Claims", "Colour", "Cti", "Medium", "ParsedCode", "VerifiedCode",
    "encode_claims", "parse_code", "says", "sign_code", "verify_code",
]  # fmt: skip

HOUR_S: Final = 3600
#: exp is written in exactly four bytes, and shorter numbers would have a shorter form.
MIN_EXP: Final = 2**16
MAX_EXP: Final = 2**32 - 1
PAPER_CODE_BYTES: Final = 100
PHONE_CODE_BYTES: Final = 144
#: Where the kid stands in a code of either medium.
KID_PLACE: Final = slice(8, 12)

_LIST_BITS: Final = 20
_INDEX_BITS: Final = 20
_INDEX_MASK: Final = 2**_INDEX_BITS - 1


class Colour(IntEnum):
    """What the issuer's rules gave."""

    GREEN = 0
    YELLOW = 1
    RED = 2


class Medium(Enum):
    """Where a code lives. It fixes the lifetime and whether a holder key is in the code."""

    PAPER = "paper"
    PHONE = "phone"


#: Seconds before exp from which on a code is good.
LIFETIME_S: Final = {Medium.PAPER: 7 * 24 * HOUR_S, Medium.PHONE: 24 * HOUR_S}


@dataclass(frozen=True, slots=True)
class Cti:
    """The pseudonymous ID: a position in a status list and nothing more."""

    list_number: int
    status_index: int

    def __post_init__(self) -> None:
        if not 0 <= self.list_number < 2**_LIST_BITS:
            raise ValueError("a list number has 20 bits")
        if not 0 <= self.status_index < 2**_INDEX_BITS:
            raise ValueError("a status index has 20 bits")

    def encode(self) -> bytes:
        """5 bytes: the list number, then the index, 20 bits each, big-endian."""
        return (self.list_number << _INDEX_BITS | self.status_index).to_bytes(5, "big")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a code says. A holder key makes it a phone code."""

    exp: int
    cti: Cti
    colour: Colour
    holder_key: PublicKey | None = None

    def __post_init__(self) -> None:
        if not MIN_EXP <= self.exp <= MAX_EXP or self.exp % HOUR_S:
            raise ValueError("exp is a whole hour in seconds, of four bytes in CBOR")

    @property
    def medium(self) -> Medium:
        return Medium.PAPER if self.holder_key is None else Medium.PHONE

    @property
    def not_before(self) -> int:
        """The first second of validity. It follows from the medium and is not written."""
        return self.exp - LIFETIME_S[self.medium]


# --- the template -------------------------------------------------------------------------------
#
#     18([<<{1: -8, 4: kid}>>, {}, <<payload>>, signature])                       RFC 9052 §4.2
#     paper: {4: exp, 7: cti, -65537: colour}                                     RFC 8392 §3.1
#     phone: {4: exp, 7: cti, 8: {1: {1: 1, -1: 6, -2: key}}, -65537: colour}     RFC 8747 §3.2

_HEAD: Final = bytes.fromhex("D284 49 A20127 0444")
_EMPTY: Final = bytes.fromhex("A0")  # the unprotected header
_PAPER_LENGTH: Final = bytes.fromhex("54")  # 20 bytes of payload
_PHONE_LENGTH: Final = bytes.fromhex("583F")  # 63 bytes of payload
_PAPER_EXP: Final = bytes.fromhex("A3 041A")
_PHONE_EXP: Final = bytes.fromhex("A4 041A")
_CTI: Final = bytes.fromhex("0745")
_KEY: Final = bytes.fromhex("08A101 A3 0101 2006 215820")
_COLOUR: Final = bytes.fromhex("3A00010000")
_SIGNATURE: Final = bytes.fromhex("5840")

# The same templates as fixed bytes and gaps. BI is the cti, a number of five bytes.
_PAPER_PAYLOAD: Final = Struct(">3s I 2s BI 5s B")
_PHONE_PAYLOAD: Final = Struct(">3s I 2s BI 11s 32s 5s B")
_PAPER: Final = Struct(">8s 4s 5s I 2s BI 5s B 2s 64x")
_PHONE: Final = Struct(">8s 4s 6s I 2s BI 11s 32s 5s B 2s 64x")
_PAPER_FIXED: Final = (_HEAD, _EMPTY + _PAPER_LENGTH + _PAPER_EXP, _CTI, _COLOUR, _SIGNATURE)
_PHONE_FIXED: Final = (_HEAD, _EMPTY + _PHONE_LENGTH + _PHONE_EXP, _CTI, _KEY, _COLOUR, _SIGNATURE)

# Sig_structure = ["Signature1", protected, h'', payload], RFC 9052 §4.4. It has the same bytes as
# the code from the protected header on, with h'' (0x40) where the code has {} (0xA0).
_SIGNED_HEAD: Final = b"\x84\x6aSignature1"
_SIGNED_TO_KID: Final = _SIGNED_HEAD + _HEAD[2:]
_NO_AAD: Final = b"\x40"


def encode_claims(claims: Claims) -> bytes:
    """The payload: 20 bytes for paper, 63 for a phone."""
    exp, colour, key = claims.exp, claims.colour, claims.holder_key
    cti = claims.cti.list_number << _INDEX_BITS | claims.cti.status_index
    high, low = cti >> 32, cti & 0xFFFFFFFF
    if key is None:
        return _PAPER_PAYLOAD.pack(_PAPER_EXP, exp, _CTI, high, low, _COLOUR, colour)
    return _PHONE_PAYLOAD.pack(_PHONE_EXP, exp, _CTI, high, low, _KEY, key, _COLOUR, colour)


def sign_code(claims: Claims, signer: MessageSigner) -> bytes:
    """The code: 100 bytes for paper, 144 for a phone."""
    kid = signer.kid
    length = _PAPER_LENGTH if claims.holder_key is None else _PHONE_LENGTH
    payload = encode_claims(claims)
    signature = signer.sign(b"".join((_SIGNED_TO_KID, kid, _NO_AAD, length, payload)))
    return b"".join((_HEAD, kid, _EMPTY, length, payload, _SIGNATURE, signature))


class ParsedCode(NamedTuple):
    """A code of the right shape. Nothing in it is verified.

    A NamedTuple because one is made in every check, in a fraction of a frozen dataclass's time.

    Attributes:
        signed: The signature with the Sig_structure behind it.
    """

    kid: bytes
    exp: int
    not_before: int
    list_number: int
    status_index: int
    colour: Colour
    holder_key: bytes | None
    signed: bytes


#: A code whose signature `verify_code` has checked.
VerifiedCode = NewType("VerifiedCode", ParsedCode)

_COLOURS: Final = tuple(Colour)
_LAST_COLOUR: Final = len(_COLOURS) - 1
_new_tuple: Final = tuple.__new__  # what the class would call, after a detour
_PAPER_LIFETIME_S: Final = LIFETIME_S[Medium.PAPER]
_PHONE_LIFETIME_S: Final = LIFETIME_S[Medium.PHONE]


def parse_code(data: bytes) -> ParsedCode:
    """Take a code apart. Does not verify its signature, nor look at the time.

    Raises:
        CodeError: Anything but the one encoding of a code of profile 1.
    """
    key: bytes | None = None
    if len(data) == PAPER_CODE_BYTES:
        a, kid, b, exp, c, cti_high, cti_low, d, colour, e = _PAPER.unpack(data)
        shaped = (a, b, c, d, e) == _PAPER_FIXED
        lifetime_s = _PAPER_LIFETIME_S
    elif len(data) == PHONE_CODE_BYTES:
        a, kid, b, exp, c, cti_high, cti_low, d, key, e, colour, f = _PHONE.unpack(data)
        shaped = (a, b, c, d, e, f) == _PHONE_FIXED
        lifetime_s = _PHONE_LIFETIME_S
    else:
        raise CodeError(f"{len(data)} bytes are not a code")
    if not shaped:
        raise CodeError("not the bytes of profile 1")
    if exp < MIN_EXP or exp % HOUR_S:
        raise CodeError("exp is not a whole hour, or not in its shortest form")
    if colour > _LAST_COLOUR:
        raise CodeError("an unknown colour")
    fields = (
        kid,
        exp,
        exp - lifetime_s,
        cti_high << 12 | cti_low >> _INDEX_BITS,
        cti_low & _INDEX_MASK,
        _COLOURS[colour],
        key,
        b"".join((data[-64:], _SIGNED_HEAD, data[2:12], _NO_AAD, data[13:-66])),
    )
    return _new_tuple(ParsedCode, fields)


def verify_code(code: ParsedCode, public_key: PublicKey) -> VerifiedCode:
    """Verify over the bytes as received. Whether this key may sign codes is not looked at.

    Raises:
        SignatureError: The signature does not verify.
    """
    ed25519.verify_signed(code.signed, public_key)
    return VerifiedCode(code)


def says(code: VerifiedCode, claims: Claims) -> bool:
    """Whether a code says exactly *claims*, for those who issue codes."""
    cti = claims.cti
    wanted = (claims.exp, cti.list_number, cti.status_index, claims.colour, claims.holder_key)
    _, exp, _, list_number, status_index, colour, holder_key, _ = code
    return (exp, list_number, status_index, colour, holder_key) == wanted
