"""The code, its check and its mint: sizes, and times as ratios to libsodium and to peers."""

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from typing import Any

import base45 as peer_base45  # type: ignore[import-untyped]
import segno
from nacl import bindings
from segno import consts

from keys import sodium
from keys.signer import SeedSigner
from tests.bench.formats import EU_VACCINATION, eu_certificate, nz_pass, smart_health_card
from tests.bench.harness import Row, at_least, at_most, interleaved, stated
from tests.code_support import DAY_S, SHAANXI, World, paper_code, phone_code, presentation, seed
from tests.peers_support import Peers, peers
from verifier import base45
from verifier.check import VENUE, Kind, Lists, check, check_bytes
from verifier.claims import Claims, Colour, Cti, parse_code, sign_code
from verifier.statuslist import MAX_ENTRIES
from verifier.transport import encode_text

__all__ = ["run"]

# The peers go by the machine's clock, so these codes do as well.
NOW = int(time.time())
LISTS = 20
# Many short rounds: a round shorter than a time slice is rarely interrupted.
ROUNDS = 401


def run() -> Iterable[Row]:
    yield from _sizes()
    yield from _check()
    yield from _two_at_once()
    yield from _mint()
    yield from _base45()


# --- sizes ----------------------------------------------------------------------------------------


def _sizes() -> Iterator[Row]:
    paper, phone = paper_code(), phone_code()
    shown = presentation(phone)
    yield at_most("paper code", len(paper), 100, "bytes")
    yield at_most("phone code", len(phone), 144, "bytes")
    yield at_most("presentation", len(base45.decode(shown[4:])), 236, "bytes")
    texts = {
        "paper code": (encode_text(paper), 6.0),
        "presentation": (shown, 11.0),
        "EU certificate": (eu_certificate(), None),
        "NZ pass": (nz_pass(), None),
        "SMART Health Card": (smart_health_card(), None),
    }
    for name, (text, limit) in texts.items():
        yield stated(f"{name}: text", len(text), "chars")
        version = _version_at_m(text)
        row = f"{name}: QR version at level M"
        yield stated(row, version, "") if limit is None else at_most(row, version, limit, "")
        yield stated(f"{name}: modules a side", 17 + 4 * version, "")


def _version_at_m(text: str) -> int:
    """The version as their holders draw them: digits of a SMART Health Card in numeric mode."""
    prefix, _, digits = text.partition("shc:/")
    parts = [(prefix + "shc:/", consts.MODE_BYTE), (digits, consts.MODE_NUMERIC)]
    content: Any = parts if digits else text  # segno takes parts, its annotations do not say so
    version = segno.make_qr(content, error="m", boost_error=False).version
    if not isinstance(version, int):
        raise TypeError("a Micro QR code has no number")
    return version


# --- check ----------------------------------------------------------------------------------------


@cache
def _world() -> tuple[str, bytes, Lists]:
    """A paper code, and a verifier who holds 20 lists of 2^20 entries."""
    world = World(
        now=NOW,
        trust=World.at(NOW).trust,
        statuses={(SHAANXI, 1 + number): {} for number in range(LISTS)},
        entries=MAX_ENTRIES,
    )
    code = paper_code(now=NOW, cti=Cti(LISTS, 777_777))
    return encode_text(code), code, world.lists()


def _check_once() -> Kind:
    text, _, lists = _world()
    return check(text, lists, now=NOW, policy=VENUE).kind


def _check() -> Iterator[Row]:
    text, code, lists = _world()
    if _check_once() is not Kind.ADMIT:
        raise RuntimeError("the code of the benchmark is not admitted")
    signed, key = parse_code(code).signed, SHAANXI.code_signer.public_key
    shown = presentation(phone_code(now=NOW, cti=Cti(LISTS, 1)), now=NOW)
    ours: dict[str, Callable[[], object]] = {
        "verify": lambda: bindings.crypto_sign_open(signed, key),
        "bare": lambda: sodium.verifies(signed, key),
        "text": lambda: check(text, lists, now=NOW, policy=VENUE),
        "bytes": lambda: check_bytes(code, lists, now=NOW, policy=VENUE),
        "presentation": lambda: check(shown, lists, now=NOW, policy=VENUE),
    }
    alone = interleaved(ours, rounds=ROUNDS, number=20)
    raw = alone["verify"]
    yield stated("one raw libsodium verify, through PyNaCl", raw * 1e6, "us")
    yield stated("  the same without PyNaCl's copies, as we call it", alone["bare"] / raw, "x")
    yield stated("check a paper code from text", alone["text"] * 1e6, "us")
    yield at_most("check from text / raw verify", alone["text"] / raw, 1.15)
    yield at_most("check from bytes / raw verify", alone["bytes"] / raw, 1.05)
    yield stated("check a presentation from text / raw verify", alone["presentation"] / raw, "x")
    with peers() as worker:
        of_peers = _beside_peers(worker, text)
    yield at_least("library cwt / check from text", of_peers["cwt"] / of_peers["ours"], 1.75)
    yield at_least("EU trivial recipe / check from text", of_peers["eu"] / of_peers["ours"], 35)


