"""ADR 1's measurement: async engine, sessions in threads, or one writer thread with group commit.

The issuing path in miniature: read a person's three evidence rows, take a position by compare and
set, sign, insert the batch row, commit durably. 1 and 64 clients wait for their answer each.

aiosqlite and asyncpg are not among our packages. To run it again:

    python3 -m venv V && V/bin/pip install 'sqlalchemy[asyncio]>=2.1,<2.2' aiosqlite asyncpg \
        'psycopg[binary]' pynacl
    V/bin/python tests/bench/adr_0001_threads_or_async.py --folder DIR [--postgres HOST:PORT/DB]

DIR is a folder on a real disk; the database is emptied first.
"""

import argparse
import asyncio
import os
import queue
import statistics
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nacl import bindings
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

PEOPLE = 2_000
CLIENTS = 64
POOL = 8
_, SECRET = bindings.crypto_sign_seed_keypair(bytes(32))

Issue = Callable[[int], Awaitable[bytes]]

EVIDENCE = text("SELECT kind, at, place FROM evidence WHERE person = :person")
CURSOR = text("UPDATE list SET used = used + :k WHERE number = 1 RETURNING used")
BATCH = text("INSERT INTO batch (id, person, code) VALUES (:id, :person, :code)")


def prepare(connection: Connection, blob: str) -> None:
    for table in ("evidence", "list", "batch"):
        connection.execute(text(f"DROP TABLE IF EXISTS {table}"))
    connection.execute(text("CREATE TABLE evidence (person INT, kind TEXT, at INT, place TEXT)"))
    connection.execute(text("CREATE INDEX by_person ON evidence (person)"))
    connection.execute(text("CREATE TABLE list (number INT PRIMARY KEY, used INT)"))
    connection.execute(
        text(f"CREATE TABLE batch (id {blob} PRIMARY KEY, person INT, code {blob} NOT NULL)")
    )
    connection.execute(text("INSERT INTO list VALUES (1, 0)"))
    rows = [{"p": p, "k": k} for p in range(PEOPLE) for k in ("arrival", "residence", "contact")]
    connection.execute(text("INSERT INTO evidence VALUES (:p, :k, 1607850000, '231081')"), rows)


def sign(person: int, position: int) -> bytes:
    return bindings.crypto_sign(b"%016d%016d" % (person, position) + bytes(40), SECRET)


def row(person: int, code: bytes) -> dict[str, Any]:
    return {"id": os.urandom(16), "person": person, "code": code}


def durable(engine: Engine) -> None:
    """WAL with synchronous FULL, and transactions that take the write lock at once."""

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA busy_timeout = 30000")
        cursor.close()


