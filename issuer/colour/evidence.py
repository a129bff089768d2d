"""Evidence: what is known about a person, in a closed vocabulary. Pure.

A record says what, where, from when, until when, and which source says so. It holds no identity
and no free text: whatever is not in `VOCABULARY` cannot be recorded, so no rule can ever use it.
Spec page: docs/spec/evidence.md.
"""

import enum
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import cbor2

from issuer.colour.regions import load_regions, parse_place
from issuer.errors import EvidenceError, UnknownPlaceError
from keys import cbor
from keys.errors import CborError
from keys.kid import KID_BYTES

__all__ = [
    "EVIDENCE_ID_BYTES", "VOCABULARY", "Evidence", "Kind", "Shape", "commitment",
    "decode_evidence", "encode_evidence",
]  # fmt: skip

EVIDENCE_ID_BYTES: Final = 16
EARLIEST: Final = 946684800  # 2000-01-01T00:00Z: an instant before it is a mistake
LATEST: Final = 4102444800  # 2100-01-01T00:00Z
_MAX_BYTES: Final = 256
_SOURCE: Final = re.compile(rf"[0-9a-f]{{{2 * KID_BYTES}}}", re.ASCII)


class Kind(enum.StrEnum):
    """What a record is about."""

    CONTACT = "contact"  # was close to a case
    RING_CONTACT = "ring-contact"  # was close to a contact of a case
    ARRIVAL = "arrival"  # came from a place
    RESIDENCE = "residence"  # lives at a place
    SYMPTOM = "symptom"
    SAMPLE = "sample"  # was sampled
    RECALL = "recall"  # was called back for another test
    RESULT = "result"  # of a test
    SURVEY = "survey"  # answered the epidemiological survey


@dataclass(frozen=True, slots=True)
class Shape:
    """What the records of one kind may say."""

    values: frozenset[str]
    place: bool  # a place is required; otherwise none is allowed
    until: bool  # may have an end


def _shape(*values: str, place: bool = False, until: bool = False) -> Shape:
    return Shape(frozenset(values), place, until)


