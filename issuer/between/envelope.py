"""How a message travels: signed, padded, sealed for one receiver, and receipted. Pure.

    envelope = {1: sender, 2: receiver, 3: id, 4: crypto_box_seal(pad(Sign1))}

A carrier sees two regions, 16 random bytes and one of four sizes, the same for every kind of
notice. Signed first and sealed afterwards, with the receiver's key named in what is signed.
Spec page: docs/spec/region-notice.md.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from nacl import bindings
from nacl.exceptions import CryptoError

from issuer.between.message import ID_BYTES, Message, decode_payload, encode_payload
from issuer.between.reason import Reason
from issuer.errors import RegionNoticeError
from keys import cbor
from keys.cose import (
    TAG_SIGN1,
    MessageSigner,
    Sign1,
    VerifiedPayload,
    parse_sign1,
    sign_sign1,
    verify_sign1,
)
from keys.ed25519 import PublicKey
from keys.errors import BoxError, CborError, Sign1Error, SignatureError
from keys.purpose import Purpose
from keys.sealedbox import OVERHEAD_BYTES, BoxOpener, seal_for
from keys.trustlist import ListedKey, TrustList

__all__ = [
    "MAX_BYTES", "NOTICE_TYP", "RECEIPT_TYP", "STEP", "Envelope", "digest_of", "is_receipt",
    "open_notice", "parse_envelope", "receipt_id", "receiving_key", "seal_notice", "sign_receipt",
    "verify_receipt",
]  # fmt: skip

NOTICE_TYP: Final = "application/celadon-region-notice+cbor"
RECEIPT_TYP: Final = "application/celadon-region-receipt+cbor"
#: A sealed part is padded to a multiple of this, and has at most so many of them.
STEP: Final = 2_048
MAX_STEPS: Final = 4
#: Of an envelope, with 80 bytes for all that stands around the sealed part.
MAX_BYTES: Final = STEP * MAX_STEPS + OVERHEAD_BYTES + 80
MAX_RECEIPT_BYTES: Final = 512
#: How far a sender's clock may be ahead, and how long a notice may be on its way.
MAX_AHEAD_S: Final = 300
MAX_AGE_S: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a carrier sees."""

    sender: str
    receiver: str
    message_id: bytes
    sealed: bytes


def digest_of(data: bytes) -> bytes:
    """32 bytes that name an envelope with its content."""
    return hashlib.sha256(data).digest()


def receiving_key(trust: TrustList, region: str, now: int) -> ListedKey | None:
    """The newest key that the trust list gives for sealing to this region now."""
    issuer = trust.issuer(region)
    keys = [] if issuer is None else [
        key for key in issuer.keys
        if key.purpose is Purpose.RECEIVING and key.not_before <= now < key.not_after
    ]  # fmt: skip
    return max(keys, key=_not_before, default=None)


def _not_before(key: ListedKey) -> tuple[int, bytes]:
    return key.not_before, key.kid


def seal_notice(message: Message, signer: MessageSigner, receiver: PublicKey) -> bytes:
    """The envelope of a message.

    Raises:
        RegionNoticeError: No receiver would take it: its content, or its size.
    """
    payload = encode_payload(message)
    decode_payload(VerifiedPayload(payload), source=signer.kid.hex())  # as the receiver will
    signed = sign_sign1(payload, signer, typ=NOTICE_TYP)
    padded = bindings.sodium_pad(signed, STEP)
    if len(padded) > STEP * MAX_STEPS:
        raise RegionNoticeError(Reason.TOO_LARGE, f"{len(signed)} bytes in one notice")
    head = message.head
    return _encode(
        Envelope(head.sender, head.receiver, head.message_id, seal_for(receiver, padded))
    )


def _encode(envelope: Envelope) -> bytes:
    return cbor.encode(
        {
            1: envelope.sender,
            2: envelope.receiver,
            3: envelope.message_id,
            4: envelope.sealed,
        }
    )


def parse_envelope(data: bytes) -> Envelope:
    """The outside of a notice. Nothing of it is verified.

    Raises:
        RegionNoticeError: TOO_LARGE or MALFORMED.
    """
    if len(data) > MAX_BYTES:
        raise RegionNoticeError(Reason.TOO_LARGE, f"{len(data)} bytes, at most {MAX_BYTES}")
    try:
        value = cbor.decode(data, max_bytes=MAX_BYTES)
    except CborError as error:
        raise RegionNoticeError(Reason.MALFORMED, str(error)) from error
    match value:
        case {1: str(sender), 2: str(receiver), 3: bytes(message_id), 4: bytes(sealed), **rest}:
            if not rest and len(message_id) == ID_BYTES and _is_step(len(sealed)):
                return Envelope(sender, receiver, message_id, sealed)
        case _:
            pass
    raise RegionNoticeError(Reason.MALFORMED, "not the four members of an envelope")


def _is_step(sealed_bytes: int) -> bool:
    steps, rest = divmod(sealed_bytes - OVERHEAD_BYTES, STEP)
    return rest == 0 and 1 <= steps <= MAX_STEPS


