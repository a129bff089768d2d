"""The auditor's replay: nothing to say about an honest database, and something about every flip."""

import contextlib
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from audit.events import Event, Kind
from issuer.between.rows import AppealRow, Held, Sent, ToldRow, WaitingRow, put
from issuer.codes.batches import take_back
from issuer.codes.issue import CodeRequest
from issuer.codes.lists import list_mac
from issuer.codes.lostpositions import lose_positions
from issuer.colour.evidence import Evidence, commitment
from issuer.colour.evidence_store import evidence_digest, retract_evidence, take_notice
from issuer.colour.notice import Entry, Notice, Retraction, sign_notice
from issuer.colour.reassess import run_jobs, run_windows
from issuer.colour.risk import RiskLevel
from issuer.models import metadata
from issuer.people.binding import Sessions
from issuer.people.identity import Identity
from issuer.recovery.reconcile import reconcile
from issuer.replay.findings import Topic
from issuer.replay.replay import Replay
from issuer.replay.replayhistory import Ground, grounds
from issuer.storage.store import write_store
from issuer.storage.tx import Done, Tx
from keys import cbor
from keys.lifecycle import Purpose
from tests.issuing_support import (
    COMPOUND,
    DAY_S,
    NOW,
    SECRETS,
    Desk,
    authority,
    contact,
    desk,
    entered,
    holder_keys,
    lives,
    signer,
    subject,
)
from tests.log_support import log_away
from tests.web_support import Phones, enrolment_over
from verifier.statuslist import Status

LATER = NOW + 3600


def busy(office: Desk) -> None:
    """A life with a bit of everything: colours, codes of both media, taken-back ones, a notice."""
    office.residents(4)
    office.record(entered(1), entered(2))
    office.issue(CodeRequest(subject(0), "phone", holder_keys(3), 3))
    office.paper(0, 1, 2, 3)
    record = contact(3)
    source = signer(Purpose.EVIDENCE.value)
    notice = Notice(1, record.record.recorded_at, "610000", source.kid.hex(), (record,), ())
    office.writer.run(lambda tx: take_notice(tx, sign_notice(notice, source)), now=NOW)
    office.raise_risk(COMPOUND, RiskLevel.MEDIUM, now=NOW + 60)
    run_jobs(office.writer, now=NOW + 120)
    office.paper(1, key="again", now=LATER)
    office.writer.run(lambda tx: reconcile(tx, office.log), now=LATER)


def enrolled(office: Desk) -> None:
    """Two people who registered; one bound, unbound, and has a code on its way."""
    phones = Phones()
    _, enrolment = enrolment_over(
        office, Sessions(office.engine, SECRETS.rows), phones, lambda: LATER
    )
    person = Identity("王秀兰", "+8613800138000", "11010519491231002X")
    enrolment.register(person, "610113")
    enrolment.register(Identity("李强", "+8613900139000"), "610113")
    for _ in range(2):
        bound = enrolment.confirm(enrolment.ask(person.name, "+8613800138000"), phones.last_code())
    enrolment.unbind(bound.subject, bound.binding_id)
    enrolment.ask("无此人", "+8613800138000")


def neighbours(office: Desk) -> None:
    """A row of every table between regions, with and without what may be missing."""
    rows: list[list[AppealRow] | list[Held] | list[Sent] | list[ToldRow] | list[WaitingRow]] = [
        [Sent(b"1" * 16, "230000", 1, NOW, b"box", 2, NOW, None)],
        [Sent(b"2" * 16, "230000", 2, NOW, None, 0, None, b"receipt")],
        [Held(b"1" * 32, "230000", 1, NOW, b"receipt", None)],
        [Held(b"2" * 32, "230000", 2, NOW, b"receipt", b"box")],
        [ToldRow(b"1" * 16, "230000", subject(3), None, NOW)],
        [ToldRow(b"2" * 16, "230000", None, b"record", NOW)],
        [WaitingRow(b"1" * 32, b"3" * 16, "230000", b"box", NOW + 60)],
        [AppealRow(b"1" * 16, subject(3), "230000", "not-me", b"1" * 16, NOW, LATER, "open")],
    ]

    def write(tx: Tx) -> Done[None]:
        for each in rows:
            put(tx, each)  # type: ignore[type-var] # one kind in each list
        return Done(None)

    office.writer.run(write, now=LATER)


