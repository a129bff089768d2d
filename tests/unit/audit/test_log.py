"""The log over real databases: appending, racing, proving, erasing, refusing to sign."""

import hashlib
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, event, select, text, update
from sqlalchemy.exc import OperationalError

from audit import logreader
from audit.database import open_engine, reading, writing
from audit.errors import (
    EmptyLogError,
    EventConflictError,
    LogBusyError,
    LogClockError,
    LogForkError,
    LogStoppedError,
    ProofError,
)
from audit.events import Event, Kind, commitment, encode_event
from audit.log import Log
from audit.models import log_checkpoints, log_entries, log_head, log_tiles
from audit.tlog.checkpoint import verify_checkpoint
from audit.tlog.merkle import SubtreeHash, leaf_hash, verify_consistency, verify_inclusion
from audit.tlog.proof import encode_proof, parse_proof, verify_proof
from audit.tlog.tiles import TileReader, subtrees
from audit.verify import Verified, verify_log
from keys.ed25519 import PublicKey
from keys.signer import SeedSigner
from tests.log_support import NOW, ORIGIN, SIGNER, a_log, an_event, opened, pattern, some_events


@pytest.fixture
def engine(engine_url: str) -> Iterator[Engine]:
    with opened(engine_url) as engine:
        yield engine


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    with opened(f"sqlite:///{tmp_path}/log.db") as engine:
        yield engine


def stored(engine: Engine) -> list[object]:
    """Everything that the log's tables hold."""
    tables = (log_entries, log_tiles, log_head, log_checkpoints)
    with reading(engine) as connection:
        return [list(map(tuple, connection.execute(select(table)))) for table in tables]


def is_good(engine: Engine, log: Log) -> bool:
    return isinstance(verify_log(engine, log.key), Verified)


# --- appending ------------------------------------------------------------------------------------


def test_append_gives_consecutive_indices_and_a_checkpoint_over_all(engine: Engine) -> None:
    """Batches of any size stand one after the other under a checkpoint signed at that time."""
    log, size = a_log(engine), 0
    for batch in (1, 2, 253, 1, 600, 3):
        assert log.append(some_events(size, batch), now=NOW + size) == list(
            range(size, size + batch)
        )
        size += batch
        signed = verify_checkpoint(log.checkpoint(), log.key, timestamp=log.timestamp_key)
        assert (signed.checkpoint.tree_size, signed.time) == (size, NOW + size - batch)
        assert signed.checkpoint.root_hash == log.root(size)
    assert log.size() == size
    assert is_good(engine, log)


def test_append_nothing_signs_nothing(engine: Engine) -> None:
    """An empty batch leaves an empty log empty."""
    log = a_log(engine)
    assert log.append([], now=NOW) == []
    assert log.size() == 0
    assert log.events_of(bytes(16)) == ()
    with pytest.raises(EmptyLogError):
        log.checkpoint()
    with pytest.raises(EmptyLogError):
        log.inclusion(0)
    with pytest.raises(EmptyLogError):
        log.consistency(0, 0)


def test_append_batch_is_one_commit(engine: Engine) -> None:
    """A thousand events cost one transaction, and so one wait for the disk."""
    log = a_log(engine)
    commits: list[object] = []
    event.listen(engine, "commit", commits.append)
    log.append(some_events(0, 1000), now=NOW)
    assert len(commits) == 1


def test_append_known_events_keep_their_index(engine: Engine) -> None:
    """Appending again has no effect, alone, within a batch, or mixed with new events."""
    log = a_log(engine)
    events = some_events(0, 6)
    assert log.append(events[:4], now=NOW) == [0, 1, 2, 3]
    before = stored(engine)
    assert log.append(events[1:3], now=NOW) == [1, 2]
    assert stored(engine) == before
    mixed = [events[4], events[1], events[5], events[4]]
    assert log.append(mixed, now=NOW) == [4, 1, 5, 4]
    assert log.size() == 6
    assert is_good(engine, log)


