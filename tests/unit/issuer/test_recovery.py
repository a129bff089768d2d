"""Between the two commits: what is owed to the log is paid before anything is released."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine

from audit.database import create_tables, open_engine
from audit.events import Event, Kind
from audit.log import Log
from audit.models import metadata as audit_metadata
from issuer.errors import IntegrityError, LogBehindError
from issuer.storage import writer as writer_module
from issuer.storage.core import Secrets
from issuer.storage.store import Store, read_store, write_store
from issuer.storage.writer import Writer
from tests.issuing_support import (
    NOW,
    SECRETS,
    Desk,
    authority,
    contact,
    desk,
    entered,
    signer,
    subject,
)

if TYPE_CHECKING:
    from issuer.codes.issue import Issued


@pytest.fixture
def office(engine_url: str, tmp_path: Path) -> Iterator[Desk]:
    with desk(engine_url, tmp_path, authority=authority()) as opened:
        yield opened


def reopened(office: Desk) -> Writer:
    """What a new process has: the databases, and no memory."""
    log = Log(office.audit_engine, signer("checkpoint"), "celadon.test/log")
    return Writer(office.engine, log, SECRETS, office.writer.authority)


def outbox(office: Desk) -> int:
    with read_store(office.engine) as store:
        return len(store.rows("SELECT sequence FROM outbox"))


def test_recovery_after_a_crash_between_the_commits_appends_what_was_staged(
    office: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch was made and nobody had it: after recovery the log has it, and a retry gets it."""
    office.residents(1)
    with monkeypatch.context() as patched:
        patched.setattr(office.log, "append", _gone)
        with pytest.raises(SystemExit):
            office.paper(0)
    writer = reopened(office)
    assert writer.recover(now=NOW + 1) == 1
    office.writer = writer
    (made,) = office.paper(0, now=NOW + 2)
    assert made.repeated
    assert office.findings() == []
    assert reopened(office).recover(now=NOW + 3) == 0


def _gone(*_: object, **__: object) -> list[int]:
    raise SystemExit


@pytest.mark.parametrize("is_durable", [True, False])
def test_commit_of_unknown_fate_is_in_the_log_before_the_next_answer(
    office: Desk,
    monkeypatch: pytest.MonkeyPatch,
    is_durable: bool,  # noqa: FBT001 # a case
) -> None:
    """The line broke at the commit: whether it stands is looked up, without a new process."""
    office.residents(1)

    @contextmanager
    def broken(engine: Engine) -> Iterator[Store]:
        with write_store(engine) as store:
            yield store
            if not is_durable:
                raise ConnectionError
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(writer_module, "write_store", broken)
        with pytest.raises(ConnectionError):
            office.record(contact(0))
    assert office.colours()[subject(0)] == (2 if is_durable else 0)
    (made,) = office.paper(0, now=NOW + 1)
    assert made.colour == office.colours()[subject(0)]
    assert office.findings(now=NOW + 1) == []
    assert reopened(office).recover(now=NOW + 2) == 0


def test_recovery_without_a_crash_owes_nothing(office: Desk) -> None:
    """One settled row stays, to remember the log's size; it is paid already."""
    office.residents(3)
    office.paper(0, 1)
    assert outbox(office) == 1
    assert reopened(office).recover(now=NOW) == 0


def test_recovery_beside_a_process_that_goes_on_takes_its_entries_for_what_they_are(
    office: Desk,
) -> None:
    """A log that another process made longer is not one out of an older copy."""
    idle = reopened(office)
    office.residents(2)
    office.paper(0, 1)
    size = office.log.size()
    assert idle.recover(now=NOW) == 0
    assert office.log.size() == size
    office.paper(0, key="again")
    assert office.findings() == []


def test_recovery_that_owes_nothing_leaves_no_row_behind(office: Desk) -> None:
    """The next transaction takes the place of what an earlier process had settled."""
    office.residents(3)
    for person in range(3):
        office.writer = reopened(office)
        assert office.writer.recover(now=NOW) == 0
        office.paper(person)
    assert outbox(office) == 1