@pytest.fixture
def office(engine_url: str, tmp_path: Path) -> Iterator[Desk]:
    with desk(engine_url, tmp_path, authority=authority()) as opened:
        busy(opened)
        yield opened


def topics(office: Desk, *, now: int = LATER) -> set[Topic]:
    return {finding.topic for finding in office.findings(now=now)}


def tamper(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def test_replay_of_an_honest_database_finds_nothing(office: Desk) -> None:
    """What the issuer wrote is what the log says and what the rules give."""
    run = Replay(office.engine, office.log, SECRETS, office.writer.authority, now=LATER)
    assert list(run.findings()) == []
    assert (run.people, run.codes) == (4, 8)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE decision SET colour = 0 WHERE colour = 2", Topic.DECISION),
        ("UPDATE evidence SET value = 'suspected' WHERE kind = 'contact'", Topic.EVIDENCE),
        ("UPDATE evidence SET value = 'rumour' WHERE kind = 'contact'", Topic.EVIDENCE),
        ("DELETE FROM evidence WHERE kind = 'contact'", Topic.EVIDENCE),
        ("DELETE FROM decision", Topic.DECISION),
        ("DELETE FROM code_batch", Topic.BATCH),
        ("DELETE FROM subject", Topic.KEY),
        ("DELETE FROM status_change", Topic.STATUS),
        ("UPDATE code_batch SET taken_back = NULL", Topic.BATCH),
        ("UPDATE status_list SET cursor = 0", Topic.LIST),
        ("UPDATE code_key SET codes = 7", Topic.SIGNATURES),
        ("DELETE FROM code_key", Topic.SIGNATURES),
        ("DELETE FROM rule_set", Topic.POLICY),
        ("DELETE FROM risk_table WHERE version = 1", Topic.POLICY),
    ],
)
def test_replay_after_a_change_by_sql_names_it(
    office: Desk, statement: str, expected: Topic
) -> None:
    """Whoever can write to the database, and only there, does not get through unseen."""
    tamper(office.engine, statement)
    assert expected in topics(office)


@pytest.mark.parametrize("table", ["identity", "identity_index"])
def test_replay_a_person_whom_nobody_finds_any_more_is_found(office: Desk, table: str) -> None:
    """Who is not found registers anew, as somebody about whom there is no evidence."""
    enrolled(office)
    assert topics(office) == set()
    tamper(office.engine, f"DELETE FROM {table}")  # noqa: S608 # one of two names
    assert topics(office) == {Topic.PERSON}


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (
            "DELETE FROM risk_table WHERE version = 1",
            "risk table version 1 was adopted, and is gone",
        ),
        ("UPDATE risk_table SET adopted_at = 1 WHERE version = 2", "risk table version 2: the log"),
        ("DELETE FROM rule_set", "rule set shaanxi-2020-12 version 1 was adopted, and is gone"),
        ("UPDATE notice SET number = 9", "the last notice of "),
    ],
)
def test_replay_names_the_document_that_was_changed(
    office: Desk, statement: str, named: str
) -> None:
    """An auditor looks at one row, not through the table."""
    tamper(office.engine, statement)
    assert any(named in finding.why for finding in office.findings(now=LATER))


def test_replay_evidence_added_by_sql_is_found(office: Desk) -> None:
    """A record that nobody recorded is found, even where it is perfectly formed."""
    tamper(
        office.engine,
        "INSERT INTO evidence SELECT subject, event_id, 'symptom', 1607800000, NULL, '', 'cough',"
        " '00000000', '610000', 1607800000 FROM decision WHERE colour = 0",
    )
    assert {Topic.EVIDENCE, Topic.COLOUR} <= topics(office)


