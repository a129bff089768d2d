"""What another region told of a person: recorded, and taken back. Shell."""

from collections.abc import Iterable, Sequence
from typing import Final

from issuer.between.rows import ToldRow, put, read
from issuer.colour.decisions import evidence_of
from issuer.colour.evidence import Evidence
from issuer.colour.evidence_store import record_evidence, retract_evidence
from issuer.colour.notice import Entry, Retraction
from issuer.errors import EvidenceError
from issuer.storage.tx import Done, Tx

__all__ = ["record_told", "take_back"]

_TOLD: Final = "WHERE evidence_id = ? AND region = ?"
_FORGET: Final = "DELETE FROM region_evidence WHERE evidence_id = ? AND region = ?"


def record_told(tx: Tx, region: str, subject: bytes, records: Sequence[Evidence]) -> Done[int]:
    """Record what *region* told of a person, and decide anew; gives how many records were new.

    Nothing, where one of the ids came before with other content or about somebody else: that is
    theirs to explain, and whoever the id stands for can still be freed of it.
    """
    for record in records:
        for before in read(tx.store, tx.secrets, ToldRow, _TOLD, (record.evidence_id, region)):
            if before.subject != subject:
                return Done(0)
    try:
        recorded = record_evidence(tx, [Entry(subject, record) for record in records])
    except EvidenceError:
        return Done(0)
    put(tx, [ToldRow(r.evidence_id, region, subject, None, tx.now) for r in records])
    return recorded


def take_back(tx: Tx, region: str, evidence_ids: Iterable[bytes]) -> Done[int]:
    """Delete these records as far as *region* told us of them, and decide anew."""
    told = [
        row
        for evidence_id in evidence_ids
        for row in read(
            tx.store, tx.secrets, ToldRow, f"{_TOLD} AND subject IS NOT NULL", (evidence_id, region)
        )
    ]
    subjects = list(dict.fromkeys(row.subject for row in told if row.subject is not None))
    held = evidence_of(tx.store, subjects)
    wanted = {row.evidence_id for row in told}
    retractions = [
        Retraction(subject, record.evidence_id, record.source, tx.now)
        for subject, records in held.items()
        for record in records
        if record.evidence_id in wanted and record.origin_region == region
    ]
    tx.store.many(_FORGET, [(row.evidence_id, region) for row in told])
    return retract_evidence(tx, retractions)
