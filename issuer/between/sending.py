"""The outbox to other regions: durable with what it tells of, emptied by receipts alone. Shell.

A notice is numbered, signed and sealed in the transaction of the event that it tells of. It stays
until the receiver's signed receipt is here, whatever happens to lines and processes meanwhile.
"""

from collections.abc import Iterable
from typing import Final

from audit.events import Event, Kind
from issuer.between.envelope import receipt_id, receiving_key, seal_notice, verify_receipt
from issuer.between.message import MAX_NUMBER, Answer, Content, Head, Message, Told, kind_of
from issuer.between.reason import Reason
from issuer.between.rows import Sent, ToldRow, put, read
from issuer.colour.evidence import encode_evidence
from issuer.errors import RegionError, RegionNoticeError
from issuer.storage.core import Secrets
from issuer.storage.store import Store
from issuer.storage.tx import Tx

__all__ = [
    "all_queues", "backoff_s", "due", "enqueue", "note_failures", "open_notices", "resume",
    "take_receipt",
]  # fmt: skip

#: Notices to one region that wait for their receipts; beyond it nothing more is accepted.
MAX_QUEUE: Final = 100_000
#: Of one round to one region.
ROUND: Final = 32
_FIRST_WAIT_S: Final = 10
_LONGEST_WAIT_S: Final = 3_600

_LAST: Final = "SELECT coalesce(max(number), 0) FROM region_outbox WHERE receiver = ?"
_QUEUE: Final = "SELECT count(*) FROM region_outbox WHERE next_try >= 0 AND receiver = ?"
_QUEUES: Final = (
    "SELECT receiver, count(*), min(made_at), max(next_try) FROM region_outbox"
    " WHERE next_try >= 0 GROUP BY receiver ORDER BY receiver"
)
_HEADS: Final = (
    "SELECT receiver, min(number) FROM region_outbox WHERE next_try >= 0 GROUP BY receiver"
)


def enqueue(tx: Tx, content: Content, *, to: str, subject: bytes | None) -> Event:
    """Put a notice into the outbox; the event to log.

    Args:
        tx: Of the event that the notice tells of.
        content: Its records name our EVIDENCE key as their source and us as their origin.
        to: The region that it is for.
        subject: The person concerned, where they are registered here.

    Raises:
        RegionError: No such region, it has no receiving key, or its queue is full.
        RegionNoticeError: The content is none that the receiver would take.
    """
    key = receiving_key(tx.authority.trust, to, tx.now)
    if to == tx.authority.issuer.region or key is None:
        raise RegionError(f"the trust list gives no key to seal notices for region {to}")
    ((queued,),) = tx.store.rows(_QUEUE, (to,))
    if queued >= MAX_QUEUE:
        raise RegionError(f"{queued} notices wait for region {to}: no more are taken")
    ((last,),) = tx.store.rows(_LAST, (to,))
    head = Head(tx.authority.issuer.region, to, key.kid, tx.event_id(), last + 1, tx.now)
    envelope = seal_notice(Message(head, content), tx.authority.evidence_key, key.public_key)
    sent = Sent(head.message_id, to, head.number, tx.now, envelope, 0, tx.now, None)
    put(tx, [sent])
    records = content.records if isinstance(content, Told | Answer) else ()
    told = (ToldRow(r.evidence_id, to, None, encode_evidence(r), tx.now) for r in records)
    put(tx, told)
    return Event(
        head.message_id,
        Kind.REGION_NOTICE_SENT,
        tx.now,
        subject,
        {"to": to, "number": head.number, "kind": kind_of(content), "records": len(records)},
    )


def due(store: Store, secrets: Secrets, *, now: int) -> dict[str, list[Sent]]:
    """For each region whose oldest notice may be tried again: the next ones, in their order."""
    found = {}
    for receiver, first in store.rows(_HEADS):
        rows = _from(store, secrets, receiver, first)
        if rows and (rows[0].next_try or 0) <= now:
            found[receiver] = rows
    return found


def open_notices(store: Store, secrets: Secrets, receiver: str) -> list[Sent]:
    """The oldest notices to a region without a receipt, whenever they were tried last."""
    firsts: dict[str, int] = dict(store.rows(_HEADS))
    return _from(store, secrets, receiver, firsts[receiver]) if receiver in firsts else []


def all_queues(store: Store) -> list[tuple[str, int, int, int]]:
    """Each region that notices wait for: how many, the oldest, and the next try."""
    return [(receiver, *others) for receiver, *others in store.rows(_QUEUES)]


def _from(store: Store, secrets: Secrets, receiver: str, first: int) -> list[Sent]:
    where = "WHERE receiver = ? AND number >= ? ORDER BY number LIMIT ?"
    rows = read(store, secrets, Sent, where, (receiver, first, ROUND))
    return [row for row in rows if row.envelope is not None]


def take_receipt(tx: Tx, receipt: bytes) -> Sent:
    """End the sending of the notice that this receipt is for; again, it changes nothing.

    Raises:
        RegionNoticeError: It is for no notice of ours, or not by its receiver.
    """
    message_id = receipt_id(receipt)
    rows = read(tx.store, tx.secrets, Sent, "WHERE message_id = ?", (message_id,))
    if not rows:
        raise RegionNoticeError(Reason.CONTENT, "a receipt for no notice of ours")
    (sent,) = rows
    if sent.envelope is None:
        return sent
    verify_receipt(receipt, sent.envelope, trust=tx.authority.trust, now=tx.now)
    done = sent._replace(envelope=None, receipt=receipt, next_try=None)
    put(tx, [done])
    return done


def note_failures(tx: Tx, failed: Iterable[bytes]) -> None:
    """These notices did not get a receipt: their regions are tried again later."""
    for message_id in failed:
        for row in read(tx.store, tx.secrets, Sent, "WHERE message_id = ?", (message_id,)):
            if row.envelope is not None:
                next_try = tx.now + backoff_s(row.tries)
                put(tx, [row._replace(tries=row.tries + 1, next_try=next_try)])


def resume(tx: Tx, *, to: str, after: int) -> int:
    """Number on behind *after*, and give up what waits; how many notices that was.

    For a database out of an old copy, whose numbers the receiver has seen in other notices. It
    names the last one that it took. What waits is sealed with its numbers, so it is told anew.

    Raises:
        RegionError: We have numbered beyond that already.
    """
    ((last,),) = tx.store.rows(_LAST, (to,))
    if not last <= after < MAX_NUMBER:
        raise RegionError(f"our last notice to region {to} has number {last}")
    waiting = read(tx.store, tx.secrets, Sent, "WHERE receiver = ? AND envelope IS NOT NULL", (to,))
    put(tx, [row._replace(envelope=None, next_try=None) for row in waiting])
    if after > last:
        put(tx, [Sent(tx.event_id(), to, after, tx.now, None, 0, None, None)])
    return len(waiting)


def backoff_s(tries: int) -> int:
    """Seconds until the next try: 10, 20, 40 and so on, at most an hour."""
    return min(_FIRST_WAIT_S << min(tries, 16), _LONGEST_WAIT_S)