@pytest.mark.parametrize("is_all_there", [True, False])
def test_replay_evidence_added_by_sql_and_gone_again_is_found(
    office: Desk,
    is_all_there: bool,  # noqa: FBT001 # a case
) -> None:
    """Red for a day: whoever writes into the database and tidies up is found out by the log."""
    if not is_all_there:  # what was taken back is deleted: nobody computes a decision on it again
        retracted(office, contact(0))
    forged = contact(0, at=NOW - 2 * DAY_S)
    with write_store(office.engine) as store:
        store.run(
            "INSERT INTO evidence SELECT ?, ?, kind, at, until, place, value, source,"
            " origin_region, recorded_at FROM evidence WHERE kind = 'contact'",
            (forged.subject, forged.record.evidence_id),
        )
    office.paper(0, key="red", now=LATER)
    assert office.colours()[subject(0)] == 2
    with write_store(office.engine) as store:
        store.run("DELETE FROM evidence WHERE evidence_id = ?", (forged.record.evidence_id,))
    office.paper(0, key="green", now=LATER)
    assert office.colours()[subject(0)] == 0
    assert topics(office) == {Topic.EVIDENCE}


def test_replay_decision_of_another_colour_in_between_is_found(office: Desk) -> None:
    """A changed issuer says red once, about the evidence that there is, and takes it back."""
    *_, decided = (
        logged.event
        for logged in office.log.events_of(subject(0))
        if logged.event.kind is Kind.DECIDED
    )
    red = decided._replace(event_id=b"r" * 16, details={**decided.details, "colour": 2})
    office.log.append([red], now=LATER)
    office.record(lives(0, "610113"), now=LATER)
    assert topics(office) == {Topic.COLOUR}


def test_grounds_are_told_as_far_as_they_can_be() -> None:
    """What was taken back is gone, and a copy may have held less than the log had told of."""
    home, gone = lives(0).record, contact(0).record

    def event(kind: Kind, at: int, **details: cbor.Value) -> Event:
        return Event(at.to_bytes(16, "big"), kind, at, subject(0), details)

    def noted(kind: Kind, at: int, record: Evidence) -> Event:
        return event(kind, at, id=record.evidence_id, digest=evidence_digest(record))

    events = [
        noted(Kind.EVIDENCE_RECORDED, 1, home),
        event(Kind.DECIDED, 2, evidence=b"computed"),
        noted(Kind.EVIDENCE_RECORDED, 3, gone),
        event(Kind.DECIDED, 4, evidence=b"taken for it"),
        event(Kind.DECIDED, 5, evidence=b"another"),
        noted(Kind.EVIDENCE_RETRACTED, 6, gone),
        event(Kind.DECIDED, 7, evidence=b"computed again"),
        event(Kind.DECIDED, 9, evidence=b"restored"),
        event(Kind.DECIDED, 10, evidence=b"restored twice"),
    ]
    found = [ground for _, ground in grounds(events, [home], [8, 10])]
    known, taken = Ground(commitment([home]), [home]), Ground(b"taken for it", None)
    later = [Ground(b"restored", None), Ground(b"restored twice", None)]
    assert found == [known, taken, taken, known, *later]


def retracted(office: Desk, entry: Entry) -> None:
    """Recorded, and taken back by its source."""
    record = entry.record
    back = Retraction(entry.subject, record.evidence_id, record.source, LATER)
    office.record(entry, now=LATER)
    office.writer.run(lambda tx: retract_evidence(tx, [back]), now=LATER)


