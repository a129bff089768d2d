"""Issuing: the path from requests to released codes, beside libsodium signing the same payloads.

"Mint and log" is what DESIGN section 9 names: codes signed, and their log entries durable, in sets
of 256. "The whole path" is what the service does for each request on top of that: look for an
earlier answer, open the person's key, read and assess evidence, burn a position by compare and
set, verify the code again as a door would, seal it under the person's key, stage the event, commit
the issuer's database, then the log's. A verify alone costs 2.7 signatures, so the whole path is
also held against raw sign and raw verify together. Real files, two SQLite databases, WAL, FULL.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

from audit.events import Event
from issuer.batches import BatchHead, issued_event
from issuer.issue import CodeRequest
from issuer.issuing import Issuing
from keys import ed25519
from keys.lifecycle import Purpose
from tests.bench.harness import Row, at_least, interleaved, stated
from tests.issuing_support import NOW, Desk, authority, desk, signer, subject
from verifier.claims import Claims, Colour, Cti, sign_code

PEOPLE: Final = 2_000
SET: Final = 256
CLIENTS: Final = 64
EXP: Final = NOW // 3600 * 3600 + 7 * 86_400


def run() -> Iterator[Row]:
    """The rows of the report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with desk(
            f"sqlite:///{folder}/issuer.db", folder, authority=authority(), name=None
        ) as office:
            office.residents(PEOPLE)
            yield from _sets(office)
            yield from asyncio.run(_clients(office))


def _sets(office: Desk) -> Iterator[Row]:
    """One set of requests at a time."""
    signing = signer(Purpose.CODE.value)
    message = bytes(38)  # what libsodium hashes for a paper code: Sig_structure of 20 bytes payload
    signature = signing.sign(message)
    turns = count()

    def raw_sign() -> None:
        for _ in range(SET):
            signing.sign(message)

    def raw_verify() -> None:
        for _ in range(SET):
            ed25519.verify(signature, message, signing.public_key)

    def mint_and_log() -> None:
        turn = next(turns)
        events = []
        for i in range(SET):
            code = sign_code(Claims(EXP, Cti(1, i), Colour.GREEN), signing)
            events.append(_event(os.urandom(16), i, code, turn))
        office.log.append(events, now=NOW + turn)

    def whole_path() -> None:
        turn = next(turns)
        people = (subject((turn * SET + i) % PEOPLE) for i in range(SET))
        office.issue(*(CodeRequest(s, f"set {turn}") for s in people), now=NOW + turn)

    medians = interleaved(
        {"sign": raw_sign, "verify": raw_verify, "logged": mint_and_log, "whole": whole_path},
        rounds=15,
        number=1,
    )
    each = {name: seconds / SET * 1e6 for name, seconds in medians.items()}
    yield stated("raw libsodium sign", each["sign"], "us")
    yield stated("mint, log entry durable", each["logged"], "us/code")
    yield at_least(
        "mint, log entry durable: share of the raw sign rate", each["sign"] / each["logged"], 0.55
    )
    yield stated("whole issuing path", each["whole"], "us/code")
    yield stated("whole path: share of the raw sign rate", each["sign"] / each["whole"], "x")
    both = each["sign"] + each["verify"]
    yield stated("whole path: share of raw sign + verify", both / each["whole"], "x")


def _event(event_id: bytes, person: int, code: bytes, turn: int) -> Event:
    head = BatchHead(event_id, subject(person), b"", Colour.GREEN, NOW + turn, EXP)
    return issued_event(head, [code])


async def _clients(office: Desk) -> list[Row]:
    """Clients that wait for their code before they ask for the next."""
    start = time.monotonic()
    names = count()

    def clock() -> int:
        return NOW + 10_000 + int(time.monotonic() - start)

    async def rate(issuing: Issuing, clients: int, seconds: float) -> float:
        end = time.perf_counter() + seconds
        begun = time.perf_counter()
        done = 0

        async def client() -> None:
            nonlocal done
            while time.perf_counter() < end:
                name = next(names)
                await issuing.issue(CodeRequest(subject(name % PEOPLE), f"client {name}"))
                done += 1

        await asyncio.gather(*(client() for _ in range(clients)))
        return done / (time.perf_counter() - begun)

    rates: dict[int, list[float]] = {1: [], CLIENTS: []}
    with Issuing(office.writer, clock=clock) as issuing:
        await rate(issuing, CLIENTS, 0.2)
        for _ in range(7):
            for clients, found in rates.items():
                found.append(await rate(issuing, clients, 0.5))
    one, many = (statistics.median(found) for found in rates.values())
    return [
        stated("1 client", one, "codes/s"),
        stated(f"{CLIENTS} waiting clients", many, "codes/s"),
        at_least(f"{CLIENTS} waiting clients against 1", many / one, 15),
    ]
