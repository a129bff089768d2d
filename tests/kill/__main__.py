"""`python -m tests.kill --kills N`: kill -9 an issuer at random moments, and look what is left.

A child recovers, then records evidence and issues codes over two SQLite databases, and
acknowledges each batch over a pipe after it was released, never before. The parent kills it at a
random moment. After every kill another child recovers and checks:

    every acknowledged batch is in the database and in the log, with exactly these codes;
    its codes verify, are good, and are not taken back unless the log says so;

and every tenth time, and at the end, the whole of both databases:

    the log verifies from its stored bytes; the replay finds nothing: no codes without a log entry,
    no log entry without its codes, no position twice, no decision but the last one logged.

`--acknowledge-early` breaks the rule on purpose; then this has to find something.
"""

import argparse
import json
import os
import random
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from audit.verify import Verified, verify_log
from issuer.codes.batches import BatchHead, codes_of, find_batches, person_keys, request_id
from issuer.codes.issue import CodeRequest, Issued
from issuer.codes.pseudonym import LIST_SIZE, positions
from issuer.storage.store import read_store
from tests.issuing_support import (
    NOW,
    SECRETS,
    Desk,
    authority,
    contact,
    desk,
    holder_keys,
    subject,
)
from verifier.check import Reason, check_code
from verifier.claims import parse_code

PEOPLE = 60
LISTS = 8
KILLS_PER_DATABASE = 50
FULL_CHECK_EVERY = 10
AUTHORITY = authority()
KEYS = holder_keys(24)


@dataclass
class Tally:
    kills: int = 0
    batches: int = 0
    owed: int = 0  # kills after which events were still owed to the log
    full_checks: int = 0
    failures: int = 0


@contextmanager
def opened(folder: Path, name: str, *, adopted: bool = False) -> Iterator[Desk]:
    url = f"sqlite:///{folder}/issuer.db"
    with desk(url, folder, authority=AUTHORITY, name=name, adopted=adopted) as office:
        yield office


def prepare(folder: Path, _pipe: int) -> None:
    with opened(folder, "prepare", adopted=True) as office:
        office.residents(PEOPLE)


def warm_up() -> None:
    """Draw the orders of the lists once, for all children: they would do little else."""
    for number in range(AUTHORITY.issuer.first_list, AUTHORITY.issuer.first_list + LISTS):
        positions(SECRETS.positions, number, LIST_SIZE, first=0, count=0)


def work(folder: Path, turn: int, pipe: int, *, early: bool) -> None:
    """Issue until killed."""
    draw = random.Random(turn)  # noqa: S311 # a test's choices
    now = NOW + 1 + turn
    with opened(folder, f"work {turn}") as office:
        owed = office.writer.recover(now=now)
        say(pipe, {"recovered": owed})
        for step in range(10_000):
            if draw.random() < 0.1:
                office.record(contact(draw.randrange(PEOPLE), at=now - step), now=now)
            requests = [wanted(draw, f"{turn} {step} {i}") for i in range(draw.randint(1, 6))]
            if early:
                say(pipe, {"id": os.urandom(16).hex(), "request": "", "subject": "", "codes": []})
            for asked, result in zip(requests, office.issue(*requests, now=now), strict=True):
                if isinstance(result, Issued):
                    say(pipe, acknowledgement(asked, result))


def acknowledgement(asked: CodeRequest, made: Issued) -> dict[str, object]:
    return {
        "id": made.event_id.hex(),
        "request": request_id(SECRETS, asked.subject, asked.idempotency_key).hex(),
        "subject": asked.subject.hex(),
        "codes": [code.hex() for code in made.codes],
    }


def wanted(draw: random.Random, key: str) -> CodeRequest:
    keys = tuple(draw.sample(KEYS, draw.choice((0, 0, 2, 6))))
    return CodeRequest(subject(draw.randrange(PEOPLE)), key, keys, min(2, len(keys) or 1))


def say(pipe: int, message: dict[str, object]) -> None:
    os.write(pipe, json.dumps(message).encode() + b"\n")