def test_append_known_id_with_other_content_is_refused(engine: Engine) -> None:
    """An id stands for one event for ever, in the log and within a batch."""
    log = a_log(engine)
    first = an_event(0)
    other = Event(first.event_id, Kind.BOUND, first.at, None, {})
    log.append([first], now=NOW)
    before = stored(engine)
    for batch in ([an_event(1), other], [an_event(1), an_event(2), other]):
        with pytest.raises(EventConflictError):
            log.append(batch, now=NOW)
    with pytest.raises(EventConflictError):
        a_log(engine).append([an_event(3), an_event(4), an_event(4, subject=1)], now=NOW)
    assert stored(engine) == before


def test_knows_exactly_what_is_in_the_log(engine: Engine) -> None:
    """A start-up can ask which of many events were appended."""
    log = a_log(engine)
    log.append(some_events(0, 1200), now=NOW)
    asked = [an_event(number).event_id for number in range(600, 1800)]
    assert log.knows(asked) == set(asked[:600])
    assert log.knows([]) == set()


def test_event_is_read_by_its_id_and_only_as_the_log_signed_it(engine: Engine) -> None:
    """Who writes into the table cannot put words into the log's mouth."""
    log = a_log(engine)
    events = some_events(0, 300)
    assert log.event(events[299].event_id) is None
    log.append(events, now=NOW)
    assert log.event(events[299].event_id) == events[299]
    assert log.event(an_event(300).event_id) is None
    said = encode_event(an_event(7, subject=1))
    with writing(engine) as connection:
        row = connection.execute(select(log_entries).where(log_entries.c.leaf_index == 7)).one()
        changed = {"body": said, "commitment": commitment(row.salt, said)}
        connection.execute(update(log_entries).where(log_entries.c.leaf_index == 7).values(changed))
        connection.execute(
            log_entries.insert().values(row._asdict() | {"leaf_index": 300, "event_id": b"x" * 16})
        )
    for forged in (events[7].event_id, b"x" * 16):
        with pytest.raises(ProofError):
            log.event(forged)


def test_append_entry_is_the_commitment_to_salt_and_body(engine: Engine) -> None:
    """Salts differ, and the stored entry is SHA-256(salt || body)."""
    log = a_log(engine)
    log.append([an_event(0), an_event(1)], now=NOW)
    with reading(engine) as connection:
        rows = connection.execute(select(log_entries)).all()
    assert rows[0].salt != rows[1].salt
    for number, row in enumerate(rows):
        assert row.body == encode_event(an_event(number))
        assert row.commitment == commitment(row.salt, row.body) == log.entry(number)


def test_log_opened_again_goes_on_where_it_stopped(engine: Engine) -> None:
    """Nothing is kept in memory that the database does not give back."""
    for start in range(0, 900, 100):
        assert a_log(engine).append(some_events(start, 100), now=NOW) == list(
            range(start, start + 100)
        )
    assert is_good(engine, a_log(engine))


# --- several writers ------------------------------------------------------------------------------


class Interrupting:
    """A signer that lets somebody else act just before it signs: the worst moment for a race."""

    def __init__(self, act: Callable[[], object], times: int) -> None:
        self._act = act
        self._left = times
        self.kid = SIGNER.kid

    @property
    def public_key(self) -> PublicKey:
        return SIGNER.public_key

    def sign(self, message: bytes) -> bytes:
        if self._left and not message.startswith(b"cosignature"):
            self._left -= 1
            self._act()
        return SIGNER.sign(message)


def test_append_lost_race_is_tried_again_behind_the_winner(engine: Engine) -> None:
    """Of two processes that append to one size, one comes first and nothing forks."""
    other = a_log(engine)
    for beginning in (0, 10):  # the first time there is no head row to compare yet
        winner = partial(other.append, [an_event(beginning)], now=NOW)
        loser = Log(engine, Interrupting(winner, 1), ORIGIN)
        size = loser.size()
        assert loser.append([an_event(beginning + 1)], now=NOW) == [size + 1]
        assert loser.append([an_event(beginning + 2)], now=NOW) == [size + 2]
    assert is_good(engine, other)


def test_append_lost_race_for_the_same_event_has_one_effect(engine: Engine) -> None:
    """Two processes that append the same event both get its one index."""
    other = a_log(engine)
    same = an_event(1)
    loser = Log(engine, Interrupting(lambda: other.append([same], now=NOW), 1), ORIGIN)
    assert loser.append([same, an_event(2)], now=NOW) == [0, 1]
    assert other.size() == 2


