"""The format between regions: every defect has a vector, and no changed bit gets through."""

import base64
import json
import secrets
from dataclasses import replace

import pytest

from issuer.between.envelope import (
    MAX_BYTES,
    MAX_RECEIPT_BYTES,
    STEP,
    digest_of,
    is_receipt,
    open_notice,
    parse_envelope,
    receipt_id,
    receiving_key,
    seal_notice,
    sign_receipt,
    verify_receipt,
)
from issuer.between.message import MAX_RECORDS, Answer, Appeal, Content, Ground, Message, Told
from issuer.between.reason import Reason
from issuer.errors import RegionNoticeError
from issuer.people.identity import Identity
from keys.lifecycle import Purpose
from keys.sealedbox import OVERHEAD_BYTES
from tests.issuing_support import DAY_S, NOW
from tests.regions_support import (
    HEILONGJIANG,
    SHAANXI,
    TRAVELLER,
    contact_of,
    opener,
    region_signer,
)
from tests.vectors.generate_region_notice import (
    FOLDER,
    HEAD,
    RECEIVER,
    SENDER,
    Vector,
    files,
    trust,
    vectors,
)

TRUST = trust()
VECTORS = list(vectors())
RECEIPTS = region_signer(SHAANXI, Purpose.EVIDENCE)
#: What only the inbox can see: it has tests of its own.
BY_THE_INBOX = {Reason.NUMBER_TAKEN, Reason.TOO_EARLY}


def opened(data: bytes, now: int = NOW) -> Message:
    return open_notice(data, region=SHAANXI, openers=[opener(SHAANXI)], trust=TRUST, now=now)


def sealed(content: Content) -> bytes:
    return seal_notice(Message(HEAD, content), SENDER, RECEIVER.public_key)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.name for vector in VECTORS])
def test_notice_is_taken_or_refused_as_its_vector_says(vector: Vector) -> None:
    """With exactly the reason that the file names."""
    held = json.loads((FOLDER / f"{vector.name}.json").read_text())
    try:
        opened(base64.b64decode(held["notice"]), held["now"])
        result = "accepted"
    except RegionNoticeError as error:
        result = error.reason.value
    assert result == held["expect"]


def test_vectors_are_those_that_the_generator_makes() -> None:
    """And there is no file beside them."""
    found = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert found == files()


def test_every_reason_has_a_vector() -> None:
    """No check exists that no file fails."""
    assert {vector.expect for vector in VECTORS} == {"accepted", *Reason} - BY_THE_INBOX


def test_every_flipped_bit_of_an_envelope_is_refused() -> None:
    """Exhaustive over the bytes outside the box, every eighth byte of the box."""
    good = sealed(Told(TRAVELLER, (contact_of(1),)))
    outside = len(good) - STEP - OVERHEAD_BYTES
    for place in [*range(outside), *range(outside, len(good), 8)]:
        for bit in range(8):
            changed = bytearray(good)
            changed[place] ^= 1 << bit
            with pytest.raises(RegionNoticeError):
                opened(bytes(changed))


def test_cut_at_every_length_is_refused() -> None:
    """Half a notice is none."""
    good = sealed(Told(TRAVELLER, (contact_of(1),)))
    for size in range(len(good)):
        with pytest.raises(RegionNoticeError) as refused:
            parse_envelope(good[:size])
        assert refused.value.reason is Reason.MALFORMED


def test_carrier_sees_two_regions_an_id_and_one_of_four_sizes() -> None:
    """The size is the same for every kind of notice about a few records."""
    contents: list[Content] = [
        Told(TRAVELLER, (contact_of(1),)),
        Told(Identity("李", "+8613900139000"), (contact_of(1), contact_of(2))),
        Appeal(bytes(16), NOW + DAY_S, Ground.NOT_ME, (bytes(16),)),
        Answer(bytes(16), ()),
    ]
    made = [sealed(content) for content in contents]
    assert len({len(data) for data in made}) == 1
    for data in made:
        outside = replace(parse_envelope(data), sealed=b"")
        assert (outside.sender, outside.receiver) == (HEILONGJIANG, SHAANXI)
        for word in ("王秀兰".encode(), b"13800138000", b"11010519491231002X", b"contact"):
            assert word not in data


