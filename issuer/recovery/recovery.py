"""After the databases came out of an old copy: nothing that was used is used again. Shell.

`require_reconciled` notices that what was published is newer than the databases; then nothing is
issued. `reconcile_copies` makes the copies safe to go on with, in one transaction:

- no list number up to the newest that was published, nor the next hundred, is ever opened again;
- in the lists that the copy knows, the positions that it has not given out are given out;
- the codes at all of those are taken back: nobody can tell whose they are, so nobody could later;
- whatever is published as taken back stays so;
- who was erased since is erased again, by the list beside the keystore and the log;
- code keys are counted by what the copy holds;
- everybody binds again, because bindings that were ended since are open in the copy.

Published rules and risks come back into force by `issuer.colour.adoption`, and the log goes on by
`audit.restart`. The reasons are in ADR 0014; what an operator does is in docs/ops/drills.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from audit.errors import CheckpointError
from audit.events import Event, Kind
from audit.logreader import LogReader
from audit.tlog.checkpoint import SignedCheckpoint, verify_checkpoint
from issuer.codes.batches import take_back
from issuer.codes.lists import check_list_row, list_mac
from issuer.codes.lostpositions import lose_positions, lost_positions, lost_statuses
from issuer.codes.mint import DAY_S
from issuer.codes.shards import read_code_keys, write_code_key
from issuer.errors import RecoveryError, RestoredError
from issuer.people.erasures import Erasures
from issuer.people.people import People
from issuer.publication.decoys import DAYS_AHEAD
from issuer.recovery.reconcile import read_position, write_position
from issuer.storage.core import Secrets
from issuer.storage.store import read_store
from issuer.storage.tx import Done, Tx
from keys.trustlist import ListedIssuer, TrustList
from verifier.errors import StatusListError
from verifier.statusdelta import apply_delta, recall_delta
from verifier.statuslist import Status, StatusList, recall_status_list

__all__ = ["Reconciled", "published_lists", "reconcile_copies", "require_reconciled"]

#: Numbers beyond the newest published one that a lost database may have used: lists of some hours.
MARGIN: Final = 100
_BATCHES: Final = "SELECT event_id FROM code_batch WHERE event_id {keys}"
_NUMBERS: Final = "SELECT number FROM status_list"
_LISTS: Final = "SELECT number, day, size, cursor, mac FROM status_list ORDER BY number"
_NEW: Final = "INSERT INTO status_list (number, day, size, cursor, mac) VALUES (?, ?, ?, ?, ?)"
_USE_UP: Final = "UPDATE status_list SET cursor = ?, mac = ? WHERE number = ?"
_CHANGE: Final = (
    "INSERT INTO status_change (list_number, status_index, status, due_at) VALUES (?, ?, ?, 0)"
    " ON CONFLICT (list_number, status_index) DO UPDATE SET status = excluded.status"
    " WHERE excluded.status = 1"
)
_EVERYBODY: Final = "SELECT subject, wrapped_key FROM subject"
_UNBIND: Final = ("DELETE FROM binding", "DELETE FROM one_time_code")
_SOURCES: Final = "SELECT source, number FROM notice ORDER BY source"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was done with the copies.

    Attributes:
        next_list: The first list number that may be opened from now on.
        used_up: Lists in which no position is left to give out.
        kept: Entries that are published as taken back, and that the copy did not know.
        erased: People who were erased once more.
        sources: The last notice that the copy has of each source of evidence: later ones must be
            sent again.
    """

    next_list: int
    used_up: int
    kept: int
    erased: int
    sources: tuple[tuple[str, int], ...]


def require_reconciled(
    engine: Engine, log: LogReader, secrets: Secrets, public: Path, issuer: ListedIssuer
) -> None:
    """Raise where the public folder or the log shows more than the database holds.

    What shows more is read first each time, for other processes may be writing.

    Raises:
        RestoredError: Say what to do.
    """
    ask = "restored from an older copy? celadon recover"
    try:
        seen = verify_checkpoint((public / "log" / "checkpoint").read_bytes(), log.key).checkpoint
    except (FileNotFoundError, CheckpointError):
        seen = None  # nothing was published yet, or by another log: under its name before a restart
    if seen is not None and seen.tree_size > log.size():
        raise RestoredError(
            f"the log has {log.size()} entries, {seen.tree_size} were published: {ask}"
        )
    published = _numbers(public)
    with read_store(engine) as store:
        known = {number for (number,) in store.rows(_NUMBERS)}
        position = read_position(store, secrets)
    ours = range(issuer.first_list, issuer.last_list + 1)
    strange = [number for number in published if number in ours and number not in known]
    if strange:
        raise RestoredError(f"{len(strange)} published lists are not in the database: {ask}")
    _, issued = log.events_since(position, [Kind.CODES_ISSUED])
    ids = [event.event_id for event in issued]
    with read_store(engine) as store:
        held = {event_id for (event_id,) in store.rows_of(_BATCHES, ids)}
    if len(held) < len(ids):
        raise RestoredError(f"{len(ids) - len(held)} logged batches are not in the database: {ask}")


