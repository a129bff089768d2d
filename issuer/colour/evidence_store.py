"""Recording and taking back evidence: rows, log events and new decisions in one transaction. Shell.

What a record says is in the log only as a digest, under the salt of its entry: the log shows that
nothing was changed afterwards, and tells nobody what it was. A record taken back is deleted.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from audit.events import Event, Kind
from issuer.colour.decisions import Cause, evidence_of, judge
from issuer.colour.evidence import Evidence, encode_evidence
from issuer.colour.notice import (
    EVIDENCE_TYP,
    MAX_BYTES,
    Entry,
    Notice,
    Retraction,
    verify_notice,
)
from issuer.colour.regions import contains
from issuer.errors import EvidenceError, IntegrityError, NoPersonError, NoticeError
from issuer.storage.core import Secrets
from issuer.storage.sealing import mac
from issuer.storage.tx import Done, Tx
from keys.cose import parse_sign1
from keys.ed25519 import PublicKey
from keys.errors import Sign1Error
from keys.kid import kid
from keys.lifecycle import Purpose

__all__ = ["evidence_digest", "notice_mac", "record_evidence", "retract_evidence", "take_notice"]

_INSERT: Final = (
    "INSERT INTO evidence (subject, evidence_id, kind, at, until, place, value, source,"
    " origin_region, recorded_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_DELETE: Final = "DELETE FROM evidence WHERE subject = ? AND evidence_id = ?"
_NUMBER: Final = "SELECT number, mac FROM notice WHERE source = ?"
_NOTICE: Final = (
    "INSERT INTO notice (source, number, mac) VALUES (?, ?, ?)"
    " ON CONFLICT (source) DO UPDATE SET number = excluded.number, mac = excluded.mac"
)
_PEOPLE: Final = "SELECT subject FROM subject WHERE subject {keys}"


def evidence_digest(record: Evidence) -> bytes:
    """32 bytes: what the log says about a record."""
    return hashlib.sha256(encode_evidence(record)).digest()


def record_evidence(tx: Tx, entries: Sequence[Entry]) -> Done[int]:
    """Record *entries* and decide anew about everybody concerned; gives how many were new.

    A record that is there already is left out, so that a notice taken twice has one effect.

    Raises:
        NoPersonError: An entry is about nobody we know.
        EvidenceError: A record came before with other content.
    """
    subjects = list(dict.fromkeys(entry.subject for entry in entries))
    known = tx.store.rows_of(_PEOPLE, subjects)
    if len(known) != len(subjects):
        raise NoPersonError(f"{len(subjects) - len(known)} of {len(subjects)} people are unknown")
    held = _held(tx, subjects)
    fresh: list[Entry] = []
    for entry in entries:
        name = (entry.subject, entry.record.evidence_id)
        if name not in held:
            held[name] = entry.record
            fresh.append(entry)
        elif held[name] != entry.record:
            raise EvidenceError("evidence_id: came before with other content")
    tx.store.many(_INSERT, [_row(entry) for entry in fresh])
    events = [_event(tx, Kind.EVIDENCE_RECORDED, entry.subject, entry.record) for entry in fresh]
    return _decided(tx, [entry.subject for entry in fresh], events)


def retract_evidence(tx: Tx, retractions: Sequence[Retraction]) -> Done[int]:
    """Take records back and decide anew; gives how many there were.

    What is not there is left out, so that a notice taken twice has one effect.

    Raises:
        EvidenceError: Only its source can take a record back, with the key that signed for it.
    """
    held = _held(tx, list(dict.fromkeys(item.subject for item in retractions)))
    gone: dict[tuple[bytes, bytes], Evidence] = {}
    for item in retractions:
        name = (item.subject, item.evidence_id)
        if name in held:
            if held[name].source != item.source:
                raise EvidenceError("a record of another source cannot be taken back")
            gone[name] = held[name]
    tx.store.many(_DELETE, list(gone))
    events = [
        _event(tx, Kind.EVIDENCE_RETRACTED, subject, record)
        for (subject, _), record in gone.items()
    ]
    return _decided(tx, [subject for subject, _ in gone], events)


def take_notice(tx: Tx, signed: bytes) -> Done[Notice]:
    """Take a signed notice whole: its records, and what it takes back.

    Raises:
        NoticeError: Not the next notice of a listed EVIDENCE key, for another region than the
            key's, or from the future. Nothing of it is used.
        NoPersonError, EvidenceError: As `record_evidence` and `retract_evidence`.
    """
    public_key, region = _evidence_key(tx, signed)
    source = kid(public_key).hex()
    after = _last_number(tx, source)
    notice = verify_notice(signed, public_key, after=after)
    if not contains(region, notice.region):
        raise NoticeError("region: not that of the key")
    if notice.issued_at > tx.now:
        raise NoticeError("issued_at: in the future")
    recorded = record_evidence(tx, notice.entries)
    retracted = retract_evidence(tx, notice.retractions)
    tag = notice_mac(tx.secrets, source, notice.number)
    tx.store.run(_NOTICE, (source, notice.number, tag))
    events = [*recorded.events, *retracted.events]
    return Done(notice, events)


def notice_mac(secrets: Secrets, source: str, number: int) -> bytes:
    """16 bytes over a row of `notice`."""
    return mac(secrets.rows, "notice", (source, number))


def _evidence_key(tx: Tx, signed: bytes) -> tuple[PublicKey, str]:
    """The key, and the region that the trust list gives it."""
    try:
        found = tx.authority.trust.find(
            parse_sign1(signed, typ=EVIDENCE_TYP, max_bytes=MAX_BYTES).kid
        )
    except Sign1Error as error:
        raise NoticeError(f"notice: {error}") from error
    if found is None or found[1].purpose is not Purpose.EVIDENCE:
        raise NoticeError("source: not an evidence key of the trust list")
    if not found[1].not_before <= tx.now < found[1].not_after:
        raise NoticeError("source: its key is not in force")
    return found[1].public_key, found[0].region


def _last_number(tx: Tx, source: str) -> int:
    rows = tx.store.rows(_NUMBER, (source,))
    if not rows:
        return 0
    ((number, tag),) = rows
    if notice_mac(tx.secrets, source, number) != tag:
        raise IntegrityError("the row of a notice was changed")
    return int(number)


def _held(tx: Tx, subjects: list[bytes]) -> dict[tuple[bytes, bytes], Evidence]:
    return {
        (subject, record.evidence_id): record
        for subject, records in evidence_of(tx.store, subjects).items()
        for record in records
    }


def _decided(tx: Tx, subjects: list[bytes], events: list[Event]) -> Done[int]:
    judged = judge(tx, list(dict.fromkeys(subjects)), Cause.EVIDENCE)
    return Done(len(events), events + judged.events)


def _row(entry: Entry) -> tuple[object, ...]:
    record = entry.record
    return (
        entry.subject, record.evidence_id, record.kind.value, record.at, record.until,
        record.place, record.value, record.source, record.origin_region, record.recorded_at,
    )  # fmt: skip


def _event(tx: Tx, kind: Kind, subject: bytes, record: Evidence) -> Event:
    details = {"id": record.evidence_id, "digest": evidence_digest(record)}
    return Event(tx.event_id(), kind, tx.now, subject, details)