def test_replay_an_old_decision_brought_back_is_found(office: Desk) -> None:
    """A decision that was right once, and is in the log, is not the last one."""
    with office.engine.begin() as connection:
        row = connection.execute(
            metadata.tables["decision"]
            .select()
            .where(metadata.tables["decision"].c.subject == subject(3))
        ).one()
    assert row.colour == 2
    old = next(
        logged.event
        for logged in office.log.events_of(subject(3))
        if logged.event.kind == "decided"
    )
    with office.engine.begin() as connection:
        connection.execute(
            metadata.tables["decision"].update().where(
                metadata.tables["decision"].c.subject == subject(3)
            ).values(
                colour=old.details["colour"], reasons=old.details["reasons"],
                evidence_commitment=old.details["evidence"], changes_at=old.details["changes"],
                decided_at=old.at, event_id=old.event_id, cause=old.details["cause"],
            )
        )  # fmt: skip
    assert topics(office) == {Topic.DECISION}


def test_replay_when_a_window_has_ended_says_that_it_is_late(office: Desk) -> None:
    """A colour that should have changed by itself is found until somebody looks again."""
    ended = NOW + 20 * DAY_S
    assert topics(office, now=ended) == {Topic.LATE}
    run_windows(office.writer, now=ended)
    assert topics(office, now=ended) == set()


def test_replay_when_a_job_waits_says_that_it_is_late(office: Desk) -> None:
    """A change of risk that nobody followed up is found, whether the job's row is there or not."""
    office.raise_risk("610102", RiskLevel.HIGH, now=LATER)
    tamper(office.engine, "DELETE FROM job")
    assert topics(office) == {Topic.LATE}


def test_replay_events_still_owed_to_the_log_are_no_findings(office: Desk) -> None:
    """Between the two commits the outbox speaks for the log."""
    with log_away(office.log), pytest.raises(OSError, match="away"):
        office.paper(2, key="unheard", now=LATER)
    assert topics(office) == set()


def erase(office: Desk) -> None:
    """Withdraw the first person's codes and destroy the key."""

    def work(tx: Tx) -> Done[None]:
        taken = take_back(tx, [subject(0)], Status.WITHDRAWN)
        tx.store.run(
            "UPDATE subject SET wrapped_key = ? WHERE subject = ?", (bytes(72), subject(0))
        )
        erased = Event(tx.event_id(), Kind.PERSON_ERASED, tx.now, subject(0), {})
        return Done(None, [*taken, erased])

    office.writer.run(work, now=LATER)


def test_replay_of_an_erased_person_finds_nothing_and_their_codes_are_withdrawn(
    office: Desk,
) -> None:
    """Erasing destroys the key; the codes are taken back before nobody can tell them any more."""

    erase(office)
    with office.engine.connect() as connection:
        statuses = connection.execute(text("SELECT status FROM status_change")).scalars().all()
    assert statuses.count(Status.WITHDRAWN) == 4
    assert topics(office) == set()


def test_replay_a_key_brought_back_after_its_erasure_is_found(office: Desk) -> None:
    """Whoever kept the row of an erased person cannot put it back unseen."""
    people = metadata.tables["subject"]
    is_first = people.c.subject == subject(0)
    with office.engine.connect() as connection:
        kept = connection.execute(people.select().where(is_first)).one()
    erase(office)
    with office.engine.begin() as connection:
        connection.execute(people.update().where(is_first).values(wrapped_key=kept.wrapped_key))
    assert topics(office) == {Topic.KEY}


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO status_change SELECT min(number), 7, 1, 0 FROM status_list",
        "DELETE FROM status_change WHERE status = 1",
    ],
)
def test_replay_after_an_erasure_still_sees_what_is_taken_back(
    office: Desk, statement: str
) -> None:
    """What an erased person held explains so many entries of the lists, no more and no fewer."""
    erase(office)
    tamper(office.engine, statement)
    assert topics(office) == {Topic.STATUS}


def test_replay_a_key_destroyed_without_a_word_in_the_log_is_found(office: Desk) -> None:
    """Zeros in place of a key are an erasure only if the log says so."""
    tamper(office.engine, "UPDATE subject SET wrapped_key = '' WHERE created_at > 0")
    assert Topic.KEY in topics(office)


