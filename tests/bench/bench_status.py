"""Status lists at scale: bytes against the entropy, 100 million entries, what venues download.

Lists have 2^20 entries of two bits. Of those taken back, 5 % are withdrawn, the others superseded.
"""

import math
import random
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import Final, NamedTuple

from issuer.codes.pseudonym import Permutation
from issuer.publication.decoys import decoys
from issuer.publication.publish import compress
from keys.trustlist import TrustList
from tests.bench.harness import Row, at_most, interleaved, stated
from tests.code_support import DAY_S, NOW
from tests.repository_support import Country, Issuer
from verifier.claims import HOUR_S
from verifier.statusdelta import (
    StatusDelta,
    accept_delta,
    encode_changes,
    named_list,
    sign_delta,
)
from verifier.statuslist import (
    MAX_ENTRIES,
    Snapshot,
    Status,
    contents_digest,
    pack_statuses,
    sign_snapshot,
    sign_status_list,
    verify_snapshot,
    verify_status_list,
)

__all__ = ["run"]

ENTRIES: Final = MAX_ENTRIES
WITHDRAWN: Final = 0.05
#: A code lives up to 7 days, and so its list is filled over as many.
DAYS: Final = 7
HUNDRED_MILLION: Final = 96  # lists
PROVINCE: Final = 39  # lists: 40 million codes
REGIONS: Final = 34
KEY: Final = bytes(32)


def run() -> Iterator[Row]:
    yield from _compression()
    yield from _look_up()
    yield from _deltas()
    yield from _positions()
    yield from _hundred_million()
    yield from _downloads()


def _statuses(rate: float, seed: int) -> dict[int, Status]:
    """Entries taken back, in the order in which that happened."""
    draw = random.Random(seed)  # noqa: S311 - a benchmark's data
    taken = draw.sample(range(ENTRIES), round(ENTRIES * rate))
    return {
        index: Status.WITHDRAWN if draw.random() < WITHDRAWN else Status.SUPERSEDED
        for index in taken
    }


def _bound(rate: float) -> float:
    """Bytes of entropy of a list."""
    shares = (1 - rate, rate * WITHDRAWN, rate * (1 - WITHDRAWN))
    return -ENTRIES * sum(share * math.log2(share) for share in shares) / 8


def _compression() -> Iterator[Row]:
    for rate, limit in ((0.01, 1.30), (0.001, 1.37)):
        packed = pack_statuses(_statuses(rate, 1), entries=ENTRIES)
        size, bound = len(compress(packed)), _bound(rate)
        yield stated(f"a list, {rate:.1%} taken back", size, "B")
        yield at_most("  against its entropy", size / bound, limit)
        yield stated("  zlib level 9 against it", len(zlib.compress(packed, 9)) / bound, "x")


def _token(
    issuer: Issuer,
    number: int,
    packed: bytes,
    *,
    compressed: Callable[[bytes], bytes] = compress,
) -> bytes:
    return sign_status_list(
        packed,
        uri=issuer.uri(number),
        issued_at=NOW,
        exp=NOW + DAY_S,
        ttl=HOUR_S,
        signer=issuer.status_signer,
        compress=compressed,
    )


def _look_up() -> Iterator[Row]:
    country = Country(size=1)
    (issuer,) = country.issuers.values()
    statuses = _statuses(0.01, 2)
    token = _token(issuer, 0, pack_statuses(statuses, entries=ENTRIES))
    held = verify_status_list(token, country.trust, now=NOW)
    wrong = sum(held.status(index) != statuses.get(index, 0) for index in range(ENTRIES))
    yield at_most("wrong entries of all in a list", wrong, 0, "")
    plain = [int(statuses.get(index, 0)) for index in range(ENTRIES)]
    draw = random.Random(3)  # noqa: S311 - a benchmark's data
    indexes = [draw.randrange(ENTRIES) for _ in range(1000)]
    get, item = held.status, plain.__getitem__
    medians = interleaved(
        {
            "ours": lambda: [get(index) for index in indexes],
            "list": lambda: [item(index) for index in indexes],
        },
        number=20,
    )
    micros, ratio = medians["ours"] * 1e3, medians["ours"] / medians["list"]
    yield stated("look-up", micros, "us")
    enough = micros <= 0.25 or ratio <= 3
    yield Row("  against a Python list", ratio, "x", "<= 3, or 0.25 us", enough)


