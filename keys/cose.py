"""COSE_Sign1, one profile (RFC 9052 §4.2). Pure. Spec page: docs/spec/sign1.md.

    18([protected bstr, {}, payload bstr, signature 64 B])
    protected = {1: -8 (EdDSA), 4: kid (4 B), ?16: typ}

Tag 18 always, no other tag anywhere; alg and kid protected and nothing else beside typ; the
unprotected header empty. Whatever else arrives is refused, so a header that one library reads
and another overlooks cannot exist.
"""

from typing import Final, NewType, Protocol

from keys import cbor, ed25519
from keys.dataclasses import dataclass
from keys.errors import CborError, Sign1Error
from keys.kid import KID_BYTES

__all__ = [
    "HEADER_TYP", "TAG_SIGN1", "MessageSigner", "Sign1", "VerifiedPayload", "encode_protected",
    "kid_of_protected", "parse_sign1", "sig_structure", "sign_sign1", "verify_sign1",
]  # fmt: skip

HEADER_ALG: Final = 1  # RFC 9052 §3.1
HEADER_KID: Final = 4  # RFC 9052 §3.1
HEADER_TYP: Final = 16  # RFC 9596 §2
ALG_EDDSA: Final = -8  # RFC 9053 §2.2; ADR 0002 says how a later profile moves to -19
TAG_SIGN1: Final = b"\xd2"  # tag 18
_KID_PLACE: Final = slice(5, 5 + KID_BYTES)  # after the map, 1: -8, and 4: bytes of length 4

#: Bytes whose signature `verify_sign1` has checked.
VerifiedPayload = NewType("VerifiedPayload", bytes)


class MessageSigner(Protocol):
    """Whatever can sign for one key: a seed in memory, a keystore, a token."""

    @property
    def public_key(self) -> ed25519.PublicKey: ...
    @property
    def kid(self) -> bytes: ...
    def sign(self, message: bytes) -> bytes:
        """64 bytes."""


@dataclass(frozen=True, slots=True)
class Sign1:
    """A parsed envelope. Its payload is not verified yet."""

    protected: bytes
    payload: bytes
    signature: bytes
    kid: bytes
    typ: str | None


def parse_sign1(data: bytes, *, typ: str | None, max_bytes: int) -> Sign1:
    """Parse an envelope whose protected header names exactly *typ* (None: has no typ).

    Does not verify the signature, and does not look into the payload.

    Raises:
        Sign1Error: Anything but the one encoding of the profile.
    """
    if data[:1] != TAG_SIGN1:
        raise Sign1Error("no COSE_Sign1 tag")
    try:
        parts = cbor.decode(data[1:], max_bytes=max_bytes)
    except CborError as error:
        raise Sign1Error(f"envelope: {error}") from error
    match parts:
        case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]:
            pass
        case _:
            raise Sign1Error("not the four parts of a COSE_Sign1")
    if unprotected:
        raise Sign1Error("the unprotected header is not empty")
    if len(signature) != ed25519.SIGNATURE_BYTES:
        raise Sign1Error(f"the signature has {len(signature)} bytes, not 64")
    return Sign1(protected, payload, signature, kid_of_protected(protected, typ), typ)


def kid_of_protected(protected: bytes, typ: str | None) -> bytes:
    """The kid, if these header bytes are the only ones the profile allows for *typ*.

    Raises:
        Sign1Error: They are not.
    """
    # There is one encoding for each kid, and the kid has one place in it: nothing to decode.
    kid = protected[_KID_PLACE]
    if len(kid) != KID_BYTES or protected != encode_protected(kid, typ):
        raise Sign1Error(f"the protected header is not exactly alg, kid and typ {typ}")
    return kid


def encode_protected(kid: bytes, typ: str | None) -> bytes:
    """The only protected header bytes of the profile."""
    header: dict[int, int | bytes | str] = {HEADER_ALG: ALG_EDDSA, HEADER_KID: kid}
    return cbor.encode(header if typ is None else {**header, HEADER_TYP: typ})


def sig_structure(protected: bytes, payload: bytes, external_aad: bytes = b"") -> bytes:
    """The bytes that are signed. Source: RFC 9052 §4.4."""
    return cbor.encode(["Signature1", protected, external_aad, payload])


def verify_sign1(sign1: Sign1, public_key: ed25519.PublicKey) -> VerifiedPayload:
    """Verify over the bytes as received, never over a re-encoding.

    Does not check that the key may sign this type of thing: ask the trust list first.

    Raises:
        SignatureError: The signature does not verify.
    """
    ed25519.verify(sign1.signature, sig_structure(sign1.protected, sign1.payload), public_key)
    return VerifiedPayload(sign1.payload)


def sign_sign1(payload: bytes, signer: MessageSigner, *, typ: str | None) -> bytes:
    """The envelope over *payload*, signed."""
    protected = encode_protected(signer.kid, typ)
    signature = signer.sign(sig_structure(protected, payload))
    return TAG_SIGN1 + cbor.encode([protected, {}, payload, signature])
