"""Making codes anew whose key was stolen: for everybody who holds one, set by set. Shell.

Whose codes a key signed is known only under each person's key, so every batch that is still good
is opened. One that holds a code of the key is taken back as a whole, and its codes are made again:
the same ends, the same phones' keys, under a key that was published before, for the colour that
the person has now. Whoever sends the old request again gets the new codes.

Each set is one transaction. What was taken back is not found again, so after a crash the work is
begun once more and does what is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from issuer.codes.batches import (
    HEAD_COLUMNS,
    OpenBatch,
    codes_of,
    person_keys,
    replacement_id,
    take_back_batches,
)
from issuer.codes.issue import Planned, make
from issuer.colour.decisions import Cause, Decision, judge
from issuer.errors import IntegrityError, KeyInUseError, SealError
from issuer.storage.store import Row
from issuer.storage.tx import Done, Tx
from issuer.storage.writer import Writer
from keys.ed25519 import PublicKey
from verifier.claims import Colour, parse_code
from verifier.statuslist import Status

__all__ = ["SET_SIZE", "Reissued", "reissue"]

#: Batches of one transaction.
SET_SIZE: Final = 2_000
_LIVE: Final = (
    f"SELECT {HEAD_COLUMNS}, sealed FROM code_batch"  # noqa: S608 - our own words
    " WHERE (subject, event_id) > (?, ?) AND exp > ? AND taken_back IS NULL"
    " ORDER BY subject, event_id LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Reissued:
    """What was done.

    Attributes:
        seen: Batches that were opened.
        taken_back: Codes in batches that held one of the key, all of them taken back.
        made: Codes made in their place.
        people: Who has new codes.
        ask_again: People whose colour is another one by now, or pending: their codes are taken
            back, and they get new ones when they ask.
        damaged: Batches that could not be read; their people get nothing here.
    """

    seen: int = 0
    taken_back: int = 0
    made: int = 0
    people: int = 0
    ask_again: int = 0
    damaged: int = 0

    def __add__(self, other: "Reissued") -> "Reissued":
        return Reissued(
            self.seen + other.seen,
            self.taken_back + other.taken_back,
            self.made + other.made,
            self.people + other.people,
            self.ask_again + other.ask_again,
            self.damaged + other.damaged,
        )


class _Affected(NamedTuple):
    """A batch that holds a code of the key, and what its row says."""

    batch: OpenBatch
    request_id: bytes
    request_hash: bytes
    colour: int


class _Place(NamedTuple):
    """The last batch of a set, in the order of people: few of the new batches lie ahead."""

    subject: bytes
    event_id: bytes


class _Step(NamedTuple):
    """One set's result, and where the next one begins; None: there is none."""

    done: Reissued
    after: _Place | None


def reissue(writer: Writer, kid: bytes, *, now: int, set_size: int = SET_SIZE) -> Reissued:
    """Take back every batch with a code of the key *kid*, and make its codes anew.

    Call it again after a crash. Publish afterwards: the lists changed.

    Raises:
        KeyInUseError: The key may still sign here: mark it as compromised first.
        NoCodeKeyError: No other key could sign instead. The sets before stand.
        AuditError: The log does not take it. The sets before stand.
    """
    if any(signer.kid == kid and signer.may_sign(now) for signer in writer.authority.code_keys):
        raise KeyInUseError(f"key {kid.hex()} may still sign: celadon keys compromise")
    total, after = Reissued(), _Place(b"", b"")
    while True:
        step = _next_set(writer, kid, after, set_size, now=now)
        total += step.done
        if step.after is None:
            return total
        after = step.after


def _next_set(writer: Writer, kid: bytes, after: _Place, size: int, *, now: int) -> _Step:
    """The next set; where a damaged row spoils it, batch by batch."""
    try:
        return writer.run(partial(_step, kid=kid, after=after, size=size), now=now)
    except (IntegrityError, SealError):
        if size > 1:
            return _one_by_one(writer, kid, after, size, now=now)
        raise


def _one_by_one(writer: Writer, kid: bytes, after: _Place, size: int, *, now: int) -> _Step:
    total, last = Reissued(), after
    for _ in range(size):
        try:
            step = writer.run(partial(_step, kid=kid, after=last, size=1), now=now)
        except (IntegrityError, SealError):
            step = writer.run(partial(_skipped, after=last), now=now)
        total += step.done
        if step.after is None:
            return _Step(total, None)
        last = step.after
    return _Step(total, last)


def _skipped(tx: Tx, after: _Place) -> Done[_Step]:
    """Past a batch that cannot be read."""
    ((event_id, subject, *_),) = tx.store.rows(_LIVE, (*after, tx.now, 1))
    return Done(_Step(Reissued(seen=1, damaged=1), _Place(subject, event_id)))


def _step(tx: Tx, kid: bytes, after: _Place, size: int) -> Done[_Step]:
    rows = tx.store.rows(_LIVE, (*after, tx.now, size))
    following = _Place(rows[-1][1], rows[-1][0]) if len(rows) == size else None
    keys = person_keys(tx.store, tx.secrets, sorted({row[1] for row in rows}))
    affected = _affected(rows, keys, kid, now=tx.now)
    if not affected:
        return Done(_Step(Reissued(seen=len(rows)), following))
    judged = judge(tx, sorted({each.batch.subject for each in affected}), Cause.REQUEST)
    # Whose colour changed just now had all of theirs taken back by that.
    same = [each for each in affected if _has_its_colour(each, judged.decisions)]
    taken = take_back_batches(tx, [each.batch for each in same], Status.SUPERSEDED)
    planned = [_planned(tx, each, judged.decisions[each.batch.subject]) for each in same]
    made, events = make(tx, [plan for plan in planned if plan.ends], keys)
    people = {each.batch.subject for each in same}
    done = Reissued(
        seen=len(rows),
        taken_back=sum(len(each.batch.codes) for each in affected),
        made=sum(len(batch.codes) for batch in made.values()),
        people=len(people),
        ask_again=len({each.batch.subject for each in affected} - people),
    )
    return Done(
        _Step(done, following),
        [*judged.events, *taken, *events],
    )


def _affected(
    rows: Sequence[Row], keys: dict[bytes, bytes], kid: bytes, *, now: int
) -> list[_Affected]:
    """Those of these batches that hold a living code of this key."""
    found = []
    for row in rows:
        key = keys.get(row[1])
        if key is None:  # erased: their codes were withdrawn then
            continue
        codes = [parse_code(code) for code in codes_of(row, key=key)]
        alive = [code for code in codes if code.exp > now]
        if any(code.kid == kid for code in alive):
            found.append(_Affected(OpenBatch(row[0], row[1], alive), row[2], row[3], row[4]))
    return found


def _has_its_colour(each: _Affected, decisions: dict[bytes, Decision]) -> bool:
    return decisions[each.batch.subject].colour == each.colour


def _planned(tx: Tx, each: _Affected, decision: Decision) -> Planned:
    """The same codes once more, but none for a day on which the colour is another already."""
    codes, changes_at = each.batch.codes, decision.changes_at
    ends = [
        (code.exp, None if code.holder_key is None else PublicKey(code.holder_key))
        for code in codes
        if changes_at is None or code.not_before <= tx.now or code.not_before < changes_at
    ]
    request = replacement_id(tx.secrets, each.request_id)
    return Planned(request, each.batch.subject, each.request_hash, Colour(each.colour), ends)
