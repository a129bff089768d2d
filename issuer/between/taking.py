"""What a notice does here, in the transaction that notes that it was taken. Shell.

The size of the log is public, and a region must not read from it whether somebody is registered
here. So what it tells of people, or takes back, makes as many entries as it can make at most.
"""

from collections.abc import Sequence
from typing import Any, Final

from audit.events import Event, Kind
from issuer.between.appeals import hold_theirs, take_answer
from issuer.between.inbox import taken
from issuer.between.message import Answer, Appeal, Message, Told, Withdrawn, kind_of
from issuer.between.rows import Held
from issuer.between.told import record_told, take_back
from issuer.between.waiting import drop, keep_waiting
from issuer.people.people import find_first
from issuer.storage.tx import Done, Tx, filler

__all__ = ["take_held"]

#: About one person, beside the records: a new colour, and the codes of the old one taken back.
_DECIDED_ANEW: Final = 2


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
    silent = filler(tx, _most_events(message) - len(done.events))
    return Done(value=True, events=[event, *done.events, *silent])


def _most_events(message: Message | None) -> int:
    """How many events a notice about people can have for its effect."""
    match None if message is None else message.content:
        case Told(records=records):
            return len(records) + _DECIDED_ANEW
        case Withdrawn(evidence_ids):  # each may be about somebody else
            return len(evidence_ids) * (1 + _DECIDED_ANEW)
        case _:
            return 0


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