def flips(value: object) -> list[object]:
    """Other values: one bit elsewhere, in the first byte and in the last, or another type."""
    if value is None:
        return [0]
    if isinstance(value, int):
        return [value ^ 1, "text"]
    raw = value.encode() if isinstance(value, str) else value
    assert isinstance(raw, bytes)
    changed = [_flipped(raw, i) for i in {0, len(raw) - 1} if raw] or [b"x"]
    return [data.decode("ascii") if isinstance(value, str) else data for data in changed]


def _flipped(data: bytes, index: int) -> bytes:
    return data[:index] + bytes((data[index] ^ 1,)) + data[index + 1 :]


def lost_list(tx: Tx) -> Done[None]:
    """A list of which a restored copy knows nothing but that it is used up."""
    row = (1500, 0, 4, 4)
    tx.store.run(
        "INSERT INTO status_list VALUES (?, ?, ?, ?, ?)", (*row, list_mac(tx.secrets, *row))
    )
    lose_positions(tx, 1500, 0)
    return Done(None)


def test_replay_every_flipped_column_of_every_row_is_found(tmp_path: Path) -> None:
    """No column of any table can be changed unseen. Exhaustive over a small life."""
    path = tmp_path / "issuer.db"
    with desk(f"sqlite:///{path}", tmp_path, authority=authority()) as office:
        busy(office)
        enrolled(office)
        neighbours(office)
        office.raise_risk("610102", RiskLevel.LOW, now=LATER)  # a job that waits
        office.writer.run(lost_list, now=LATER)
        assert topics(office) == set()
        tried = 0
        with sqlite3.connect(path, isolation_level=None) as raw:
            for table in metadata.sorted_tables:
                tried += _flip_table(raw, office, table.name)
        assert tried > 400
        assert topics(office) == set()


def _flip_table(raw: sqlite3.Connection, office: Desk, table: str) -> int:
    """Change one value at a time, and put it back."""
    names = [column.name for column in metadata.tables[table].columns]
    same = " AND ".join(f"{name} IS ?" for name in names)
    delete = f"DELETE FROM {table} WHERE {same}"  # noqa: S608 # names of our own models
    insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})"  # noqa: S608 # same
    rows = raw.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()  # noqa: S608 # same
    assert rows, table
    tried = 0
    for row in rows:
        for place, value in enumerate(row):
            for other in flips(value):
                changed = (*row[:place], other, *row[place + 1 :])
                raw.execute(delete, row)
                try:
                    raw.execute(insert, changed)
                except sqlite3.IntegrityError:  # the database itself does not take it
                    raw.execute(insert, row)
                    continue
                found = topics(office)
                raw.execute(delete, changed)
                raw.execute(insert, row)
                assert found, f"{table}.{names[place]}: {value!r} -> {other!r}"
                tried += 1
    return tried


def test_replay_byte_flipped_in_the_file_is_found_or_changes_nothing(tmp_path: Path) -> None:
    """Of bytes anywhere in the file: whatever changes a value is found."""
    path = tmp_path / "issuer.db"
    draw = random.Random(610000)  # noqa: S311 # a test's choices
    with desk(f"sqlite:///{path}", tmp_path, authority=authority()) as office:
        busy(office)
        enrolled(office)
        neighbours(office)
        with sqlite3.connect(path) as raw:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        office.engine.dispose()
        good, rows = path.read_bytes(), _content(path)
        found = 0
        for _ in range(250):
            at = draw.randrange(len(good))
            flipped = good[:at] + bytes((good[at] ^ 1 << draw.randrange(8),)) + good[at + 1 :]
            path.write_bytes(flipped)
            if topics(office):
                found += 1
            else:
                assert _content(path) == rows, at
            office.engine.dispose()
        path.write_bytes(good)
        assert topics(office) == set()
        assert found > 15


def _content(path: Path) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as raw:
        return [
            row
            for table in metadata.sorted_tables
            for row in sorted(raw.execute(f"SELECT * FROM {table.name}"), key=repr)  # noqa: S608
        ]
