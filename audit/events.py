"""What the log records. Pure. Spec page: docs/spec/log.md.

    body       = {1: event_id 16 B, 2: kind, 3: at, 4: subject 16 B or null, 5: details}
    commitment = SHA-256(salt 16 B || body)

The commitment is the log's entry, so an entry says nothing without its salt and body, and whoever
erases both leaves a log that still verifies. Events outlive the people they concern: they hold
ids, counts, kinds and reasons, never a name, number or address.
"""

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

import cbor2

from audit.errors import EventError
from keys import cbor
from keys.errors import CborError

__all__ = [
    "EVENT_ID_BYTES", "MAX_BODY_BYTES", "SALT_BYTES", "SUBJECT_BYTES", "Event", "Kind",
    "commitment", "decode_event", "encode_event",
    "erasure_details",
]  # fmt: skip

EVENT_ID_BYTES: Final = 16
SUBJECT_BYTES: Final = 16
SALT_BYTES: Final = 16
MAX_BODY_BYTES: Final = 65_536
_MAX_TIME: Final = 2**40


class Kind(StrEnum):
    """The closed vocabulary. A new kind is a change of the log's format."""

    PERSON_REGISTERED = "person-registered"
    REGISTRATION_REPEATED = "registration-repeated"
    PERSON_ERASED = "person-erased"
    BOUND = "bound"
    UNBOUND = "unbound"
    EVIDENCE_RECORDED = "evidence-recorded"
    EVIDENCE_RETRACTED = "evidence-retracted"
    DECIDED = "decided"
    CODES_ISSUED = "codes-issued"
    CODES_TAKEN_BACK = "codes-taken-back"
    ACCESS_GRANTED = "access-granted"
    ACCESS_DENIED = "access-denied"
    GRANT_CHANGED = "grant-changed"
    CASE_CLOSED = "case-closed"
    LOG_READ = "log-read"
    RULES_CHANGED = "rules-changed"
    RISK_CHANGED = "risk-changed"
    KEY_CHANGED = "key-changed"
    SIGNATURES_DIFFER = "signatures-differ"
    LIST_PUBLISHED = "list-published"
    ENTRIES_ERASED = "entries-erased"
    RESTORED = "restored"
    REGION_NOTICE_SENT = "region-notice-sent"
    REGION_NOTICE_TAKEN = "region-notice-taken"
    APPEAL_FILED = "appeal-filed"
    APPEAL_ANSWERED = "appeal-answered"
    APPEAL_LAPSED = "appeal-lapsed"
    FILLER = "filler"


class Event(NamedTuple):
    """One thing that happened. A tuple, because an issue makes one for every code.

    Attributes:
        event_id: 16 bytes that nobody else draws, chosen by the caller; appending it twice has
            one effect.
        at: When it happened, UNIX seconds.
        subject: 16 bytes that stand for the person concerned, or None.
        details: CBOR values under short text keys. Nothing that identifies a person.
    """

    event_id: bytes
    kind: Kind
    at: int
    subject: bytes | None
    details: Mapping[str, cbor.Value]


def encode_event(event: Event) -> bytes:
    """The event's body.

    Raises:
        ValueError: A field has the wrong size, or the body is too long.
        TypeError: The details hold something that our CBOR does not know.
    """
    event_id, kind, at, subject, details = event
    if len(event_id) != EVENT_ID_BYTES:
        raise ValueError(f"an event id has 16 bytes, not {len(event_id)}")
    if subject is not None and len(subject) != SUBJECT_BYTES:
        raise ValueError(f"a subject has 16 bytes, not {len(subject)}")
    if not 0 <= at < _MAX_TIME:
        raise ValueError("the time is out of range")
    # cbor2 by itself is many times as fast as our encoder, and writes the same bytes here.
    ordered = _plain_in_order(details)
    dumps = cbor.encode if ordered is None else cbor2.dumps
    encoded = dumps({1: event_id, 2: _WORDS[kind], 3: at, 4: subject, 5: ordered or dict(details)})
    if len(encoded) > MAX_BODY_BYTES:
        raise ValueError(f"an event of {len(encoded)} bytes, at most {MAX_BODY_BYTES} are allowed")
    return encoded


def decode_event(data: bytes) -> Event:
    """The event of a body.

    Raises:
        EventError: Not the one encoding of an event with a kind of our vocabulary.
    """
    try:
        value = cbor.decode(data, max_bytes=MAX_BODY_BYTES)
    except CborError as error:
        raise EventError(f"body: {error}") from error
    match value:
        case {1: bytes(event_id), 2: str(kind), 3: int(at), 4: subject, 5: dict(details), **rest}:
            pass
        case _:
            raise EventError("not the five parts of an event")
    if rest:
        raise EventError("more than the five parts of an event")
    if len(event_id) != EVENT_ID_BYTES or isinstance(at, bool) or not 0 <= at < _MAX_TIME:
        raise EventError("an id or time is out of range")
    if subject is not None and not (isinstance(subject, bytes) and len(subject) == SUBJECT_BYTES):
        raise EventError("the subject is not 16 bytes or null")
    if kind not in _KINDS:
        raise EventError("a kind that is not in the vocabulary")
    names = {key: item for key, item in details.items() if isinstance(key, str)}
    if len(names) != len(details):
        raise EventError("a detail's key is not text")
    return Event(event_id, Kind(kind), at, subject, names)


def commitment(salt: bytes, body: bytes) -> bytes:
    """32 bytes: the log's entry for *body*."""
    return hashlib.sha256(salt + body).digest()


def erasure_details(entries: Iterable[tuple[int, bytes, str, int]]) -> dict[str, cbor.Value]:
    """Details of an ENTRIES_ERASED event.

    Args:
        entries: leaf_index, event_id, kind and at of each erased entry: what stays of it.
    """
    kept = sorted(entries)
    digest = hashlib.sha256(cbor.encode(kept)).digest()
    return {"entries": [entry[0] for entry in kept], "kept": digest}


_KINDS: Final = frozenset(Kind)
_WORDS: Final = {kind: kind.value for kind in Kind}  # looking into a member takes longer


def _plain_in_order(details: Mapping[str, cbor.Value]) -> dict[str, cbor.Value] | None:
    """*details* in the order of RFC 8949 §4.2.1, or None where our own encoder has to look."""
    for value in details.values():
        kind = type(value)
        if kind is int:
            if not -cbor.MAX_INT <= value <= cbor.MAX_INT:  # type: ignore[operator] # an int
                return None
        elif kind not in _PLAIN:
            return None
    order = _key_order(tuple(details))
    return None if order is None else {key: details[key] for key in order}


@lru_cache(maxsize=256)
def _key_order(keys: tuple[object, ...]) -> tuple[str, ...] | None:
    """*keys* in order, or None where one of them is not text."""
    names = tuple(key for key in keys if isinstance(key, str))
    return tuple(sorted(names, key=cbor2.dumps)) if len(names) == len(keys) else None


_PLAIN: Final = frozenset({str, bytes, bool, type(None)})