def test_two_boxes_of_one_message_have_nothing_in_common() -> None:
    """A carrier cannot tell whether the same was said twice."""
    content = Told(TRAVELLER, (contact_of(1),))
    one, other = (parse_envelope(sealed(content)).sealed for _ in range(2))
    same = sum(a == b for a, b in zip(one, other, strict=True))
    assert same < len(one) / 64


def test_the_largest_notice_fits_and_its_size_is_the_limit() -> None:
    """32 records with the longest places, and the longest name that Unicode allows."""
    longest = Identity("\U00030000" * 100, "+8613800138000", TRAVELLER.identity_number)
    record = contact_of(1)
    records = tuple(
        replace(record, evidence_id=secrets.token_bytes(16)) for _ in range(MAX_RECORDS)
    )
    data = sealed(Told(longest, records))
    assert opened(data).content == Told(longest, records)
    assert len(data) <= MAX_BYTES


def test_sender_makes_nothing_that_the_receiver_would_refuse() -> None:
    """The refusal comes to the officer who writes it, not from the other side a day later."""
    for content in (
        Told(Identity("王\u202e秀兰", "+8613800138000"), (contact_of(1),)),
        Told(TRAVELLER, ()),
        Told(TRAVELLER, tuple(contact_of(n) for n in range(MAX_RECORDS + 1))),
    ):
        with pytest.raises(RegionNoticeError, match="content"):
            sealed(content)


def test_receiving_key_is_the_newest_in_force() -> None:
    """And none where the list has none."""
    found = receiving_key(TRUST, SHAANXI, NOW)
    assert found is not None
    assert found.public_key == RECEIVER.public_key
    assert receiving_key(TRUST, SHAANXI, NOW + 900 * DAY_S) is None
    assert receiving_key(TRUST, "330000", NOW) is None


def test_receipt_of_the_receiver_verifies_and_nobody_elses() -> None:
    """For these bytes, by an evidence key of the region that they are for."""
    data, other = (sealed(Told(TRAVELLER, (contact_of(n),))) for n in (1, 2))
    receipt = sign_receipt(data, RECEIPTS, now=NOW)
    assert is_receipt(receipt)
    assert not is_receipt(data)
    assert receipt_id(receipt) == HEAD.message_id
    assert len(receipt) < MAX_RECEIPT_BYTES
    assert verify_receipt(receipt, data, trust=TRUST, now=NOW) == NOW
    for wrong, envelope in (
        (receipt, other),
        (sign_receipt(data, SENDER, now=NOW), data),
        (sign_receipt(data, region_signer(SHAANXI, Purpose.CODE), now=NOW), data),
        (receipt[:-1] + bytes((receipt[-1] ^ 1,)), data),
        (receipt + b"\0", data),
        (b"", data),
        (bytes(MAX_RECEIPT_BYTES + 1), data),
    ):
        with pytest.raises(RegionNoticeError):
            verify_receipt(wrong, envelope, trust=TRUST, now=NOW)
    assert receipt_id(b"") is None
    assert digest_of(data) != digest_of(other)


def test_every_flipped_bit_of_a_receipt_is_refused() -> None:
    """Whoever stands between cannot make the sender forget a notice."""
    data = sealed(Told(TRAVELLER, (contact_of(1),)))
    receipt = sign_receipt(data, RECEIPTS, now=NOW)
    for place in range(len(receipt) * 8):
        changed = bytearray(receipt)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(RegionNoticeError):
            verify_receipt(bytes(changed), data, trust=TRUST, now=NOW)