def check(
    folder: Path, acknowledged: list[dict[str, object]], turn: int, pipe: int, *, full: bool
) -> None:
    """Raise unless all promises hold."""
    now = NOW + 1 + turn
    with opened(folder, f"check {turn}") as office:
        say(pipe, {"owed": office.writer.recover(now=now)})
        ids = [bytes.fromhex(str(item["id"])) for item in acknowledged]
        require(office.log.knows(ids) == set(ids), "an acknowledged batch is not in the log")
        with read_store(office.engine) as store:
            asked = [bytes.fromhex(str(item["request"])) for item in acknowledged]
            rows = find_batches(store, SECRETS, asked)
            subjects = [bytes.fromhex(str(item["subject"])) for item in acknowledged]
            keys = person_keys(store, SECRETS, subjects)
        for item, event_id, request in zip(acknowledged, ids, asked, strict=True):
            require(request in rows, "an acknowledged batch is not in the database")
            row = rows[request]
            head = BatchHead(*row[:-1])
            require(head.event_id == event_id, "another batch answers an acknowledged request")
            codes = codes_of(row, key=keys[head.subject])
            require([code.hex() for code in codes] == item["codes"], "other codes")
            for code in codes:
                at = max(head.issued_at, parse_code(code).not_before)
                verdict = check_code(code, AUTHORITY.trust, now=at)
                require(not isinstance(verdict, Reason), f"a released code: {verdict}")
        if full:
            audited = verify_log(office.audit_engine, office.log.key)
            require(isinstance(audited, Verified), f"the log: {audited}")
            found = [str(finding) for finding in office.findings(now=now)]
            require(not found, f"the replay: {found[:5]}")


def require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 # it is what this is about
    if not holds:
        raise AssertionError(otherwise)


def in_child(job: Callable[[int], None]) -> tuple[int, int]:
    """Fork a process that does *job* with a pipe to us; its id, and our end of the pipe."""
    ours, theirs = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        os.close(theirs)
        return process, ours
    code = 1
    try:
        os.close(ours)
        job(theirs)
        code = 0
    except BaseException:  # noqa: BLE001 # a child must never come back into the parent's code
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def run_child(job: Callable[[int], None]) -> tuple[bool, bytes]:
    """Whether a child does *job* to its end, and what it says on the way."""
    process, pipe = in_child(job)
    with os.fdopen(pipe, "rb") as reader:
        said = reader.read()
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0, said


def kill_once(folder: Path, turn: int, delay_s: float, *, early: bool) -> list[dict[str, object]]:
    """Let a child work for *delay_s* after its recovery, kill it; all that it said until then."""
    process, pipe = in_child(partial(work, folder, turn, early=early))
    said = b""
    deadline = time.monotonic() + 20
    begun = False
    while (left := deadline - time.monotonic()) > 0:
        if select.select([pipe], [], [], left)[0]:
            piece = os.read(pipe, 1 << 16)
            if not piece:
                break
            said += piece
            if not begun:
                begun, deadline = True, time.monotonic() + delay_s
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    while piece := os.read(pipe, 1 << 16):
        said += piece
    os.close(pipe)
    # A line that the kill cut short is one that nobody heard.
    return [json.loads(line) for line in said.split(b"\n")[:-1]]


def run(kills: int, seed: int, *, early: bool) -> Tally:
    draw = random.Random(seed)  # noqa: S311 # a test's choices
    tally = Tally()
    warm_up()
    while tally.kills < kills and not tally.failures:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            require(run_child(partial(prepare, folder))[0], "preparing failed")
            for _ in range(min(KILLS_PER_DATABASE, kills - tally.kills)):
                said = kill_once(folder, tally.kills, draw.uniform(0, 0.06), early=early)
                tally.kills += 1
                if not said or "recovered" not in said[0]:
                    print("a child could not recover", file=sys.stderr)
                    tally.failures += 1
                    break
                acknowledged = said[1:]
                tally.batches += len(acknowledged)
                full = tally.kills % FULL_CHECK_EVERY == 0 or tally.kills == kills
                tally.full_checks += full
                done, owed = run_child(partial(check, folder, acknowledged, tally.kills, full=full))
                tally.owed += done and json.loads(owed)["owed"] > 0
                if not done:
                    tally.failures += 1
                    break
    return tally


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--acknowledge-early", action="store_true")
    arguments = parser.parse_args()
    start = time.monotonic()
    tally = run(arguments.kills, arguments.seed, early=arguments.acknowledge_early)
    print(
        f"{tally.kills} kills, {tally.batches} batches acknowledged, events owed to the log after"
        f" {tally.owed} kills, {tally.full_checks} full checks, {tally.failures} failures,"
        f" {time.monotonic() - start:.0f} s"
    )
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
