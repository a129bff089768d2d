"""Evidence about people who are not registered here yet: kept, unreadable, for 14 days. Shell.

A record is sealed under a key made from the person's index entry, which is Argon2id over what only
the person and the notice name. Nothing stored here gives the entry, so nobody can open a record
before somebody registers as that person; then it is recorded, and forgotten here.
docs/privacy.md, "People whom another region tells us of".
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from issuer.between.message import Told
from issuer.between.rows import WaitingRow, put, read
from issuer.between.told import record_told
from issuer.colour.evidence import Evidence, decode_evidence, encode_evidence
from issuer.colour.timeline import DAY_S
from issuer.storage.sealing import KEY_BYTES, NONCE_BYTES, associated, seal, unseal
from issuer.storage.tx import Done, Tx

__all__ = ["RETENTION_S", "claim", "drop", "drop_expired", "drop_region", "keep_waiting"]

#: The longest window of the shipped rules: what is older decides nothing any more.
RETENTION_S: Final = 14 * DAY_S

_DROP: Final = "DELETE FROM region_waiting WHERE sender = ? AND evidence_id = ?"
_OF_SENDER: Final = "DELETE FROM region_waiting WHERE sender = ?"
_EXPIRED: Final = "DELETE FROM region_waiting WHERE expires_at <= ?"


def keep_waiting(tx: Tx, sender: str, told: Told, digests: Sequence[bytes]) -> None:
    """Keep the records of a notice for whoever registers under one of its person's entries."""
    rows = []
    for digest in digests:
        entry, key = _derived(digest, told.person.name)
        for record in told.records:
            sealed = seal(
                encode_evidence(record),
                key=key,
                context=_context(entry, record.evidence_id, sender),
                nonce=tx.randomness(NONCE_BYTES),
            )
            expires_at = tx.now + RETENTION_S
            rows.append(WaitingRow(entry, record.evidence_id, sender, sealed, expires_at))
    put(tx, rows)


def claim(tx: Tx, subject: bytes, name: str, digests: Sequence[bytes]) -> Done[int]:
    """Record what waits for the person who has just registered; how many records that was.

    The name has to be that of the notice, also where the identity number is: many a stranger
    knows one of the two.

    Raises:
        IntegrityError, SealError: What waits was changed.
    """
    found: dict[str, dict[bytes, Evidence]] = defaultdict(dict)
    for digest in digests:
        entry, key = _derived(digest, name)
        where = "WHERE entry = ? AND expires_at > ?"
        for row in read(tx.store, tx.secrets, WaitingRow, where, (entry, tx.now)):
            context = _context(entry, row.evidence_id, row.sender)
            plain = unseal(row.sealed, key=key, context=context)
            found[row.sender][row.evidence_id] = decode_evidence(plain)
    recorded = []
    for sender, records in found.items():
        drop(tx, sender, [*records])
        recorded.append(record_told(tx, sender, subject, [*records.values()]))
    events = [event for done in recorded for event in done.events]
    return Done(sum(done.value for done in recorded), events)


def drop(tx: Tx, sender: str, evidence_ids: Sequence[bytes]) -> None:
    """Forget these of the sender: taken back, or claimed."""
    tx.store.many(_DROP, [(sender, evidence_id) for evidence_id in evidence_ids])


def drop_region(tx: Tx, sender: str) -> None:
    """Nothing that this region told of people who are not here is kept."""
    tx.store.run(_OF_SENDER, (sender,))


def drop_expired(tx: Tx) -> None:
    """Forget what nobody came for."""
    tx.store.run(_EXPIRED, (tx.now,))


def _context(entry: bytes, evidence_id: bytes, sender: str) -> bytes:
    return associated("region waiting", (entry, evidence_id, sender))


def _derived(digest: bytes, name: str) -> tuple[bytes, bytes]:
    """What leads to the records of a person, and the key that opens them."""
    both = hashlib.blake2b(name.casefold().encode(), key=digest, person=b"region waiting").digest()
    return both[:KEY_BYTES], both[KEY_BYTES:]
