"""The audit log: what appending, proving and verifying cost beside the bare hashing and SQLite.

The reference does the least that such a log could do: three SHA-256 for each event (commitment,
leaf, node) and one `executemany` into a table with the same columns and indexes, synced as ours.
"""

import hashlib
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from audit.database import create_tables, open_engine
from audit.events import Event, Kind, encode_event
from audit.log import Log
from audit.models import metadata
from audit.verify import Verified, verify_log
from keys.signer import SeedSigner
from tests.bench.harness import Row, at_least, at_most, stated
from tests.postgres_support import postgres_server

ORIGIN: Final = "celadon.example/log"
NOW: Final = 1_607_817_600
BATCH: Final = 1_000
ROUNDS: Final = 31
LARGE: Final = 1_000_000

_TABLE: Final = (
    "CREATE TABLE entries (leaf_index INTEGER PRIMARY KEY, event_id BLOB NOT NULL UNIQUE,"
    " kind TEXT NOT NULL, at INTEGER NOT NULL, subject BLOB, salt BLOB, body BLOB,"
    " commitment BLOB NOT NULL) STRICT"
)


def events(number: int) -> list[Event]:
    """Decisions about as many people."""
    return [
        Event(os.urandom(16), Kind.DECIDED, NOW, os.urandom(16),
              {"colour": 1, "rules": "shaanxi-2020-12", "version": 1, "evidence": os.urandom(32)})
        for _ in range(number)
    ]  # fmt: skip


class Bare:
    """SQLite and SHA-256, and nothing around them."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
                          "PRAGMA secure_delete = ON", _TABLE,
                          "CREATE INDEX by_subject ON entries (subject)"):  # fmt: skip
            self._connection.execute(statement)
        self._size = 0

    def append(self, bodies: list[tuple[Event, bytes]]) -> None:
        rows = []
        for event, body in bodies:
            salt = os.urandom(16)
            entry = hashlib.sha256(salt + body).digest()
            leaf = hashlib.sha256(b"\x00" + entry).digest()
            hashlib.sha256(b"\x01" + leaf + leaf).digest()
            rows.append((self._size, event.event_id, "decided", event.at, event.subject, salt, body,
                         entry))  # fmt: skip
            self._size += 1
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._connection.execute("COMMIT")


def run() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="celadon-bench-") as name:
        folder = Path(name)
        yield from _appending(folder)
        yield from _large(folder)
    yield from _postgresql()


def _opened(url: str) -> tuple[Engine, Log]:
    engine = open_engine(url)
    create_tables(engine, metadata)
    return engine, Log(engine, SeedSigner(bytes(32)), ORIGIN)


def _cpu(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def _appending(folder: Path) -> Iterator[Row]:
    engine, log = _opened(f"sqlite:///{folder}/log.db")
    bare = Bare(folder / "bare.db")
    ours, reference, wall = [], [], []
    for _ in range(ROUNDS):
        batch = events(BATCH)
        bodies = [(event, encode_event(event)) for event in batch]
        reference.append(_cpu(partial(bare.append, bodies)))
        start = time.perf_counter()
        ours.append(_cpu(partial(log.append, batch, now=NOW)))
        wall.append(time.perf_counter() - start)
    per_event, per_bare = statistics.median(ours) / BATCH, statistics.median(reference) / BATCH
    yield stated("append, CPU per event in batches of 1,000", per_event * 1e6, "us")
    yield at_most("append / bare SHA-256 and SQLite, CPU", per_event / per_bare, 2)
    yield stated(
        "append, events a second in batches of 1,000", BATCH / statistics.median(wall), "/s"
    )
    singles = []
    for event in events(200):
        start = time.perf_counter()
        log.append([event], now=NOW)
        singles.append(time.perf_counter() - start)
    single = statistics.median(singles)
    yield stated("append, events a second one by one", 1 / single, "/s")
    gain = single * BATCH / statistics.median(wall)
    yield at_least("append, a batch of 1,000 / one by one", gain, 15)
    engine.dispose()


def _large(folder: Path) -> Iterator[Row]:
    engine, log = _opened(f"sqlite:///{folder}/large.db")
    for _ in range(LARGE // 20_000):
        log.append(events(20_000), now=NOW)
    proofs: dict[str, Callable[[int], object]] = {
        "inclusion proof in a log of 1,000,000": log.inclusion,
        "consistency proof in a log of 1,000,000": partial(log.consistency, new=LARGE),
    }
    for name, prove in proofs.items():
        times = []
        for index in range(1, LARGE, LARGE // 101):
            start = time.perf_counter()
            prove(index)
            times.append(time.perf_counter() - start)
        yield at_most(name, statistics.median(times) * 1e3, 5, "ms")
    start = time.perf_counter()
    reopened = Log(engine, SeedSigner(bytes(32)), ORIGIN)
    yield stated("opening a log of 1,000,000", (time.perf_counter() - start) * 1e3, "ms")
    start = time.perf_counter()
    verdict = verify_log(engine, reopened.key)
    if not isinstance(verdict, Verified):
        raise TypeError(f"the log of the benchmark does not verify: {verdict}")
    yield stated("audit verify of 1,000,000 entries", time.perf_counter() - start, "s")
    size = (folder / "large.db").stat().st_size
    yield stated("database of 1,000,000 entries, per entry", size / LARGE, "B")
    engine.dispose()


def _postgresql() -> Iterator[Row]:
    with postgres_server() as server:
        engine, log = _opened(server.url(schema=server.new_schema()))
        wall = []
        for _ in range(ROUNDS):
            batch = events(BATCH)
            start = time.perf_counter()
            log.append(batch, now=NOW)
            wall.append(time.perf_counter() - start)
        engine.dispose()
    rate = BATCH / statistics.median(wall)
    yield stated("append on PostgreSQL, events a second in batches of 1,000", rate, "/s")
