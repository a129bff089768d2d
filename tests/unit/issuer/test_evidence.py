"""Evidence: the closed vocabulary, the one encoding, the commitment."""

import random
from collections.abc import Mapping
from dataclasses import fields, replace

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.colour.evidence import (
    VOCABULARY,
    Evidence,
    Kind,
    commitment,
    decode_evidence,
    encode_evidence,
)
from issuer.errors import EvidenceError
from keys import cbor
from tests.evidence_support import NOW, QINGYUN, lives, record


def _sample(kind: Kind) -> Evidence:
    shape = VOCABULARY[kind]
    return record(
        kind,
        min(shape.values),
        until=NOW if shape.until else None,
        place=QINGYUN if shape.place else "",
    )


SAMPLES = [_sample(kind) for kind in Kind]


@pytest.mark.parametrize("one", SAMPLES, ids=list(Kind))
def test_evidence_encoded_and_decoded_is_the_same(one: Evidence) -> None:
    """Encoding and decoding are inverses, for every kind."""
    assert decode_evidence(encode_evidence(one)) == one


@pytest.mark.parametrize("one", SAMPLES, ids=list(Kind))
def test_evidence_encoding_is_our_deterministic_cbor(one: Evidence) -> None:
    """The short way of encoding gives the bytes that the strict encoder gives."""
    strict = cbor.encode([getattr(one, field.name) for field in fields(one)])
    assert encode_evidence(one) == strict


def test_evidence_has_no_field_for_an_identity_or_free_text() -> None:
    """Nine fields, and a place, a word and a kid are the only texts among them."""
    assert [field.name for field in fields(Evidence)] == [
        "evidence_id", "kind", "at", "until", "place", "value", "source", "origin_region",
        "recorded_at",
    ]  # fmt: skip


WRONG: Mapping[str, Mapping[str, object]] = {
    "id-short": {"evidence_id": bytes(15)},
    "id-text": {"evidence_id": "0" * 16},
    "id-bytearray": {"evidence_id": bytearray(16)},
    "kind-text": {"kind": "contact"},
    "kind-sleep": {"kind": "sleep"},
    "kind-list": {"kind": []},
    "value-alcohol": {"value": "alcohol"},
    "value-empty": {"value": ""},
    "value-of-another-kind": {"value": "fever"},
    "value-list": {"value": ["confirmed"]},
    "at-text": {"at": "1607911200"},
    "at-float": {"at": 1607911200.0},
    "at-true": {"at": True},
    "at-year-1": {"at": -62135596800},
    "at-year-9999": {"at": 253402300799},
    "at-milliseconds": {"at": NOW * 1000},
    "until-before-at": {"until": NOW - 10**6},
    "until-float": {"until": float(NOW)},
    "until-endless": {"until": 10**12},
    "place-for-contact": {"place": "610113"},
    "place-none": {"place": None},
    "source-upper": {"source": "0BADC0DE"},
    "source-short": {"source": "0badc0"},
    "source-newline": {"source": "0badc0de\n"},
    "source-bytes": {"source": b"0badc0de"},
    "region-compound": {"origin_region": QINGYUN},
    "region-unknown": {"origin_region": "990000"},
    "region-number": {"origin_region": 610000},
    "recorded-text": {"recorded_at": "now"},
    "recorded-ancient": {"recorded_at": 0},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_evidence_one_field_wrong_is_refused(change: Mapping[str, object]) -> None:
    """Each field is of one type and in its range, or there is no record."""
    contact = record(Kind.CONTACT)
    with pytest.raises(EvidenceError):
        replace(contact, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("field", [field.name for field in fields(Evidence)])
@pytest.mark.parametrize("junk", [[], {}, 1.5, True, -1, b"", "x", object()])
def test_evidence_any_field_of_another_type_is_refused(field: str, junk: object) -> None:
    """Whatever a decoder hands over in any field ends in an EvidenceError, never in a crash."""
    with pytest.raises(EvidenceError):
        replace(record(Kind.CONTACT), **{field: junk})  # type: ignore[arg-type]


FULL_WIDTH = "\uff12\uff13\uff11\uff10\uff18\uff11"


@pytest.mark.parametrize(
    "place",
    ["", "Suifenhe", "231081-", "231081-Qingyun", "231081--q", "231081 ", FULL_WIDTH, "110100",
     "999999", "231081-" + "q" * 60, "231081-q\n", None, 231081],
)  # fmt: skip
def test_evidence_place_that_is_none_is_refused(place: object) -> None:
    """A place is a division that exists, or a compound in one, in plain ASCII."""
    with pytest.raises(EvidenceError, match="place"):
        replace(lives(), place=place)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [k for k in Kind if not VOCABULARY[k].until])
def test_evidence_end_of_what_has_none_is_refused(kind: Kind) -> None:
    """A result, a sample, a recall, an arrival and a survey are instants."""
    with pytest.raises(EvidenceError, match="until"):
        replace(_sample(kind), until=NOW)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"\xa0",
        encode_evidence(SAMPLES[0]) + b"\x00",
        encode_evidence(SAMPLES[0])[:-1],
        cbor2.dumps([*range(9)]),
        cbor2.dumps([bytes(16), "sleep", NOW, None, "", "deep", "0badc0de", "610000", NOW]),
        cbor2.dumps([bytes(16), "contact", NOW, None, "", "confirmed", "0badc0de", "610000"]),
        b"\x99\x00\x09" + encode_evidence(SAMPLES[0])[1:],
        cbor2.dumps(["x" * 300]),
    ],
    ids=["empty", "array-0", "map", "trailing", "cut", "integers", "unknown-kind", "eight",
         "long-head", "long"],
)  # fmt: skip
def test_decode_evidence_other_bytes_are_refused(data: bytes) -> None:
    """Only the one encoding of a valid record decodes."""
    with pytest.raises(EvidenceError):
        decode_evidence(data)


def test_decode_evidence_any_bit_changed_is_another_record_or_refused() -> None:
    """No two encodings mean the same record."""
    good = encode_evidence(SAMPLES[0])
    for bit in range(8 * len(good)):
        changed = bytearray(good)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            other = decode_evidence(bytes(changed))
        except EvidenceError:
            continue
        assert other != SAMPLES[0]
        assert encode_evidence(other) == bytes(changed)


@given(st.lists(st.sampled_from(SAMPLES)), st.randoms(use_true_random=False))
def test_commitment_is_of_the_set_of_records(records: list[Evidence], rng: random.Random) -> None:
    """Order and repetition leave the commitment alone; another set has another one."""
    shuffled = records + rng.sample(records, len(records) // 2)
    rng.shuffle(shuffled)
    assert commitment(shuffled) == commitment(records)
    assert len(commitment(records)) == 32
    for one in set(records):
        assert commitment([r for r in records if r != one]) != commitment(records)


def test_commitment_differs_for_each_field_changed() -> None:
    """Whatever is changed in a record shows in the commitment."""
    one = record(Kind.CONTACT)
    others = [
        replace(one, evidence_id=bytes(16)), replace(one, value="suspected"),
        replace(one, kind=Kind.RING_CONTACT), replace(one, at=one.at + 1),
        replace(one, until=NOW), replace(one, source="00000000"),
        replace(one, origin_region="230000"), replace(one, recorded_at=NOW),
    ]  # fmt: skip
    assert len({commitment([r]) for r in (one, *others)}) == 9