def _beside_peers(worker: Peers, text: str) -> dict[str, float]:
    """Median seconds a call of us and of them, in turn, round after round."""
    signer = SHAANXI.code_signer
    key, kid = signer.public_key.hex(), signer.kid.hex()
    worker.ask("prepare", name="cwt", text=text, public_key=key, kid=kid)
    worker.ask("prepare", name="eu", exp=NOW + DAY_S, certificate=EU_VACCINATION)
    _, _, lists = _world()
    samples: dict[str, list[float]] = {"ours": [], "cwt": [], "eu": []}
    for _ in range(ROUNDS // 2):
        start = time.perf_counter()
        for _ in range(20):
            check(text, lists, now=NOW, policy=VENUE)
        samples["ours"].append((time.perf_counter() - start) / 20)
        samples["cwt"].append(worker.ask("time", name="cwt", number=10)["seconds"] / 10)
        samples["eu"].append(worker.ask("time", name="eu", number=1)["seconds"])
    return {name: statistics.median(values) for name, values in samples.items()}


def _many_checks(number: int) -> float:
    """Seconds of the clock on the wall for *number* checks."""
    start = time.perf_counter()
    for _ in range(number):
        _check_once()
    return time.perf_counter() - start


def _two_at_once() -> Iterator[Row]:
    yield stated("load of the machine; two workers need two free cores", os.getloadavg()[0], "")
    with ThreadPoolExecutor(2) as threads:
        yield stated("two threads / one", _speed_up(threads), "x")
    with ProcessPoolExecutor(2) as processes:
        yield at_least("two processes / one", _speed_up(processes), 1.9)


def _speed_up(pool: Executor, number: int = 1_500) -> float:
    """Checks a second of two workers, by those of one of them alone; each at its best."""
    alone, together = [], []
    for _ in range(15):
        start = time.perf_counter()
        pool.submit(_many_checks, number).result()
        alone.append(time.perf_counter() - start)
        start = time.perf_counter()
        list(pool.map(_many_checks, (number, number)))
        together.append(time.perf_counter() - start)
    return 2 * min(alone) / min(together)


# --- mint and base45 ------------------------------------------------------------------------------


def _mint() -> Iterator[Row]:
    signer = SHAANXI.code_signer
    _, secret = bindings.crypto_sign_seed_keypair(seed("610000 code"))
    claims = Claims(parse_code(paper_code()).exp, Cti(1, 2), Colour.GREEN)
    message = parse_code(sign_code(claims, signer)).signed[64:]
    medians = interleaved(
        {
            "raw": lambda: bindings.crypto_sign(message, secret),
            "bytes": lambda: sign_code(claims, signer),
            "text": lambda: encode_text(sign_code(claims, signer)),
            "whole": lambda: _mint_whole(claims.exp, signer),
        },
        rounds=ROUNDS,
        number=50,
    )
    yield stated("one raw libsodium sign", medians["raw"] * 1e6, "us")
    yield at_most("mint to bytes / raw sign", medians["bytes"] / medians["raw"], 1.05)
    yield at_most("mint to text / raw sign", medians["text"] / medians["raw"], 1.45)
    yield stated("mint to text with new claims / raw sign", medians["whole"] / medians["raw"], "x")


def _mint_whole(exp: int, signer: SeedSigner) -> str:
    return encode_text(sign_code(Claims(exp, Cti(1, 2), Colour.GREEN), signer))


def _base45() -> Iterator[Row]:
    code = paper_code()
    text = base45.encode(code)
    octets = text.encode()
    medians = interleaved(
        {
            "encode": lambda: base45.encode(code),
            "their encode": lambda: peer_base45.b45encode(code),
            "decode": lambda: base45.decode(text),
            "their decode": lambda: peer_base45.b45decode(octets),
        },
        rounds=ROUNDS,
        number=100,
    )
    encode, decode = medians["their encode"], medians["their decode"]
    yield at_least("PyPI base45 encode / ours, 100 bytes", encode / medians["encode"], 3)
    yield at_least("PyPI base45 decode / ours, 100 bytes", decode / medians["decode"], 3)
