"""Issuing: the path from requests to released codes, beside libsodium signing the same payloads.

"Mint and log" is what the design's numbers name: codes signed, and their log entries durable. A
request is one entry: of one code on paper, of eight on a phone. "The whole path" is what the
service does on top of that: look for an earlier answer, open the person's key, read and assess
evidence, burn positions by compare and set, check each code again as a door would, seal the batch
under the person's key, stage the event, commit the issuer's database, then the log's. The check
alone costs 2.7 signatures, so the whole path is also held against raw sign and verify together,
and has no target: those of the design are for minting without a check.
What libsodium, SHA-256 and SQLite alone would take of a logged paper code is printed beside.
How much 64 clients gain by sharing a flush depends on what a flush costs, so that is printed too.
Real files, SQLite, WAL, synchronous FULL.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Final

from audit.events import Event, encode_event
from audit.log import Log
from issuer.codes.batches import BatchHead, issued_event
from issuer.codes.issue import CodeRequest
from issuer.codes.issuing import Issuing, Job
from issuer.storage.tx import new_event_ids
from keys import ed25519
from keys.ed25519 import PublicKey
from keys.lifecycle import Purpose
from tests.bench.bench_log import Bare
from tests.bench.harness import Row, at_least, interleaved, stated
from tests.issuing_support import NOW, Desk, authority, desk, holder_keys, signer, subject
from verifier.claims import Claims, Colour, Cti, sign_code

PEOPLE: Final = 2_000
SET: Final = 256
ROUNDS: Final = 21
LOGGED: Final = 1_000
CLIENTS: Final = 64
PHONE_CODES: Final = 8
EXP: Final = NOW // 3600 * 3600 + 7 * 86_400
SUBJECTS: Final = [subject(number) for number in range(PEOPLE)]
SIGNER: Final = signer(Purpose.CODE.value)
#: What libsodium hashes for a paper code: a Sig_structure with 20 bytes of payload.
MESSAGE: Final = bytes(45)


def run() -> Iterator[Row]:
    """The rows of the report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/issuer.db"
        with desk(url, folder, authority=authority(), name=None) as office:
            office.residents(PEOPLE)
            turns = count(1)
            yield stated("one flush of this disk, which 64 clients share", _flush_ms(folder), "ms")
            yield from _sets(office, turns, folder)
            yield from asyncio.run(_clients(office, turns))


def _flush_ms(folder: Path) -> float:
    """Median of writing one page and making it durable."""
    took = []
    with (folder / "flush").open("wb", buffering=0) as file:
        for _ in range(51):
            file.write(bytes(4096))
            start = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - start)
    return statistics.median(took) * 1e3


def mint_and_log(
    log: Log, people: Sequence[bytes], turn: int, keys: Sequence[PublicKey | None] = (None,)
) -> list[bytes]:
    """Sign a code for each key of each of *people*, append an entry for each: nothing else.

    Gives the first code of each.
    """
    first, events = [], []
    for place, head in enumerate(_heads(people, NOW + turn)):
        codes = [
            sign_code(Claims(EXP, Cti(number, place), Colour.GREEN, key), SIGNER)
            for number, key in enumerate(keys)
        ]
        first.append(codes[0])
        events.append(issued_event(head, codes, key=MESSAGE[:32]))
    log.append(events, now=NOW + turn)
    return first


def _heads(people: Sequence[bytes], at: int) -> list[BatchHead]:
    """What is written about their batches; the log's entries have nothing of the requests."""
    ids = new_event_ids(len(people), now=at, randomness=os.urandom)
    return [
        BatchHead(event_id, whom, b"", b"", Colour.GREEN, at, EXP)
        for event_id, whom in zip(ids, people, strict=True)
    ]


def _entries(turn: int) -> list[tuple[Event, bytes]]:
    """A set of entries for paper codes, encoded."""
    events = [
        issued_event(head, [bytes(100)], key=MESSAGE[:32])
        for head in _heads(SUBJECTS[:LOGGED], NOW + turn)
    ]
    return [(event, encode_event(event)) for event in events]