def test_recovery_is_repeatable(office: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash during recovery is no other crash."""
    office.residents(1)
    with monkeypatch.context() as patched:
        patched.setattr(office.log, "append", _gone)
        with pytest.raises(SystemExit):
            office.record(contact(0))
    size = office.log.size()
    for owed in (2, 0, 0):
        assert reopened(office).recover(now=NOW + 1) == owed
    kinds = [logged.event.kind for logged in office.log.events_of(subject(0))]
    assert kinds[-2:] == [Kind.EVIDENCE_RECORDED, Kind.DECIDED]
    assert office.log.size() == size + 2


def test_recovery_with_a_log_from_an_older_copy_refuses(office: Desk, tmp_path: Path) -> None:
    """Entries that were there once are missing: nothing is issued on top of that."""
    office.residents(2)
    office.paper(0)
    office.paper(1)
    older = open_engine(f"sqlite:///{tmp_path}/older.db")
    try:
        create_tables(older, audit_metadata)
        writer = Writer(
            office.engine, Log(older, signer("checkpoint"), "celadon.test/log"), SECRETS,
            office.writer.authority,
        )  # fmt: skip
        with pytest.raises(LogBehindError, match="once it had"):
            writer.recover(now=NOW)
    finally:
        older.dispose()


def test_recovery_with_a_changed_outbox_refuses(office: Desk) -> None:
    """Nobody slips an event into the log through the outbox."""
    office.residents(1)
    with write_store(office.engine) as store:
        store.run("UPDATE outbox SET tree_size = tree_size - 1")
    with pytest.raises(IntegrityError, match="outbox"):
        reopened(office).recover(now=NOW)


def test_recovery_under_other_secrets_refuses(office: Desk) -> None:
    """A keystore of another installation does not go with this database."""
    office.residents(1)
    other = Secrets(SECRETS.kek, SECRETS.positions, b"other secret for all the rows...")
    log = Log(office.audit_engine, signer("checkpoint"), "celadon.test/log")
    with pytest.raises(IntegrityError):
        Writer(office.engine, log, other, office.writer.authority).recover(now=NOW)


def test_a_repeated_batch_is_not_released_before_the_log_has_it(
    office: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process died between its commits: whoever asks again gets the codes all the same."""
    office.residents(1)
    with monkeypatch.context() as patched:
        patched.setattr(office.log, "append", _gone)
        with pytest.raises(SystemExit):
            office.paper(0)
    office.writer = reopened(office)
    (made,) = office.paper(0)
    assert made.repeated
    assert office.log.knows([made.event_id]) == {made.event_id}


def test_a_repeated_batch_that_no_log_has_is_not_released(office: Desk, tmp_path: Path) -> None:
    """The log is another one, or lost its end: its codes are nobody's."""
    office.residents(1)
    office.paper(0)
    with write_store(office.engine) as store:
        store.run("DELETE FROM outbox")
    other = open_engine(f"sqlite:///{tmp_path}/other.db")
    try:
        create_tables(other, audit_metadata)
        log = Log(other, signer("checkpoint"), "celadon.test/log")
        office.writer = Writer(office.engine, log, SECRETS, office.writer.authority)
        with pytest.raises(LogBehindError, match="recover"):
            office.paper(0)
    finally:
        other.dispose()


def test_a_transaction_that_fails_owes_nothing(office: Desk) -> None:
    """What was rolled back is neither in the outbox nor in the log."""
    office.residents(1)
    size = office.log.size()
    with pytest.raises(ZeroDivisionError):
        office.writer.run(lambda tx: tx.store.run("DELETE FROM evidence") // 0, now=NOW)  # type: ignore[arg-type,return-value] # meant to fail
    office.paper(0)
    assert office.log.size() == size + 1
    assert office.findings() == []


@contextmanager
def two_desks(engine_url: str, folder: Path) -> Iterator[tuple[Desk, Desk]]:
    """Two processes on one database."""
    with (
        desk(engine_url, folder, authority=authority()) as one,
        desk(engine_url, folder, authority=authority(), name="two", adopted=False) as two,
    ):
        yield one, two


@contextmanager
def slow_log(office: Desk, work: Callable[[], object]) -> Iterator[None]:
    """Somebody does *work* while *office* has committed and its log has not got the events yet."""
    append = office.log.append

    def late(events: Iterable[Event], *, now: int, bodies: Iterable[bytes]) -> list[int]:
        work()
        return append(events, now=now, bodies=bodies)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(office.log, "append", late)
        yield


def test_two_writers_in_turn_never_use_a_position_twice(engine_url: str, tmp_path: Path) -> None:
    """Two processes on one database: every batch has positions of its own, and one log."""
    with two_desks(engine_url, tmp_path) as (one, two):
        one.residents(12)
        for number in range(12):
            (one, two)[number % 2].paper(number)
        assert one.findings() == []


def test_what_another_process_did_before_stands_before_in_the_log(
    engine_url: str, tmp_path: Path
) -> None:
    """The log is slow in one process: the other one's later decision does not overtake."""
    with two_desks(engine_url, tmp_path) as (slow, other):
        slow.residents(1)
        with slow_log(slow, lambda: other.record(entered(0))):
            slow.record(contact(0))
        assert slow.findings() == []
        for key in ("once", "twice"):
            slow.paper(0, key=key)
        assert outbox(slow) == 1


def test_the_same_request_in_two_processes_at_once_gets_the_same_codes(
    engine_url: str, tmp_path: Path
) -> None:
    """One has made the batch and not told the log yet when the other one finds it."""
    with two_desks(engine_url, tmp_path) as (slow, other):
        slow.residents(1)
        found: list[Issued] = []
        with slow_log(slow, lambda: found.extend(other.paper(0))):
            (made,) = slow.paper(0)
        assert [(again.codes, again.repeated) for again in found] == [(made.codes, True)]
        assert slow.findings() == []
