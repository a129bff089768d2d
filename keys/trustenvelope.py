"""The envelope of a trust list: COSE_Sign, one profile (RFC 9052 §4.1). Pure.

    98([protected bstr, {}, payload bstr, [+ [protected bstr, {}, signature 64 B]]])
    body protected = {16: typ}            signer protected = {1: -8 (EdDSA), 4: kid (4 B)}

Signatures stand in ascending order of their kid: one set of signatures has one encoding, and
nobody signs twice. Spec page: docs/spec/trust-list.md.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from keys import cbor, ed25519
from keys.cose import (
    HEADER_TYP,
    TAG_SIGN1,
    MessageSigner,
    encode_protected,
    kid_of_protected,
)
from keys.dataclasses import dataclass
from keys.errors import (
    CborError,
    Sign1Error,
    TrustListFormatError,
    TrustListSignerError,
    TrustListTypeError,
)

__all__ = [
    "MAX_BYTES", "MAX_SIGNATURES", "TYP", "Envelope", "Signature", "encode_envelope",
    "merge_envelopes", "parse_envelope", "sig_structure", "sign_payload", "signed_bytes",
]  # fmt: skip

TYP: Final = "application/celadon-trust-list+cbor"
#: 34 issuers with 90 keys each need about 200 KiB.
MAX_BYTES: Final = 1 << 20
MAX_SIGNATURES: Final = 32
TAG_SIGN: Final = b"\xd8\x62"  # tag 98, RFC 9052 §2
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
    if data[:1] == TAG_SIGN1:
        raise TrustListTypeError("something with one signer, not a trust list")
    if data[:2] != TAG_SIGN:
        raise TrustListFormatError("not a signed list: no COSE_Sign tag")
    match _decode(data[2:]):
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
    try:
        return Signature(kid_of_protected(protected, None), value)
    except Sign1Error as error:
        raise TrustListFormatError(f"a signer: {error}") from error


def _decode(data: bytes) -> cbor.Value:
    try:
        return cbor.decode(data, max_bytes=MAX_BYTES)
    except CborError as error:
        raise TrustListFormatError(f"envelope: {error}") from error


def encode_envelope(payload: bytes, signatures: Iterable[Signature]) -> bytes:
    """The list with these signatures, in the order of the profile."""
    entries = [
        [encode_protected(signature.kid, None), {}, signature.value]
        for signature in sorted(signatures, key=_kid)
    ]
    return TAG_SIGN + cbor.encode([_BODY, {}, payload, entries])


def merge_envelopes(parts: Iterable[bytes]) -> bytes:
    """One list with the signatures of all *parts*, each signed by some of the signers.

    Raises:
        TrustListSignerError: The parts are of different lists, or one signer made two signatures.
        TrustListError: A part cannot be read.
    """
    envelopes = [parse_envelope(part) for part in parts]
    if len({envelope.payload for envelope in envelopes}) != 1:
        raise TrustListSignerError("the parts are signed over different lists")
    signatures = {signature for envelope in envelopes for signature in envelope.signatures}
    if len({signature.kid for signature in signatures}) != len(signatures):
        raise TrustListSignerError("one signer made two different signatures")
    return encode_envelope(envelopes[0].payload, signatures)


def sign_payload(payload: bytes, signer: MessageSigner) -> Signature:
    """One signer's part, to be carried to where the list is put together."""
    return Signature(signer.kid, signer.sign(signed_bytes(signer.kid, payload)))


def signed_bytes(kid: bytes, payload: bytes) -> bytes:
    """What the signer named *kid* signs."""
    return sig_structure(_BODY, encode_protected(kid, None), payload)


def sig_structure(body_protected: bytes, sign_protected: bytes, payload: bytes) -> bytes:
    """The Sig_structure of one of several signers. Source: RFC 9052 §4.4."""
    return cbor.encode(["Signature", body_protected, sign_protected, b"", payload])


def _kid(signature: Signature) -> bytes:
    return signature.kid