def published_lists(public: Path, trust: TrustList, issuer: ListedIssuer) -> dict[int, StatusList]:
    """Every status list of ours that is published, however old, its signature verified.

    Raises:
        RecoveryError: One cannot be read: what it takes back would be forgotten.
    """
    found = {}
    status = public / "status"
    try:
        delta = recall_delta((status / f"{issuer.region}.delta").read_bytes(), trust)
    except (StatusListError, FileNotFoundError) as error:
        raise RecoveryError(f"the published delta: {error}") from error
    for number in _numbers(public):
        if not issuer.first_list <= number <= issuer.last_list:
            continue
        try:
            held = recall_status_list((status / f"{number}.cwt").read_bytes(), trust)
            found[number] = apply_delta(held, delta) if number in delta.changes else held
        except (StatusListError, FileNotFoundError) as error:
            raise RecoveryError(f"published list {number}: {error}") from error
    return found


def _numbers(public: Path) -> list[int]:
    stems = (path.stem for path in (public / "status").glob("*.cwt"))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def reconcile_copies(  # noqa: PLR0913 - everything that outlived the databases
    tx: Tx,
    published: Mapping[int, StatusList],
    *,
    people: People,
    erasures: Erasures,
    log: LogReader,
    lost: SignedCheckpoint | None,
) -> Done[Reconciled]:
    """Make a restored database one that may go on. Doing it twice does no more harm.

    Args:
        tx: The transaction.
        published: By list number.
        people: Erases.
        erasures: Who was erased.
        log: May know more of it, where it was not restored.
        lost: The checkpoint that the log fell short of, where it was.
    """
    rows = {row[0]: row for row in tx.store.rows(_LISTS)}
    for row in rows.values():
        check_list_row(tx.secrets, row)
    for number, _, size, cursor, _ in rows.values():
        lose_positions(tx, number, cursor)
        _use_up(tx, number, rows[number][1], size)
    for number in published.keys() - rows.keys():
        lose_positions(tx, number, 0)
        _add(tx, number, tx.now // DAY_S + DAYS_AHEAD, published[number].size)
    kept = _keep(tx, published)
    next_list = _leave_numbers_out(tx, max([*rows, *published], default=-1))
    erased, events = _erase_again(tx, people, erasures, log)
    for statement in _UNBIND:
        tx.store.run(statement)
    _count_anew(tx, log)
    events.append(_event(tx, lost))
    used_up = len(rows.keys() | published.keys())
    sources = tuple((source, number) for source, number in tx.store.rows(_SOURCES))
    return Done(Reconciled(next_list, used_up, kept, erased, sources), events)


def _keep(tx: Tx, published: Mapping[int, StatusList]) -> int:
    """Whatever was taken back in public stays so."""
    lost = lost_positions(tx.store, tx.secrets)
    taken = []
    for number, held in published.items():
        below = lost_statuses(tx.secrets.positions, number, held.size, lost[number])
        for byte in range(len(below)):
            if held.packed[byte] == below[byte]:
                continue
            for index in range(4 * byte, 4 * byte + 4):
                status = held.status(index)
                if status and status != below[byte] >> 2 * (index & 3) & 3:
                    taken.append((number, index, status))
    before = _changes(tx)
    tx.store.many(_CHANGE, taken)
    return _changes(tx) - before


def _changes(tx: Tx) -> int:
    ((count,),) = tx.store.rows("SELECT count(*) FROM status_change")
    return int(count)


def _use_up(tx: Tx, number: int, day: int, size: int) -> None:
    tx.store.run(_USE_UP, (size, list_mac(tx.secrets, number, day, size, size), number))


def _add(tx: Tx, number: int, day: int, size: int) -> None:
    """A list that the copy does not know, all of it used."""
    tx.store.run(_NEW, (number, day, size, size, list_mac(tx.secrets, number, day, size, size)))


def _leave_numbers_out(tx: Tx, newest: int) -> int:
    """See to it that the next list has a number that no lost database can have reached."""
    issuer = tx.authority.issuer
    last = max(newest, issuer.first_list - 1) + MARGIN
    if last >= issuer.last_list:
        raise RecoveryError(f"no list numbers are left above {newest}: ask for another range")
    _add(tx, last, 0, 4)
    lose_positions(tx, last, 0)
    return last + 1


def _erase_again(
    tx: Tx, people: People, erasures: Erasures, log: LogReader
) -> tuple[int, list[Event]]:
    marks = erasures.marks()
    logged = {event.subject for event in log.events_of_kinds([Kind.PERSON_ERASED])}
    alive = [subject for subject, wrapped in tx.store.rows(_EVERYBODY) if any(wrapped)]
    gone = [who for who in alive if who in logged or erasures.mark(who) in marks]
    taken = take_back(tx, gone, Status.WITHDRAWN)
    for subject in gone:
        people.erase(tx.store, subject)
    events = [Event(tx.event_id(), Kind.PERSON_ERASED, tx.now, who, {}) for who in gone]
    return len(gone), [*taken, *events]


def _count_anew(tx: Tx, log: LogReader) -> None:
    """Code keys are counted by what the copy holds, all of which the log holds by now."""
    for row in read_code_keys(tx.store, tx.secrets):
        write_code_key(tx, row, replace(row, logged=row.codes))
    write_position(tx, log.size())


def _event(tx: Tx, lost: SignedCheckpoint | None) -> Event:
    """The log's own record: what it fell short of, if it did."""
    details: dict[str, int | str | bytes] = {}
    if lost is not None:
        checkpoint = lost.checkpoint
        details = {
            "origin": checkpoint.origin,
            "entries": checkpoint.tree_size,
            "root": checkpoint.root_hash,
        }
    return Event(tx.event_id(), Kind.RESTORED, tx.now, None, details)