def _deltas() -> Iterator[Row]:
    country = Country(size=1)
    (issuer,) = country.issuers.values()
    for rate in (0.01, 0.001):
        statuses = _statuses(rate, 4)
        token = _token(issuer, 0, pack_statuses(statuses, entries=ENTRIES))
        last_day = dict(islice(statuses.items(), len(statuses) // DAYS))
        delta = StatusDelta(
            issuer.region, NOW, NOW + DAY_S, NOW - DAY_S, {0: encode_changes(last_day)}
        )
        size = len(sign_delta(delta, issuer.status_signer, compress=compress))
        name = f"the last day of seven as a delta / the list, {rate:.1%}, all signed"
        ratio = size / len(token)
        yield at_most(name, ratio, 0.2) if rate == 0.01 else stated(name, ratio, "x")


def _positions() -> Iterator[Row]:
    start = time.perf_counter()
    order = Permutation(KEY, 1, ENTRIES)
    first = order[0]
    yield stated("order of a list: its first position", (time.perf_counter() - start) * 1e3, "ms")
    start = time.perf_counter()
    found = {order[place] for place in range(ENTRIES)}
    each = (time.perf_counter() - start) / ENTRIES
    if len(found) != ENTRIES or first not in found:
        raise AssertionError("not a permutation")
    yield stated("  each further one", each * 1e6, "us")
    statuses = _statuses(0.001, 5)
    plain = len(compress(pack_statuses(statuses, entries=ENTRIES)))
    sizes = []
    for number in range(32):
        marked = {decoy.position: decoy.status for decoy in decoys(KEY, number, ENTRIES, 18_600)}
        sizes.append(len(compress(pack_statuses({**statuses, **marked}, entries=ENTRIES))))
    yield stated("all decoys beside 0.1 % taken back, mean", sum(sizes) / len(sizes) / plain, "x")


def _hundred_million() -> Iterator[Row]:
    (issuer,) = Country(size=1).issuers.values()
    compressing = whole = 0.0
    for number in range(HUNDRED_MILLION):
        statuses = _statuses(0.01, number)
        start = time.perf_counter()
        packed = pack_statuses(statuses, entries=ENTRIES)
        _token(issuer, number, packed)
        whole += time.perf_counter() - start
        start = time.perf_counter()
        compress(packed)
        compressing += time.perf_counter() - start
    name = f"{HUNDRED_MILLION * ENTRIES / 1e6:.1f} million entries set, compressed, signed"
    yield stated(name, whole, "s")
    yield at_most("  against compressing alone", whole / compressing, 1.5)


class _Region(NamedTuple):
    """What a region publishes below status/."""

    tokens: Mapping[int, bytes]
    delta: bytes
    snapshot: bytes

    @property
    def size(self) -> int:
        return sum(map(len, self.tokens.values())) + len(self.delta) + len(self.snapshot)


class _List(NamedTuple):
    """A list's contents, and how its last day is said in a delta."""

    packed: bytes
    changes: bytes


def _list(seed: int) -> _List:
    statuses = _statuses(0.001, seed)
    last_day = dict(islice(statuses.items(), len(statuses) // DAYS))
    return _List(pack_statuses(statuses, entries=ENTRIES), encode_changes(last_day))


#: Provinces have the same entries, so each list is compressed once, and signed by each.
_compressed_once: Final = lru_cache(maxsize=PROVINCE)(compress)


def _publish(issuer: Issuer, lists: list[_List], version: int) -> _Region:
    numbered = dict(enumerate(lists, issuer.first_list))
    changes = {number: each.changes for number, each in numbered.items()}
    delta = sign_delta(
        StatusDelta(issuer.region, NOW, NOW + DAY_S, NOW - DAY_S, changes),
        issuer.status_signer,
        compress=compress,
    )
    digests = {number: contents_digest(each.packed) for number, each in numbered.items()}
    digest = sha256(delta).digest()
    snapshot = Snapshot(issuer.region, NOW, NOW + DAY_S, version, digests, digest)
    tokens = {
        number: _token(issuer, number, each.packed, compressed=_compressed_once)
        for number, each in numbered.items()
    }
    return _Region(tokens, delta, sign_snapshot(snapshot, issuer.status_signer))


def _load(region: _Region, trust: TrustList) -> float:
    """Verify and lay over, as an update does with what it has fetched; seconds."""
    start = time.perf_counter()
    snapshot = verify_snapshot(region.snapshot, trust, now=NOW)
    delta = accept_delta(None, region.delta, snapshot, trust, now=NOW)
    for token in region.tokens.values():
        named_list(verify_status_list(token, trust, now=NOW), delta, snapshot)
    return time.perf_counter() - start


def _downloads() -> Iterator[Row]:
    country = Country(size=REGIONS)
    lists = [_list(seed) for seed in range(PROVINCE)]
    size, later, seconds = [], [], []
    for issuer in country.issuers.values():
        region = _publish(issuer, lists, country.version)
        size.append(region.size)
        later.append(len(region.delta) + len(region.snapshot))
        seconds.append(_load(region, country.trust))
    mib = 2**20
    codes = PROVINCE * ENTRIES
    yield stated(
        f"province: {codes / 1e6:.1f} million codes, 0.1 % superseded", size[0] / mib, "MiB"
    )
    yield stated("  each later update, without a list", later[0] / mib, "MiB")
    yield stated("  verified and loaded", seconds[0], "s")
    name = f"country: {REGIONS} such provinces, {REGIONS * codes / 1e9:.2f} billion codes"
    yield stated(name, sum(size) / mib, "MiB")
    yield stated("  each later update, without a list", sum(later) / mib, "MiB")
    yield stated("  verified and loaded", sum(seconds), "s")