def test_append_many_races_lost_is_no_reason_to_give_up(engine: Engine) -> None:
    """Two busy processes on SQLite: the one that waits for the lock loses many times in a row."""
    other = a_log(engine)
    numbers = iter(range(100, 200))
    act = lambda: other.append([an_event(next(numbers))], now=NOW)  # noqa: E731
    loser = Log(engine, Interrupting(act, 20), ORIGIN)
    assert loser.append([an_event(1)], now=NOW) == [20]


def test_append_every_race_lost_gives_up(engine: Engine) -> None:
    """A log that never wins says so, and has appended nothing."""
    other = a_log(engine)
    numbers = iter(range(100, 200))
    act = lambda: other.append([an_event(next(numbers))], now=NOW)  # noqa: E731
    loser = Log(engine, Interrupting(act, 99), ORIGIN)
    with pytest.raises(LogBusyError):
        loser.append([an_event(1)], now=NOW)
    assert loser.knows([an_event(1).event_id]) == set()


WRITER = """
import sys
from tests.log_support import *
first = int(sys.argv[2])
engine = open_engine(sys.argv[1])
log = a_log(engine)
for number in range(first, first + 40):
    while True:
        try:
            log.append(some_events(2 * number, 2), now=NOW)
            break
        except LogBusyError:
            pass
"""


def test_two_processes_by_mistake_make_one_chain(engine: Engine, engine_url: str) -> None:
    """D6: two log processes on one database, at once: every batch is there once, nothing forks."""
    program = "from audit.errors import LogBusyError\n" + WRITER
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, engine_url, str(first)],
            cwd=Path(__file__).parents[3],
        )
        for first in (0, 1000)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    log = a_log(engine)
    assert log.size() == 160
    ids = [
        an_event(2 * n + i).event_id for f in (0, 1000) for n in range(f, f + 40) for i in (0, 1)
    ]
    assert log.knows(ids) == set(ids)
    assert is_good(engine, log)


def test_append_from_many_threads_gives_each_its_own_indices(engine: Engine) -> None:
    """One log is shared between threads."""
    log = a_log(engine)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: log.append(some_events(10 * n, 10), now=NOW), range(24)))
    assert sorted(index for batch in found for index in batch) == list(range(240))
    assert is_good(engine, log)


# --- time, forks, failures ------------------------------------------------------------------------


@pytest.mark.parametrize("back", [5, 3_600, 86_400])
def test_append_clock_that_went_back_signs_nothing(engine: Engine, back: int) -> None:
    """C95, D7: time must advance; the log stops until it has, across a restart too."""
    a_log(engine).append(some_events(0, 3), now=NOW)
    before = stored(engine)
    log = a_log(engine)
    with pytest.raises(LogClockError, match=f"{back} s ahead"):
        log.append(some_events(3, 1), now=NOW - back)
    assert stored(engine) == before
    assert log.append(some_events(3, 1), now=NOW) == [3]


def test_append_caller_that_waited_a_moment_gets_the_log_s_time(engine: Engine) -> None:
    """Whoever read the clock before another one's turn is not refused; signed time stays."""
    log = a_log(engine)
    log.append([an_event(0)], now=NOW)
    log.append([an_event(1)], now=NOW - 2)
    signed = verify_checkpoint(log.checkpoint(), log.key, timestamp=log.timestamp_key)
    assert signed.time == NOW


def _flip(connection_bytes: bytes) -> bytes:
    return bytes((connection_bytes[0] ^ 1,)) + connection_bytes[1:]


def damage_tile(engine: Engine) -> None:
    with writing(engine) as connection:
        hashes = connection.execute(select(log_tiles.c.hashes)).scalar_one()
        connection.execute(update(log_tiles).values(hashes=_flip(hashes)))


def damage_checkpoint(engine: Engine) -> None:
    with writing(engine) as connection:
        note = connection.execute(select(log_head.c.checkpoint)).scalar_one()
        connection.execute(update(log_head).values(checkpoint=_flip(note)))