def open_notice(
    data: bytes, *, region: str, openers: Iterable[BoxOpener], trust: TrustList, now: int
) -> Message:
    """The message in an envelope that is for *region*.

    Does not look at its number, nor whether it came before: the inbox does.

    Args:
        data: The envelope.
        region: Our own.
        openers: Of our receiving keys.
        trust: The list in force.
        now: UNIX seconds.

    Raises:
        RegionNoticeError: The first check that fails, in the order of `Reason`.
    """
    # (1) The outside.
    envelope = parse_envelope(data)
    if envelope.receiver != region:
        raise RegionNoticeError(Reason.WRONG_RECEIVER)
    if envelope.sender == region or trust.issuer(envelope.sender) is None:
        raise RegionNoticeError(Reason.UNKNOWN_SENDER)
    # (2) The box.
    padded, receiving_kid = _opened(envelope.sealed, openers)
    try:
        signed = bindings.sodium_unpad(padded, STEP)
    except CryptoError as error:
        raise RegionNoticeError(Reason.PADDING) from error
    if len(signed) // STEP + 1 != len(padded) // STEP:  # one spelling of one message
        raise RegionNoticeError(Reason.PADDING)
    # (3) The signature, by an evidence key of the region on the outside.
    sign1 = _sign1(signed, NOTICE_TYP, len(signed))
    payload = _verified(sign1, trust, envelope.sender, now)
    # (4) What was signed: for this receiver, key and id, and not long ago.
    message = decode_payload(payload, source=sign1.kid.hex())
    head = message.head
    inside = (head.sender, head.receiver, head.message_id, head.receiving_kid)
    if inside != (envelope.sender, envelope.receiver, envelope.message_id, receiving_kid):
        raise RegionNoticeError(Reason.FORWARDED)
    if not now - MAX_AGE_S <= head.issued_at <= now + MAX_AHEAD_S:
        raise RegionNoticeError(Reason.WRONG_TIME)
    return message


def _opened(sealed: bytes, openers: Iterable[BoxOpener]) -> tuple[bytes, bytes]:
    for opener in openers:
        try:
            return opener.open(sealed), opener.kid
        except BoxError:
            continue
    raise RegionNoticeError(Reason.UNSEALABLE)


def _sign1(data: bytes, typ: str, max_bytes: int) -> Sign1:
    try:
        return parse_sign1(data, typ=typ, max_bytes=max_bytes)
    except Sign1Error as error:
        raise RegionNoticeError(Reason.NOT_SIGNED, str(error)) from error


def _verified(sign1: Sign1, trust: TrustList, region: str, now: int) -> VerifiedPayload:
    """The payload, if an evidence key of *region* that is in force signed it."""
    found = trust.find(sign1.kid)
    if found is None or found[0].region != region:
        raise RegionNoticeError(Reason.UNKNOWN_KEY)
    key = found[1]
    if key.purpose is not Purpose.EVIDENCE:
        raise RegionNoticeError(Reason.WRONG_PURPOSE, f"a key for {key.purpose}")
    if not key.not_before <= now < key.not_after:
        raise RegionNoticeError(Reason.KEY_NOT_IN_FORCE)
    try:
        return verify_sign1(sign1, key.public_key)
    except SignatureError as error:
        raise RegionNoticeError(Reason.BAD_SIGNATURE) from error


def sign_receipt(data: bytes, signer: MessageSigner, *, now: int) -> bytes:
    """The receiver's word that it holds this envelope, durably, since *now*.

    It says nothing about the person: it is the same whether anybody here is known by that name.
    """
    envelope = parse_envelope(data)
    payload = cbor.encode(
        {
            1: envelope.sender, 2: envelope.receiver, 3: envelope.message_id,
            4: digest_of(data), 5: now,
        }
    )  # fmt: skip
    return sign_sign1(payload, signer, typ=RECEIPT_TYP)


def is_receipt(data: bytes) -> bool:
    """Whether a file can only be a receipt; otherwise it can only be an envelope."""
    return data[:1] == TAG_SIGN1


def verify_receipt(receipt: bytes, data: bytes, *, trust: TrustList, now: int) -> int:
    """Since when the receiver of the envelope *data* holds it, UNIX seconds.

    Raises:
        RegionNoticeError: It is no receipt of that receiver for these bytes.
    """
    if len(receipt) > MAX_RECEIPT_BYTES:
        raise RegionNoticeError(Reason.TOO_LARGE, f"a receipt of {len(receipt)} bytes")
    sign1 = _sign1(receipt, RECEIPT_TYP, MAX_RECEIPT_BYTES)
    envelope = parse_envelope(data)
    payload = _verified(sign1, trust, envelope.receiver, now)
    try:
        value = cbor.decode(payload, max_bytes=MAX_RECEIPT_BYTES)
    except CborError as error:
        raise RegionNoticeError(Reason.CONTENT, str(error)) from error
    match value:
        case {
            1: str(sender),
            2: str(to),
            3: bytes(message_id),
            4: bytes(digest),
            5: int(at),
            **rest,
        }:
            told = (sender, to, message_id, digest)
            held = (envelope.sender, envelope.receiver, envelope.message_id, digest_of(data))
            if told == held and type(at) is int and not rest:
                return at
        case _:
            pass
    raise RegionNoticeError(Reason.CONTENT, "a receipt for something else")


def receipt_id(receipt: bytes) -> bytes | None:
    """The id of the notice that a receipt is for, unverified; None where there is none."""
    try:
        sign1 = parse_sign1(receipt, typ=RECEIPT_TYP, max_bytes=MAX_RECEIPT_BYTES)
        value = cbor.decode(sign1.payload, max_bytes=MAX_RECEIPT_BYTES)
    except (Sign1Error, CborError):
        return None
    match value:
        case {3: bytes(message_id)}:
            return message_id
        case _:
            return None
