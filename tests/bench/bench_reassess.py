"""Re-assessment of a whole population when one compound's risk rises, and the auditor's replay.

`python -m tests.bench.bench_reassess --people N --concerned M` for other sizes.

Everybody has three records; M people live in the compound and hold a code each. The risk table that
makes the compound a medium-risk place is adopted and the job is run: people found, evidence read
and assessed, decisions written and logged, codes unsealed and superseded, the status list signed.

The reference is what nobody could leave out, without any of our code: plain SQL that reads the
same rows (evidence, decision, batch, key), then bare loops over hashlib and libsodium: per person
SHA-256 over each record, over the set, and two log entries with leaf and node each (10 hashes),
and one Ed25519 signature. We make no signature per person ourselves, so the ratio without it is
printed beside, without a target. The replay is timed on people whose whole history is in the log.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from audit.database import writing
from issuer.codes.issue import CodeRequest
from issuer.codes.lists import SPREAD_S
from issuer.colour.evidence import encode_evidence
from issuer.colour.reassess import run_jobs
from issuer.colour.risk import RiskLevel
from issuer.publication.publish import Publisher
from keys.lifecycle import Purpose
from tests.bench.harness import Row, at_most, stated
from tests.issuing_support import (
    DAY_S,
    NOW,
    RULE_SET,
    Desk,
    authority,
    desk,
    lives,
    signer,
    subject,
)

PEOPLE: Final = 1_000_000
CONCERNED: Final = 20_000
REPLAYED: Final = 10_000
#: A compound in Xi'an that was never anything but low.
COMPOUND: Final = "610103-bench"
_EVIDENCE: Final = "INSERT INTO evidence VALUES (?, ?, ?, ?, NULL, ?, ?, ?, '610000', ?)"
_SUBJECT: Final = "INSERT INTO subject VALUES (?, ?, ?)"
_DECISION: Final = "INSERT INTO decision VALUES (?, 0, ?, 1, 1, ?, 'green', ?, NULL, 'evidence', ?)"
_THEIRS: Final = "WHERE x.subject IN (SELECT subject FROM evidence WHERE place = ?)"
_READ: Final = tuple(
    f"SELECT x.* FROM {table} x {_THEIRS}"  # noqa: S608
    for table in ("evidence", "decision", "code_batch", "subject")
)


def run(
    people: int = PEOPLE, concerned: int = CONCERNED, replayed: int = REPLAYED
) -> Iterator[Row]:
    """The rows of the report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        # In a process of its own, so that its memory is not mistaken for the re-assessment's.
        maker = get_context("spawn").Process(target=_make, args=(folder, people, concerned))
        maker.start()
        maker.join()
        if maker.exitcode:
            raise RuntimeError("the people could not be made")
        yield stated(f"{people:,} people with 3 records made", time.perf_counter() - start, "s")
        with _office(folder, adopted=False) as office:
            yield from _raise(office, folder, concerned)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _office(folder) as office:
            yield from _replay(office, replayed)


def _office(folder: Path, *, adopted: bool = True) -> AbstractContextManager[Desk]:
    url = f"sqlite:///{folder}/issuer.db"
    return desk(url, folder, authority=authority(), name=None, adopted=adopted)


def _make(folder: Path, people: int, concerned: int) -> None:
    with _office(folder) as office:
        _populate(office, people, concerned)


def _raise(office: Desk, folder: Path, concerned: int) -> Iterator[Row]:
    publisher = Publisher(office.writer, folder / "public", signer(Purpose.STATUS.value))
    publisher.publish_all(b"", now=NOW)
    _forget_peak()
    before = _memory_mib("VmRSS")
    start = time.perf_counter()
    office.raise_risk(COMPOUND, RiskLevel.MEDIUM, now=NOW + 60)
    done = run_jobs(office.writer, now=NOW + 60)
    publisher.publish_changed(now=NOW + 60 + SPREAD_S)
    took = time.perf_counter() - start
    if (done.seen, done.recoloured) != (concerned, concerned):
        raise AssertionError(f"{done} instead of {concerned} people")
    grown = _memory_mib("VmHWM") - before
    reading, hashing, signing = _reference(office)
    yield stated("reference: plain SQL reads their rows", reading, "s")
    yield stated("reference: raw loops hash", hashing, "s")
    yield stated("reference: raw loop signs", signing, "s")
    yield stated(f"{concerned:,} concerned: decided, logged, superseded", took, "s")
    yield at_most("against the reference", took / (reading + hashing + signing), 4)
    yield stated("against the reference without signatures", took / (reading + hashing), "x")
    yield at_most("memory grows by", grown, 64, "MiB")


