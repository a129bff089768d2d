"""Deciding anew, set by set: a risk level changed, a rule set changed, a window ended. Shell.

A change starts a job, a row that says who is still to do; each step takes the next set of people
in one transaction and moves the row on, so a crash loses nothing and nobody is done twice. People
whose window ended need no job: `decision.changes_at` says who they are. Memory holds one set.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import cbor2

from issuer.codes.batches import batches_open
from issuer.colour.decisions import Cause, evidence_of, judge
from issuer.colour.risk import Affected
from issuer.errors import IntegrityError, SealError
from issuer.storage.core import Secrets
from issuer.storage.sealing import mac
from issuer.storage.store import Row, Store, read_store
from issuer.storage.tx import Done, Tx
from issuer.storage.writer import Writer

__all__ = ["Reassessed", "check_jobs", "concerned_places", "run_jobs", "run_windows", "start_job"]

#: People of one transaction.
SET_SIZE: Final = 2_000
_FIRST: Final = b""

# Each place is found from the one before it: the index is not read row by row.
_PLACES: Final = (
    "WITH RECURSIVE known(place) AS ("
    " SELECT min(place) FROM evidence WHERE place > ''"
    " UNION ALL"
    " SELECT (SELECT min(place) FROM evidence WHERE place > known.place) FROM known"
    " WHERE known.place IS NOT NULL"
    ") SELECT place FROM known WHERE place IS NOT NULL"
)
_COLUMNS: Final = "event_id, cause, places, watermark, seen, recoloured, damaged, started_at"
_START: Final = f"INSERT INTO job ({_COLUMNS}, mac) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_JOBS: Final = f"SELECT {_COLUMNS}, mac FROM job ORDER BY started_at, event_id"  # noqa: S608
_MOVE: Final = (
    "UPDATE job SET places = ?, watermark = ?, seen = ?, recoloured = ?, damaged = ?, mac = ?"
    " WHERE event_id = ?"
)
_END: Final = "DELETE FROM job WHERE event_id = ?"
_AT_PLACE: Final = (
    "SELECT DISTINCT subject FROM evidence WHERE place = ? AND subject > ? ORDER BY subject LIMIT ?"
)
_EVERYBODY: Final = "SELECT subject FROM subject WHERE subject > ? ORDER BY subject LIMIT ?"
_ENDED: Final = "SELECT subject FROM decision WHERE changes_at <= ? ORDER BY changes_at LIMIT ?"


@dataclass(frozen=True, slots=True)
class Reassessed:
    """How many people were looked at, got another colour, or could not be read."""

    seen: int = 0
    recoloured: int = 0
    damaged: int = 0

    def __add__(self, other: "Reassessed") -> "Reassessed":
        return Reassessed(
            self.seen + other.seen,
            self.recoloured + other.recoloured,
            self.damaged + other.damaged,
        )


@dataclass(frozen=True, slots=True)
class _Job:
    """One row of `job`. *places* None: everybody."""

    event_id: bytes
    cause: Cause
    places: tuple[str, ...] | None
    watermark: bytes
    done: Reassessed
    started_at: int

    def columns(self) -> Row:
        places = None if self.places is None else cbor2.dumps(self.places)
        done = self.done
        return (
            self.event_id, self.cause.value, places, self.watermark, done.seen, done.recoloured,
            done.damaged, self.started_at,
        )  # fmt: skip


def concerned_places(store: Store, affected: Iterable[Affected]) -> tuple[str, ...]:
    """The places in people's evidence whose level one of these changes may change."""
    changes = tuple(affected)
    return tuple(
        place for (place,) in store.rows(_PLACES) if any(change.covers(place) for change in changes)
    )


def start_job(tx: Tx, event_id: bytes, cause: Cause, places: tuple[str, ...] | None) -> None:
    """Leave a note that everybody at *places* (None: everybody) is to be decided anew."""
    if places is None or places:
        job = _Job(event_id, cause, places, _FIRST, Reassessed(), tx.now)
        tx.store.run(_START, (*job.columns(), _mac(tx.secrets, job)))


def run_jobs(writer: Writer, *, now: int, set_size: int = SET_SIZE) -> Reassessed:
    """Do all that is to be done, in sets; call it again after a crash.

    Raises:
        IntegrityError: The row of a job was changed.
        AuditError: The log does not take it. What was done stands; the rest is still to do.
    """
    total = Reassessed()
    while (job := _next_job(writer)) is not None:
        total += _step(writer, job, set_size, now=now)
    return total