#: Adding a word here is a change of what is known about people, not a detail: ADR 0006.
VOCABULARY: Final[Mapping[Kind, Shape]] = MappingProxyType(
    {
        Kind.CONTACT: _shape("confirmed", "suspected", until=True),
        Kind.RING_CONTACT: _shape("confirmed", "suspected", until=True),
        Kind.ARRIVAL: _shape("entered", place=True),
        Kind.RESIDENCE: _shape("lives", place=True, until=True),
        Kind.SYMPTOM: _shape(
            "fever", "fatigue", "cough", "diarrhoea", "conjunctivitis", until=True
        ),
        Kind.SAMPLE: _shape("taken"),
        Kind.RECALL: _shape("re-test"),
        Kind.RESULT: _shape("positive", "negative", "delayed"),
        Kind.SURVEY: _shape("clear", "incomplete"),
    }
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One record.

    Attributes:
        evidence_id: 16 random bytes, the same wherever the record goes.
        kind: What it is about.
        at: UNIX seconds: when it happened or began. May be in the future.
        until: UNIX seconds: when it ended. None: a residence goes on; anything else is known of
            the instant *at* alone.
        place: Where somebody came from or lives; empty for all other kinds.
        value: One of `VOCABULARY[kind].values`.
        source: The kid, in hex, of the EVIDENCE key that signed for it.
        origin_region: The division, six digits, whose authority recorded it.
        recorded_at: UNIX seconds: since when the source says so. `assess` does not look at it.

    Raises:
        EvidenceError: A field is not as described. The signature is not checked here, nor that a
            compound has a name.
    """

    evidence_id: bytes
    kind: Kind
    at: int
    until: int | None
    place: str
    value: str
    source: str
    origin_region: str
    recorded_at: int

    def __post_init__(self) -> None:
        if type(self.evidence_id) is not bytes or len(self.evidence_id) != EVIDENCE_ID_BYTES:
            raise EvidenceError(f"evidence_id: not {EVIDENCE_ID_BYTES} bytes")
        words = self.kind, self.value, self.place, self.source, self.origin_region
        try:
            shape = _known_words(*words)
        except TypeError:  # a list, say, that cannot be remembered
            shape = _check_words(*words)
        _check_instant("at", self.at)
        _check_instant("recorded_at", self.recorded_at)
        if self.until is not None:
            _check_until(self.until, self.at, self.kind, shape)


def _check_words(
    kind: object, value: object, place: object, source: object, region: object
) -> Shape:
    """The shape of a record with these words."""
    shape = VOCABULARY.get(kind) if type(kind) is Kind else None
    if shape is None:
        raise EvidenceError("kind: not in the vocabulary")
    if type(value) is not str or value not in shape.values:
        raise EvidenceError(f"value: not in the vocabulary of {kind}")
    _check_place(place, shape)
    if type(source) is not str or not _SOURCE.fullmatch(source):
        raise EvidenceError("source: not a kid in hex")
    if type(region) is not str or not load_regions().is_division(region):
        raise EvidenceError("origin_region: not a division of GB/T 2260")
    return shape


#: Many records say the same about their people. Typed, because a kind equals its own text.
_known_words: Final = lru_cache(maxsize=8192, typed=True)(_check_words)


def _check_instant(field: str, instant: int) -> None:
    if type(instant) is not int or not EARLIEST <= instant < LATEST:
        raise EvidenceError(f"{field}: not an instant of this century")


def _check_until(until: int, at: int, kind: Kind, shape: Shape) -> None:
    if not shape.until:
        raise EvidenceError(f"until: a {kind} has no end")
    _check_instant("until", until)
    if until < at:
        raise EvidenceError("until: before at")


def _check_place(place: object, shape: Shape) -> None:
    if not shape.place:
        if place != "":
            raise EvidenceError("place: this kind has none")
        return
    try:
        parse_place(place)
    except UnknownPlaceError as error:
        raise EvidenceError(f"place: {error}") from error


def encode_evidence(record: Evidence) -> bytes:
    """The one encoding: a CBOR array of the nine fields in the order of the class.

    A flat array of integers, text and bytes has no map to sort, so cbor2 alone is deterministic.
    """
    return cbor2.dumps(
        (
            record.evidence_id, record.kind.value, record.at, record.until, record.place,
            record.value, record.source, record.origin_region, record.recorded_at,
        )
    )  # fmt: skip


def decode_evidence(data: bytes) -> Evidence:
    """The record of these bytes.

    Raises:
        EvidenceError: Not the one encoding of a record.
    """
    try:
        fields = cbor.decode(data, max_bytes=_MAX_BYTES)
    except CborError as error:
        raise EvidenceError(f"record: {error}") from error
    return evidence_from(fields)


def evidence_from(fields: object) -> Evidence:
    """The record of nine decoded fields.

    Raises:
        EvidenceError: Not nine, or one is not as it must be.
    """
    match fields:
        case [evidence_id, str(kind), at, until, place, value, source, origin, recorded_at]:
            pass
        case _:
            raise EvidenceError("record: not the nine fields")
    try:
        known = Kind(kind)
    except ValueError as error:
        raise EvidenceError("kind: not in the vocabulary") from error
    return Evidence(
        evidence_id, known, at, until, place, value, source, origin, recorded_at  # type: ignore[arg-type]
    )  # fmt: skip


def commitment(records: Iterable[Evidence]) -> bytes:
    """32 bytes that bind a decision to what it rests on: SHA-256 over the sorted encodings.

    Order and repetition do not matter. The random ids in the records keep it from being guessed.
    """
    encoded = sorted({encode_evidence(record) for record in records})
    return hashlib.sha256(cbor2.dumps(encoded)).digest()