def damage_size(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(update(log_head).values(tree_size=log_head.c.tree_size - 1))


def damage_head(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(delete(log_head))


def sign_with_another_key(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(delete(log_head))
        for table in (log_tiles, log_entries):
            connection.execute(delete(table))
    a_log(engine, signer=SeedSigner(b"\x77" * 32)).append(some_events(0, 40), now=NOW)


def rewrite(engine: Engine) -> None:
    """Another log of the same key, longer than what stood there: a fork, signed."""
    with writing(engine) as connection:
        connection.execute(delete(log_head))
        for table in (log_tiles, log_entries):
            connection.execute(delete(table))
    a_log(engine).append(some_events(500, 40), now=NOW)


DAMAGES = [damage_tile, damage_checkpoint, damage_size, damage_head, sign_with_another_key, rewrite]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_append_over_damage_is_refused_for_good(
    engine: Engine, damage: Callable[[Engine], None]
) -> None:
    """D12, A19: what no longer fits the last signature is found before the next one."""
    log = a_log(engine)
    log.append(some_events(0, 20), now=NOW)
    damage(engine)
    before = stored(engine)
    for _ in range(2):
        with pytest.raises(LogForkError):
            log.append(some_events(20, 1), now=NOW)
    assert stored(engine) == before


@pytest.mark.parametrize("damage", DAMAGES[:-1], ids=lambda damage: damage.__name__)
def test_log_does_not_open_over_damage(engine: Engine, damage: Callable[[Engine], None]) -> None:
    """A process that starts after the damage finds it as well. (A fork needs a memory.)"""
    a_log(engine).append(some_events(0, 20), now=NOW)
    damage(engine)
    with pytest.raises(LogForkError):
        a_log(engine)


def test_append_to_a_log_that_was_rolled_back_is_refused(engine: Engine) -> None:
    """D11: an older state of the database, however well signed, is not signed over."""
    log = a_log(engine)
    log.append(some_events(0, 5), now=NOW)
    with reading(engine) as connection:
        head = connection.execute(select(log_head)).one()
        tile = connection.execute(select(log_tiles)).one()
    log.append(some_events(5, 5), now=NOW)
    with writing(engine) as connection:
        connection.execute(delete(log_entries).where(log_entries.c.leaf_index >= 5))
        connection.execute(update(log_tiles).values(hashes=tile.hashes))
        connection.execute(update(log_head).values(tree_size=5, checkpoint=head.checkpoint))
    assert is_good(engine, log)
    with pytest.raises(LogForkError, match="does not extend its first 10 entries"):
        log.append(some_events(10, 1), now=NOW)


def test_append_entry_beyond_the_head_is_a_fork(engine: Engine) -> None:
    """An entry that nobody signed for stands in the way, and is not overwritten."""
    log = a_log(engine)
    log.append(some_events(0, 2), now=NOW)
    with writing(engine) as connection:
        connection.execute(
            log_entries.insert().values(
                leaf_index=2, event_id=b"x" * 16, kind="bound", at=NOW, commitment=bytes(32)
            )
        )
    with pytest.raises(LogForkError, match="beyond entry 2"):
        log.append(some_events(2, 1), now=NOW)


def test_append_also_that_fails_appends_nothing(engine: Engine) -> None:
    """D5: a batch whose transaction fails is wholly absent, its checkpoint included."""
    log = a_log(engine)
    log.append(some_events(0, 2), now=NOW)
    before = stored(engine)

    def fail(_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        log.append(some_events(2, 5), now=NOW, also=fail)
    assert stored(engine) == before
    assert log.append(some_events(2, 5), now=NOW) == [2, 3, 4, 5, 6]
    assert is_good(engine, log)


def test_append_commit_of_unknown_fate_can_be_repeated(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that happened without an answer is found again by its event ids."""
    log = a_log(engine)
    write = log._write

    def write_and_lose_the_answer(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type] # passed on
        monkeypatch.undo()
        raise ConnectionError

    monkeypatch.setattr(log, "_write", write_and_lose_the_answer)
    with pytest.raises(ConnectionError):
        log.append(some_events(0, 3), now=NOW)
    assert log.append(some_events(0, 4), now=NOW) == [0, 1, 2, 3]
    assert is_good(engine, log)


def test_append_disk_failure_stops_the_log(sqlite_engine: Engine) -> None:
    """D3: after a failed sync nothing is tried again; a restart finds out what is durable."""
    log = a_log(sqlite_engine)
    log.append(some_events(0, 2), now=NOW)

    def fail(_: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise OperationalError("COMMIT", None, error)

    event.listen(sqlite_engine, "commit", fail)
    with pytest.raises(LogStoppedError):
        log.append(some_events(2, 1), now=NOW)
    event.remove(sqlite_engine, "commit", fail)
    with pytest.raises(LogStoppedError):
        log.append(some_events(2, 1), now=NOW)
    assert a_log(sqlite_engine).append(some_events(2, 1), now=NOW) == [2]


def test_append_disk_full_leaves_no_half_batch(sqlite_engine: Engine) -> None:
    """D4: a batch that does not fit is wholly absent; proofs go on; so does the log with room."""
    log = a_log(sqlite_engine)
    log.append(some_events(0, 50), now=NOW)
    before = stored(sqlite_engine)
    limit = text("PRAGMA max_page_count = 1")
    with sqlite_engine.connect() as connection:
        connection.execute(limit)
    with pytest.raises(OperationalError, match="full"):
        log.append(some_events(50, 500), now=NOW)
    assert stored(sqlite_engine) == before
    assert log.inclusion(7).index == 7
    with sqlite_engine.connect() as connection:
        connection.execute(text("PRAGMA max_page_count = 1000000"))
    assert log.append(some_events(50, 500), now=NOW)[-1] == 549
    assert is_good(sqlite_engine, log)


# --- proofs ---------------------------------------------------------------------------------------


def test_inclusion_of_every_entry_verifies(engine: Engine) -> None:
    """Each entry of a log that spans tiles has a proof that verifies from its text alone."""
    log = a_log(engine)
    log.append(some_events(0, 300), now=NOW)
    with reading(engine) as connection:
        entries = connection.execute(
            select(log_entries.c.commitment).order_by(log_entries.c.leaf_index)
        ).scalars()
        for index, entry in enumerate(entries):
            proof = parse_proof(encode_proof(log.inclusion(index)))
            assert verify_proof(proof, entry, log.key).checkpoint.tree_size == 300
    with pytest.raises(ValueError, match="not in a tree"):
        log.inclusion(300)


def test_consistency_between_all_published_checkpoints_verifies(engine: Engine) -> None:
    """Any two checkpoints that were ever given out are shown to be of one log."""
    log, heads = a_log(engine), []
    for start, size in ((0, 1), (1, 255), (256, 1), (257, 300)):
        log.append(some_events(start, size), now=NOW)
        heads.append(verify_checkpoint(log.checkpoint(), log.key).checkpoint)
    for new in heads:
        for old in heads[: heads.index(new) + 1]:
            proof = log.consistency(old.tree_size, new.tree_size)
            verify_consistency(old.tree_size, new.tree_size, old.root_hash, new.root_hash, proof)
    for call in (log.consistency, log.inclusion_hashes):
        with pytest.raises(ValueError, match="no 558 entries"):
            call(1, 558)
    with pytest.raises(ValueError, match="no 558 entries"):
        log.root(558)
    with pytest.raises(ValueError, match="no entry 557"):
        log.entry(557)


def test_inclusion_hashes_under_an_earlier_checkpoint_verify(engine: Engine) -> None:
    """A proof can be made for a checkpoint that somebody holds already."""
    log = a_log(engine)
    log.append(some_events(0, 300), now=NOW)
    root = log.root(200)
    log.append(some_events(300, 300), now=NOW)
    hashes = log.inclusion_hashes(17, 200)
    verify_inclusion(leaf_hash(log.entry(17)), 17, 200, hashes, root)


def test_events_of_a_person_come_with_proofs_that_open_them(engine: Engine) -> None:
    """A person gets everything about himself and nothing else, and can verify it offline."""
    log = a_log(engine)
    log.append(some_events(0, 300), now=NOW)
    subject = (3).to_bytes(16, "big")
    found = log.events_of(subject)
    assert [item.leaf_index for item in found] == [n for n in range(300) if n % 5 == 3]
    for item in found:
        assert item.event == an_event(item.leaf_index, subject=3)
        proof = parse_proof(encode_proof(item.proof))
        assert proof.extra is not None
        verify_proof(proof, hashlib.sha256(proof.extra).digest(), log.key)
        assert proof.extra[16:] == encode_event(item.event)
    assert log.events_of(bytes(15) + b"\xff") == ()


def test_events_of_a_person_of_some_kinds_leave_the_others_out(engine: Engine) -> None:
    """Whoever wants a few steps is not given everything that ever happened."""
    log = a_log(engine)
    log.append(some_events(0, 5), now=NOW)
    event = an_event(5, subject=3)._replace(kind=Kind.LOG_READ)
    log.append([event], now=NOW)
    (found,) = log.events_of((3).to_bytes(16, "big"), [Kind.LOG_READ])
    assert (found.leaf_index, found.event) == (5, event)


def test_events_of_a_person_hash_no_subtree_twice(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proofs share most of their hashes: thousands of them must not keep everybody waiting."""
    hashed: Counter[tuple[int, int]] = Counter()

    def counting(read: TileReader) -> SubtreeHash:
        subtree = subtrees(read)

        def counted(height: int, index: int) -> bytes:
            hashed[height, index] += 1
            return subtree(height, index)

        return counted

    log = a_log(engine)
    log.append(some_events(0, 300), now=NOW)
    monkeypatch.setattr(logreader, "subtrees", counting)
    assert len(log.events_of((3).to_bytes(16, "big"))) == 60
    assert set(hashed.values()) == {1}


# --- erasing --------------------------------------------------------------------------------------


def test_erase_drops_what_opens_the_entries_and_keeps_the_log(engine: Engine) -> None:
    """Erased entries say nothing and concern nobody; the log and its proofs still verify."""
    log = a_log(engine)
    log.append(some_events(0, 50), now=NOW)
    entry, subject = log.entry(3), (3).to_bytes(16, "big")
    assert log.erase(subject, now=NOW) == 10
    assert log.events_of(subject) == ()
    with reading(engine) as connection:
        row = connection.execute(select(log_entries).where(log_entries.c.leaf_index == 3)).one()
    assert (row.subject, row.salt, row.body) == (None, None, None)
    verify_proof(log.inclusion(3), entry, log.key)
    assert log.erase(subject, now=NOW) == 0
    assert log.size() == 51
    assert is_good(engine, log)
    assert log.append([an_event(3, subject=3)], now=NOW) == [3]
    assert a_log(engine).append(some_events(60, 1), now=NOW) == [51]


def test_erase_of_thousands_of_entries_is_told_in_parts(engine: Engine) -> None:
    """However much there is about a person, all of it goes, and the events that say so fit."""
    log = a_log(engine)
    log.append([an_event(n, subject=1) for n in range(2500)], now=NOW)
    assert log.erase((1).to_bytes(16, "big"), now=NOW) == 2500
    assert log.size() == 2503
    assert is_good(engine, log)


def test_erased_bytes_are_gone_from_the_file(tmp_path: Path) -> None:
    """secure_delete: the body of an erased entry is nowhere in the database's files."""
    url = f"sqlite:///{tmp_path}/log.db"
    secret = Event(b"s" * 16, Kind.BOUND, NOW, b"p" * 16, {"canary": "4f1d0c7e-canary"})
    with opened(url) as engine:
        log = a_log(engine)
        log.append([an_event(0), secret, an_event(1)], now=NOW)
        assert any(b"4f1d0c7e-canary" in path.read_bytes() for path in tmp_path.iterdir())
        log.erase(b"p" * 16, now=NOW)
    assert not any(b"4f1d0c7e-canary" in path.read_bytes() for path in tmp_path.iterdir())


def test_salts_come_from_the_randomness_that_was_given(sqlite_engine: Engine) -> None:
    """The shell passes randomness in; the log takes 16 bytes for each event and no more."""
    log, reference = a_log(sqlite_engine), pattern()
    log.append(some_events(0, 3), now=NOW)
    with reading(sqlite_engine) as connection:
        salts = connection.execute(select(log_entries.c.salt)).scalars().all()
    assert b"".join(salts) == reference(48)


def test_open_engine_again_after_closing_keeps_everything(tmp_path: Path) -> None:
    """What was appended is in the file, not in a process."""
    url = f"sqlite:///{tmp_path}/log.db"
    with opened(url) as engine:
        a_log(engine).append(some_events(0, 3), now=NOW)
        before = stored(engine)
    engine = open_engine(url)
    assert stored(engine) == before
    engine.dispose()