def run_windows(writer: Writer, *, now: int, set_size: int = SET_SIZE) -> Reassessed:
    """Decide anew about everybody whose decision was to change by itself by *now*."""
    total = Reassessed()
    damaged: set[bytes] = set()
    while True:
        with read_store(writer.engine) as store:
            rows = store.rows(_ENDED, (now, set_size + len(damaged)))
        subjects = [subject for (subject,) in rows if subject not in damaged]
        if not subjects:
            return total
        skipped = _judge_set(writer, subjects, None, now=now)
        damaged |= skipped.damaged
        total += skipped.result


@dataclass(frozen=True, slots=True)
class _SetResult:
    result: Reassessed
    damaged: frozenset[bytes]


def _step(writer: Writer, job: _Job, set_size: int, *, now: int) -> Reassessed:
    """The next set of a job."""
    with read_store(writer.engine) as store:
        if job.places is None:
            rows = store.rows(_EVERYBODY, (job.watermark, set_size))
        else:
            rows = store.rows(_AT_PLACE, (job.places[0], job.watermark, set_size))
    subjects = [subject for (subject,) in rows]
    return _judge_set(writer, subjects, (job, len(subjects) < set_size), now=now).result


def _judge_set(
    writer: Writer, subjects: list[bytes], job: tuple[_Job, bool] | None, *, now: int
) -> _SetResult:
    """One transaction; where a damaged row spoils it, again without the people it belongs to."""
    cause = Cause.TIME if job is None else job[0].cause

    def work(tx: Tx, skip: frozenset[bytes]) -> Done[_SetResult]:
        whom = [subject for subject in subjects if subject not in skip]
        judged = judge(tx, whom, cause)
        result = Reassessed(len(whom), len(judged.recoloured), len(skip))
        if job is not None:
            _move(tx, job[0], result, subjects, at_end=job[1])
        return Done(_SetResult(result, skip), judged.events)

    try:
        return writer.run(lambda tx: work(tx, frozenset()), now=now)
    except (IntegrityError, SealError):
        damaged = _damaged(writer, subjects, now=now)
        if not damaged:
            raise
        return writer.run(lambda tx: work(tx, damaged), now=now)


def _damaged(writer: Writer, subjects: Sequence[bytes], *, now: int) -> frozenset[bytes]:
    """Those of these people who cannot be read. Slow, and only called when there is one."""
    found = set()
    with read_store(writer.engine) as store:
        for subject in subjects:
            try:
                evidence_of(store, [subject])
                batches_open(store, writer.secrets, [subject], now=now)
            except (IntegrityError, SealError):
                found.add(subject)
    return frozenset(found)


def check_jobs(store: Store, secrets: Secrets) -> list[Row]:
    """The rows of all jobs, oldest first.

    Raises:
        IntegrityError: One of them was changed.
    """
    rows = store.rows(_JOBS)
    for *columns, tag in rows:
        if mac(secrets.rows, "job", columns) != tag:
            raise IntegrityError("the row of a job was changed")
    return rows


def _next_job(writer: Writer) -> _Job | None:
    with read_store(writer.engine) as store:
        for row in check_jobs(store, writer.secrets)[:1]:
            event_id, cause, places, watermark, seen, recoloured, damaged, started_at, _ = row
            return _Job(
                event_id, Cause(cause), None if places is None else tuple(cbor2.loads(places)),
                watermark, Reassessed(seen, recoloured, damaged), started_at,
            )  # fmt: skip
    return None


def _move(
    tx: Tx, job: _Job, result: Reassessed, subjects: Sequence[bytes], *, at_end: bool
) -> None:
    """Note what was done. At the end of a place comes the next one; after the last, nothing."""
    places = job.places[1:] if job.places is not None and at_end else job.places
    if at_end and not places:
        tx.store.run(_END, (job.event_id,))
        return
    watermark = _FIRST if at_end else subjects[-1]
    moved = _Job(job.event_id, job.cause, places, watermark, job.done + result, job.started_at)
    _, _, encoded, mark, seen, recoloured, damaged, _ = moved.columns()
    tag = _mac(tx.secrets, moved)
    tx.store.run(_MOVE, (encoded, mark, seen, recoloured, damaged, tag, job.event_id))


def _mac(secrets: Secrets, job: _Job) -> bytes:
    return mac(secrets.rows, "job", job.columns())
