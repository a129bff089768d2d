"""A stolen code key: making the codes that it signed anew, beside minting them plainly.

"Plainly" is what an issue does: assess, burn positions, sign, check each code as a door would,
seal, commit, log. Making anew does all of that, and on top of it opens every living batch to find
the key, marks the old positions and logs that they were taken back. 50,000 people with a code on
paper each, in sets of the same size; the plain issue is timed before and after.
Real files, SQLite, WAL, synchronous FULL.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from issuer.codes.issue import CodeRequest
from issuer.codes.reissue import SET_SIZE, reissue
from issuer.storage.core import Authority
from keys.lifecycle import Purpose
from keys.signer import SeedSigner
from keys.trustlist import ListedKey
from tests.bench.harness import Row, at_most, stated
from tests.issuing_support import DAY_S, NOW, Desk, authority, desk, lives, signer, subject

CODES: Final = 50_000
STOLEN: Final = signer(Purpose.CODE.value)
RESERVES: Final = tuple(signer(f"reserve code key {number}") for number in range(2))


def run() -> Iterator[Row]:
    """The rows of the report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/issuer.db"
        with desk(url, folder, authority=_authority(), name=None) as office:
            for first in range(0, CODES, SET_SIZE):
                numbers = range(first, first + SET_SIZE)
                office.add_people(numbers)
                office.record(*(lives(number) for number in numbers))
            before = _plainly(office, "before")
            _use(office, RESERVES[0])
            begun = time.perf_counter()
            done = reissue(office.writer, STOLEN.kid, now=NOW + 1)
            took = time.perf_counter() - begun
            if done.made != CODES:
                raise AssertionError(done)
            _use(office, RESERVES[1])
            after = _plainly(office, "after")
    plain = (before + after) / 2
    yield stated(f"{CODES:,} codes minted plainly, in sets of {SET_SIZE:,}", plain, "s")
    yield stated(f"{CODES:,} codes of a stolen key made anew, to the last", took, "s")
    yield at_most("codes made anew / minted plainly", took / plain, 1.5)


def _authority() -> Authority:
    """With two reserve keys, which are on the trust list and sign nothing yet."""
    plain = authority()
    window = (NOW - 30 * DAY_S, NOW + 400 * DAY_S)
    listed = (ListedKey(key.public_key, Purpose.CODE, *window) for key in RESERVES)
    issuer = replace(plain.issuer, keys=(*plain.issuer.keys, *listed))
    trust = replace(plain.trust, issuers=(issuer,))
    return replace(plain, issuer=issuer, trust=trust, code_keys=(STOLEN,))


def _use(office: Desk, key: SeedSigner) -> None:
    office.writer.authority = replace(office.writer.authority, code_keys=(key,))


def _plainly(office: Desk, name: str) -> float:
    """Seconds that it takes to give everybody a code."""
    begun = time.perf_counter()
    for first in range(0, CODES, SET_SIZE):
        numbers = range(first, first + SET_SIZE)
        office.issue(*(CodeRequest(subject(number), name) for number in numbers), now=NOW + 1)
    return time.perf_counter() - begun
