"""What a notice does here, in the transaction that notes that it was taken. Shell."""

from collections.abc import Sequence
from typing import Any

from audit.events import Event, Kind
from issuer.between.appeals import hold_theirs, take_answer
from issuer.between.inbox import taken
from issuer.between.message import Answer, Appeal, Message, Told, Withdrawn, kind_of
from issuer.between.rows import Held
from issuer.between.told import record_told, take_back
from issuer.between.waiting import drop, keep_waiting
from issuer.people.people import find_first
from issuer.storage.tx import Done, Tx

__all__ = ["take_held"]


def take_held(tx: Tx, held: Held, message: Message | None, digests: Sequence[bytes]) -> Done[bool]:
    """Let the notice whose turn it is have its effect; False: it had it before.

    Args:
        tx: Everything, or nothing, happens in it.
        held: Its row.
        message: What is in it, opened again; None: it may not be used any more.
        digests: Index entries of the person that it names, if it names one.

    Raises:
        IntegrityError, SealError: A row that it concerns was changed.
    """
    if not taken(tx, held):
        return Done(value=False)
    sender = held.sender
    done: Done[Any]
    subject: bytes | None = None
    match None if message is None else message.content:
        case None:
            done = Done(None)
        case Told() as told:
            subject = find_first(tx.store, digests, rows=tx.secrets.rows)
            done = _told(tx, sender, told, subject, digests)
        case Withdrawn(evidence_ids):
            drop(tx, sender, evidence_ids)
            done = take_back(tx, sender, evidence_ids)
        case Appeal() as appeal:
            done = Done(None, [hold_theirs(tx, sender, appeal)])
        case Answer() as answer:
            done = take_answer(tx, sender, answer)
    event = _event(tx, held, message, subject)
    return Done(value=True, events=[event, *done.events])


def _told(
    tx: Tx, sender: str, told: Told, subject: bytes | None, digests: Sequence[bytes]
) -> Done[int]:
    if subject is None:
        keep_waiting(tx, sender, told, digests)
        return Done(0)
    return record_told(tx, sender, subject, told.records)


def _event(tx: Tx, held: Held, message: Message | None, subject: bytes | None) -> Event:
    return Event(
        tx.event_id(),
        Kind.REGION_NOTICE_TAKEN,
        tx.now,
        subject,
        {
            "from": held.sender,
            "number": held.number,
            "kind": None if message is None else kind_of(message.content),
        },
    )