def _sets(office: Desk, turns: Iterator[int], folder: Path) -> Iterator[Row]:
    """One set of requests at a time."""
    signature = SIGNER.sign(MESSAGE)
    phone = holder_keys(PHONE_CODES)
    bare = Bare(folder / "bare.db")
    batches = iter([_entries(turn) for turn in range(ROUNDS + 1)])

    def least() -> None:
        for _ in range(LOGGED):
            SIGNER.sign(MESSAGE)
        bare.append(next(batches))

    def raw_sign() -> None:
        for _ in range(SET):
            SIGNER.sign(MESSAGE)

    def raw_verify() -> None:
        for _ in range(SET):
            ed25519.verify(signature, MESSAGE, SIGNER.public_key)

    def issue(size: int, keys: tuple[PublicKey, ...]) -> None:
        turn = next(turns)
        people = (SUBJECTS[(turn * size + place) % PEOPLE] for place in range(size))
        office.issue(*(CodeRequest(whom, f"set {turn}", keys) for whom in people), now=NOW + turn)

    medians = interleaved(
        {
            "sign": raw_sign,
            "verify": raw_verify,
            "logged, least": least,
            "logged paper": lambda: mint_and_log(office.log, SUBJECTS[:LOGGED], next(turns)),
            "logged phone": lambda: mint_and_log(
                office.log, SUBJECTS[: LOGGED // PHONE_CODES], next(turns), phone
            ),
            "paper": lambda: issue(SET, ()),
            "phone": lambda: issue(SET // PHONE_CODES, phone),
        },
        rounds=ROUNDS,
        number=1,
    )
    each = {
        name: seconds / (LOGGED if name.startswith("logged") else SET) * 1e6
        for name, seconds in medians.items()
    }
    sign, both = each["sign"], each["sign"] + each["verify"]
    yield stated("raw libsodium sign", sign, "us")
    for medium in ("phone", "paper"):
        logged = each[f"logged {medium}"]
        yield stated(f"mint, log entry durable, {medium}, sets of {LOGGED:,}", logged, "us/code")
        share = f"mint, log entry durable, {medium}: share of sign rate"
        yield at_least(f"{share}, no self-check", sign / logged, 0.55)
    yield stated(
        "mint, paper: the most that sign, hashing, SQLite leave", sign / each["logged, least"], "x"
    )
    for medium in ("phone", "paper"):
        yield stated(f"whole path, {medium}, sets of {SET}", each[medium], "us/code")
        yield stated(f"whole path, {medium}: share of sign rate", sign / each[medium], "x")
        yield stated(f"whole path, {medium}: share of sign + verify", both / each[medium], "x")


class MintAndLog(Issuing):
    """The same queue and group commit, over minting and logging alone."""

    def __init__(self, office: Desk, turns: Iterator[int]) -> None:
        super().__init__(office.writer, clock=lambda: NOW)
        self._office = office
        self._turns = turns

    def _run_set(self, jobs: list[Job]) -> None:
        people = [job.request.subject for job in jobs if job.request is not None]
        codes = mint_and_log(self._office.log, people, next(self._turns))
        for job, code in zip(jobs, codes, strict=True):
            job.answer = code


async def _clients(office: Desk, turns: Iterator[int]) -> list[Row]:
    """Clients that wait for their code before they ask for the next."""
    names = count()

    async def rate(issuing: Issuing, clients: int, seconds: float) -> float:
        begun = time.perf_counter()
        done = 0

        async def client() -> None:
            nonlocal done
            while time.perf_counter() < begun + seconds:
                name = next(names)
                await issuing.issue(CodeRequest(SUBJECTS[name % PEOPLE], f"client {name}"))
                done += 1

        await asyncio.gather(*(client() for _ in range(clients)))
        return done / (time.perf_counter() - begun)

    rows = []
    with (
        MintAndLog(office, turns) as minting,
        Issuing(office.writer, clock=lambda: NOW + next(turns)) as issuing,
    ):
        services = {"mint and log": minting, "whole path": issuing}
        rates: dict[tuple[str, int], list[float]] = {}
        for _ in range(7):
            for name, service in services.items():
                for clients in (1, CLIENTS):
                    found = await rate(service, clients, 0.3)
                    rates.setdefault((name, clients), []).append(found)
        for name in services:
            one, many = (statistics.median(rates[name, clients]) for clients in (1, CLIENTS))
            rows += [
                stated(f"{name}: 1 client", one, "codes/s"),
                stated(f"{name}: {CLIENTS} waiting clients", many, "codes/s"),
            ]
            ratio = f"{name}: {CLIENTS} waiting clients against 1"
            only = name == "mint and log"
            rows.append(at_least(ratio, many / one, 15) if only else stated(ratio, many / one, "x"))
    return rows
