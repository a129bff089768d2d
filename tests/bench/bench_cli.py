"""The cold start: one code, from the command line to its verdict, beside a bare interpreter."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from keys.ed25519 import PublicKey
from keys.purpose import Purpose
from tests.bench.harness import Row, at_most, interleaved, stated
from tests.code_support import SHAANXI, World, listed, paper_code, signer
from tests.venue_support import venue
from verifier.transport import encode_text

__all__ = ["run"]

COMMAND = Path(sys.executable).with_name("celadon-verify")
PROVINCES, KEYS_EACH = 34, 90


def _country(now: int) -> World:
    """The world with as many issuers and keys as a country has."""
    world = World.at(now)

    def keys(region: int) -> tuple[PublicKey, ...]:
        return tuple(signer(f"{region} {n}").public_key for n in range(KEYS_EACH))

    others = tuple(
        replace(
            SHAANXI.listed(now=now),
            region=f"9{n:05d}",
            first_list=10_000 + n,
            last_list=10_000 + n,
            keys=tuple(listed(key, Purpose.CODE, now=now) for key in keys(n)),
        )
        for n in range(PROVINCES - 2)
    )
    return replace(world, trust=replace(world.trust, issuers=(*world.trust.issuers, *others)))


def run() -> Iterable[Row]:
    now = int(time.time())
    code = encode_text(paper_code(now=now))
    with tempfile.TemporaryDirectory() as folder:
        small = venue(Path(folder, "small"), World.at(now)).folder
        large = venue(Path(folder, "large"), _country(now), strict=False).folder

        def start(*command: object, lists: Path = small) -> None:
            environ = {"CELADON_VERIFY_LISTS": str(lists)}
            argv = [str(part) for part in command]
            subprocess.run(argv, env=environ, check=True, stdout=subprocess.DEVNULL)

        libraries = "import nacl._sodium, cbor2"
        medians = interleaved(
            {
                "bare": lambda: start(sys.executable, "-c", "pass"),
                "libraries": lambda: start(sys.executable, "-c", libraries),
                "verify": lambda: start(COMMAND, code),
                "country": lambda: start(COMMAND, code, lists=large),
            },
            rounds=31,
            number=1,
        )
    bare = medians["bare"]
    yield stated("bare interpreter, cold", bare * 1e3, "ms")
    yield at_most("celadon-verify CODE, cold / bare interpreter", medians["verify"] / bare, 3)
    yield stated(
        "  of which importing libsodium's binding and cbor2 / bare",
        medians["libraries"] / bare,
        "x",
    )
    yield stated(
        f"  with a trust list of {PROVINCES} issuers, {KEYS_EACH} keys each / bare",
        medians["country"] / bare,
        "x",
    )