def immediate(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def by_async_engine(engine: AsyncEngine) -> Issue:
    sqlite = engine.dialect.name == "sqlite"
    # SQLite has one writer: more connections than one only fight for its lock.
    gate = asyncio.Semaphore(1 if sqlite else POOL)

    async def issue(person: int) -> bytes:
        async with gate, engine.connect() as connection:
            return await one(connection, person)

    async def one(connection: AsyncConnection, person: int) -> bytes:
        if sqlite:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        (await connection.execute(EVIDENCE, {"person": person})).all()
        used = (await connection.execute(CURSOR, {"k": 1})).scalar_one()
        code = sign(person, used)
        await connection.execute(BATCH, row(person, code))
        await connection.commit()
        return code

    return issue


def by_threads(engine: Engine) -> Issue:
    threads = ThreadPoolExecutor(1 if engine.dialect.name == "sqlite" else POOL)

    def one(person: int) -> bytes:
        with engine.connect() as connection:
            immediate(connection)
            connection.execute(EVIDENCE, {"person": person}).all()
            used = connection.execute(CURSOR, {"k": 1}).scalar_one()
            code = sign(person, used)
            connection.execute(BATCH, row(person, code))
            connection.commit()
        return code

    async def issue(person: int) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(threads, one, person)

    return issue


def by_group_commit(engine: Engine) -> Issue:
    """One thread takes whatever waits and answers after one commit for all of it."""
    waiting: queue.SimpleQueue[tuple[int, Callable[[bytes], object]]] = queue.SimpleQueue()
    marks = (
        ",".join("?" * CLIENTS) if engine.dialect.name == "sqlite" else ",".join(["%s"] * CLIENTS)
    )
    evidence = f"SELECT person, kind, at, place FROM evidence WHERE person IN ({marks})"
    mark = "?" if engine.dialect.name == "sqlite" else "%s"
    batch = f"INSERT INTO batch (id, person, code) VALUES ({mark}, {mark}, {mark})"

    def write() -> None:
        with engine.connect() as connection:
            while True:
                taken = [waiting.get()]
                while not waiting.empty() and len(taken) < CLIENTS:
                    taken.append(waiting.get())
                people = [person for person, _ in taken]
                immediate(connection)
                padded = (people * CLIENTS)[:CLIENTS]
                connection.exec_driver_sql(evidence, tuple(padded)).all()
                last = connection.execute(CURSOR, {"k": len(people)}).scalar_one()
                codes = [sign(p, last - i) for i, p in enumerate(people)]
                rows = [(os.urandom(16), p, c) for p, c in zip(people, codes, strict=True)]
                connection.exec_driver_sql(batch, rows)
                connection.commit()
                for (_, answer), code in zip(taken, codes, strict=True):
                    answer(code)

    threading.Thread(target=write, daemon=True).start()

    async def issue(person: int) -> bytes:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        waiting.put((person, lambda code: loop.call_soon_threadsafe(future.set_result, code)))
        return await future

    return issue


async def rate(issue: Issue, clients: int, seconds: float) -> float:
    done = 0
    start = time.perf_counter()

    async def client(number: int) -> None:
        nonlocal done
        while time.perf_counter() - start < seconds:
            await issue((number * 31 + done) % PEOPLE)
            done += 1

    await asyncio.gather(*(client(number) for number in range(clients)))
    return done / (time.perf_counter() - start)


async def measure(contenders: dict[str, Issue], rounds: int) -> None:
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for name, issue in contenders.items():
            for clients in (1, CLIENTS):
                rates.setdefault((name, clients), []).append(await rate(issue, clients, 0.7))
    for name in contenders:
        one, many = (statistics.median(rates[name, clients]) for clients in (1, CLIENTS))
        print(f"{name:<44}{one:>10,.0f}/s{many:>10,.0f}/s{many / one:>8.1f}x")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--postgres", help="HOST:PORT/DB or USER@HOST:PORT/DB")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    file = arguments.folder / "adr-0001.db"
    sqlite = create_engine(f"sqlite:///{file}")
    durable(sqlite)
    with sqlite.begin() as connection:
        prepare(connection, "BLOB")
    lite = create_async_engine(f"sqlite+aiosqlite:///{file}")
    durable(lite.sync_engine)
    contenders = {
        "SQLite, async engine (aiosqlite)": by_async_engine(lite),
        "SQLite, connections in threads": by_threads(sqlite),
        "SQLite, one writer, group commit": by_group_commit(sqlite),
    }
    engines = [lite]
    if arguments.postgres:
        url = f"://{arguments.postgres}"
        psycopg = create_engine("postgresql+psycopg" + url, pool_size=POOL)
        with psycopg.begin() as connection:
            prepare(connection, "BYTEA")
        engines += [
            create_async_engine(f"postgresql+{driver}{url}", pool_size=POOL)
            for driver in ("asyncpg", "psycopg")
        ]
        contenders |= {
            "PostgreSQL, async engine (asyncpg)": by_async_engine(engines[1]),
            "PostgreSQL, async engine (psycopg)": by_async_engine(engines[2]),
            "PostgreSQL, connections in threads (psycopg)": by_threads(psycopg),
            "PostgreSQL, one writer, group commit": by_group_commit(psycopg),
        }
    print(f"{'':<44}{'1 client':>12}{f'{CLIENTS} clients':>12}")
    await measure(contenders, arguments.rounds)
    for engine in engines:
        await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