def _forget_peak() -> None:
    """Let the kernel count VmHWM from now on. Source: proc(5), clear_refs."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _memory_mib(name: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def _populate(office: Desk, people: int, concerned: int) -> None:
    """Bulk inserts; the people concerned go through the issuer's own doors as well."""
    source = signer(Purpose.EVIDENCE.value).kid.hex()
    with writing(office.engine) as connection:
        cursor: Any = connection.connection.cursor()
        # In the order of the tables' keys: a million rows in any other order take minutes.
        others = sorted(range(concerned, people), key=subject)
        cursor.executemany(_SUBJECT, ((subject(n), bytes(72), NOW) for n in others))
        cursor.executemany(_EVIDENCE, _records(others, source, concerned))
        cursor.executemany(_DECISION, (_decision(n) for n in others))
        cursor.close()
    for first in range(0, concerned, 2_000):
        numbers = range(first, min(first + 2_000, concerned))
        office.add_people(numbers)
        _record_quietly(office, numbers, source, concerned)
        office.issue(*(CodeRequest(subject(n), "paper") for n in numbers))


def _records(numbers: Iterable[int], source: str, concerned: int) -> Iterator[tuple[object, ...]]:
    at = NOW - 20 * DAY_S
    for number in numbers:
        whom, tag = subject(number), number.to_bytes(15, "big")
        place = COMPOUND if number < concerned else f"6101{2 + number % 11:02d}"
        yield whom, b"r" + tag, "residence", at, place, "lives", source, at
        yield whom, b"s" + tag, "sample", at, "", "taken", source, at
        yield whom, b"t" + tag, "result", at, "", "negative", source, at


def _record_quietly(office: Desk, numbers: range, source: str, concerned: int) -> None:
    """Evidence as rows alone: the re-assessment does not look at the log."""
    with writing(office.engine) as connection:
        cursor: Any = connection.connection.cursor()
        cursor.executemany(_EVIDENCE, _records(numbers, source, concerned))
        cursor.close()


def _decision(number: int) -> tuple[object, ...]:
    event_id = number.to_bytes(16, "big")
    return subject(number), RULE_SET, event_id * 2, NOW, event_id


def _reference(office: Desk) -> tuple[float, float, float]:
    """Seconds of plain SQL, of hashing, of signing, for the rows of the people concerned."""
    sign, sha256 = signer("reference").sign, hashlib.sha256
    with office.engine.connect() as connection:
        cursor: Any = connection.connection.cursor()
        start = time.perf_counter()
        read = [cursor.execute(sql, (COMPOUND,)).fetchall() for sql in _READ]
        reading = time.perf_counter() - start
        cursor.close()
    people = len(read[1])
    record = encode_evidence(lives(0).record)
    start = time.perf_counter()
    for _ in range(people):
        for _ in range(10):
            sha256(record).digest()
    hashing = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(people):
        sign(record)
    return reading, hashing, time.perf_counter() - start


def _replay(office: Desk, people: int) -> Iterator[Row]:
    office.residents(people)
    for first in range(0, people, 1_000):
        office.paper(*range(first, min(first + 1_000, people)))
    start = time.perf_counter()
    found = office.findings()
    took = time.perf_counter() - start
    if found:
        raise AssertionError(found[:3])
    yield stated("replay of everything about a person", took / people * 1e6, "us")
    yield stated("replay of a million people would take", took / people * 1e6 / 60, "min")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--concerned", type=int, default=CONCERNED)
    arguments = parser.parse_args()
    for row in run(arguments.people, arguments.concerned):
        print(f"{row.name:<60}{row.value:>14,.3f} {row.unit:<6}{row.target}")


if __name__ == "__main__":
    main()
