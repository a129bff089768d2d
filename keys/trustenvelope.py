"""The envelope of a trust list: COSE_Sign, one profile (RFC 9052 §4.1). Pure.

    98([protected bstr, {}, payload bstr, [+ [protected bstr, {}, signature 64 B]]])
    body protected = {16: typ}            signer protected = {1: -8 (EdDSA), 4: kid (4 B)}

Signatures stand in ascending order of their kid: one set of signatures has one encoding, and
nobody signs twice. Spec page: docs/spec/trust-list.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from keys import cbor, ed25519
from keys.cose import HEADER_KID, HEADER_TYP, MessageSigner, encode_protected
from keys.errors import (
    CborError,
    TrustListFormatError,
    TrustListSignerError,
    TrustListTypeError,
)
from keys.kid import KID_BYTES

__all__ = [
    "MAX_BYTES", "TYP", "Envelope", "Signature", "encode_envelope", "parse_envelope",
    "sig_structure", "sign_payload",
]  # fmt: skip

TYP: Final = "application/celadon-trust-list+cbor"
#: 34 issuers with 90 keys each need about 200 KiB.
MAX_BYTES: Final = 1 << 20
MAX_SIGNATURES: Final = 32
TAG_SIGN: Final = bytes((0xD8, 98))  # RFC 9052 §2
_BODY: Final = cbor.encode({HEADER_TYP: TYP})


@dataclass(frozen=True, slots=True)
class Signature:
    """One signer's 64 bytes, not verified yet."""

    kid: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed list. Nothing of it is verified yet."""

    payload: bytes
    signatures: tuple[Signature, ...]


def parse_envelope(data: bytes) -> Envelope:
    """Read the one encoding of the profile; verifies nothing.

    Raises:
        TrustListTypeError: Signed by the rules of COSE, but not as a trust list.
        TrustListSignerError: Signatures out of order, which is also how one signs twice.
        TrustListFormatError: Anything else that is not the one encoding.
    """
    if data[:1] == b"\xd2":
        raise TrustListTypeError("something with one signer, not a trust list")
    if data[:2] != TAG_SIGN:
        raise TrustListFormatError("no COSE_Sign tag")
    match _decode(data[2:], MAX_BYTES):
        case [bytes(body), dict(unprotected), bytes(payload), list(entries)] if not unprotected:
            pass
        case _:
            raise TrustListFormatError("not the four parts of a COSE_Sign")
    if body != _BODY:
        raise TrustListTypeError("the body's protected header is not exactly this type")
    if len(entries) > MAX_SIGNATURES:
        raise TrustListFormatError(f"{len(entries)} signatures, at most {MAX_SIGNATURES}")
    signatures = tuple(_signature(entry) for entry in entries)
    kids = [signature.kid for signature in signatures]
    if any(after <= before for before, after in pairwise(kids)):
        raise TrustListSignerError("signers are not in ascending order, or one signed twice")
    return Envelope(payload, signatures)


def _signature(entry: cbor.Value) -> Signature:
    match entry:
        case [bytes(protected), dict(unprotected), bytes(value)] if not unprotected:
            pass
        case _:
            raise TrustListFormatError("not the three parts of a COSE_Signature")
    if len(value) != ed25519.SIGNATURE_BYTES:
        raise TrustListFormatError(f"a signature has {len(value)} bytes, not 64")
    header = _decode(protected, 128)
    kid = header.get(HEADER_KID) if isinstance(header, dict) else None
    if not isinstance(kid, bytes) or len(kid) != KID_BYTES:
        raise TrustListFormatError("a signer's protected header holds no kid of 4 bytes")
    if protected != encode_protected(kid, None):
        raise TrustListFormatError("a signer's protected header is not exactly alg and kid")
    return Signature(kid, value)


def _decode(data: bytes, max_bytes: int) -> cbor.Value:
    try:
        return cbor.decode(data, max_bytes=max_bytes)
    except CborError as error:
        raise TrustListFormatError(f"envelope: {error}") from error


def encode_envelope(payload: bytes, signatures: Iterable[Signature]) -> bytes:
    """The list with these signatures, in the order of the profile."""
    entries = [
        [encode_protected(signature.kid, None), {}, signature.value]
        for signature in sorted(signatures, key=_kid)
    ]
    return TAG_SIGN + cbor.encode([_BODY, {}, payload, entries])


def sign_payload(payload: bytes, signer: MessageSigner) -> Signature:
    """One signer's part, to be carried to where the list is put together."""
    return Signature(signer.kid, signer.sign(sig_structure(signer.kid, payload)))


def sig_structure(kid: bytes, payload: bytes) -> bytes:
    """The bytes that the signer named *kid* signs. Source: RFC 9052 §4.4."""
    return cbor.encode(["Signature", _BODY, encode_protected(kid, None), b"", payload])


def _kid(signature: Signature) -> bytes:
    return signature.kid
