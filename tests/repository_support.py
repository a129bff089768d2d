"""A country that publishes lists, hosts that bend them, and a venue that updates, all in memory.

`Country` signs honestly, at a clock that the test moves. `Host` serves its files through the
`Source` protocol without a socket and does to them whatever its owner wants: its *bends*. `Venue`
is the real client over a real folder.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from keys.lifecycle import Environment, Purpose
from keys.signer import SeedSigner
from keys.trustlist import (
    Ending,
    ListedIssuer,
    PinnedPolicy,
    Roots,
    TrustList,
    encode_roots,
    encode_trust_list,
    sign_trust_list,
)
from tests.code_support import DAY_S, NOW, Province, listed, signer
from verifier.cache import Cache, Statuses, delta_name
from verifier.check import VENUE, Lists, Reason, check
from verifier.claims import HOUR_S, Claims, Colour, Cti, sign_code
from verifier.errors import (
    SourceError,
    SourceMissingError,
    SourceTooLargeError,
    SourceTooSlowError,
    StatusListError,
)
from verifier.sources import DEADLINE_S
from verifier.statusdelta import StatusDelta, sign_delta
from verifier.statuslist import (
    Snapshot,
    Status,
    pack_statuses,
    peek_status_list,
    sign_snapshot,
    sign_status_list,
)
from verifier.transport import encode_text
from verifier.update import Report, set_up, update

__all__ = [
    "REGIONS", "Bend", "Country", "Host", "Issuer", "Venue", "absent", "cut", "endless",
    "other_bytes", "redirected", "slow", "snapshot_name", "swapped", "token_name",
]  # fmt: skip

TRUST_LIST: Final = "trust-list.cbor"
#: Small lists, so that a thousand of them take no time.
ENTRIES: Final = 256
LISTS_EACH: Final = 1000
ROOTS_EACH: Final = 3
THRESHOLD: Final = 2


def token_name(list_number: int) -> str:
    return f"status/{list_number}.cwt"


def named_digest(token: bytes, list_number: int) -> bytes:
    """What a snapshot says of this list. Of what is none, something that fits nothing."""
    try:
        return peek_status_list(token, list_number=list_number).digest
    except StatusListError:
        return sha256(token).digest()


def snapshot_name(region: str) -> str:
    return f"status/{region}.snapshot"


# --- what is signed -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Issuer(Province):
    """A province whose keys can be changed: the generation is part of their names."""

    code_generation: int = 1
    status_generation: int = 1

    @property
    def code_signer(self) -> SeedSigner:
        return signer(f"{self.region} code {self.code_generation}")

    @property
    def status_signer(self) -> SeedSigner:
        return signer(f"{self.region} status {self.status_generation}")


#: The 34 regions at the level of a province (GB/T 2260).
REGIONS: Final = tuple(
    f"{number}0000"
    for first, count in zip((11, 21, 31, 41, 50, 61, 71, 81), (5, 3, 7, 6, 5, 5, 1, 2), strict=True)
    for number in range(first, first + count)
)


def _issuer(number: int) -> Issuer:
    first = number * LISTS_EACH
    return Issuer(REGIONS[number], f"{number}省", f"P{number}", first, first + LISTS_EACH - 1)


@dataclass
class Country:
    """Roots, issuers and their lists, at one time. All that it signs is honest.

    Attributes:
        size: How many of the 34 regions there are in the beginning.
        statuses: Entries that are not valid, for each list that is published.
    """

    size: int = 3
    now: int = NOW
    version: int = 7
    epoch: int = 1
    withdrawn: frozenset[bytes] = frozenset()
    policies: tuple[PinnedPolicy, ...] = ()
    issuers: dict[str, Issuer] = field(default_factory=dict)
    statuses: dict[int, dict[int, Status]] = field(default_factory=dict)
    trust_issued_at: int = NOW - HOUR_S
    entries: int = ENTRIES
    former_epochs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for number in range(0 if self.issuers else self.size):
            issuer = _issuer(number)
            self.issuers[issuer.region] = issuer
            self.statuses[issuer.first_list] = {}

    def branch(self) -> "Country":
        """Another history that begins here, such as a thief's."""
        return deepcopy(self)

    # What time and honest work do.

    def pass_time(self, seconds: int = HOUR_S) -> None:
        """Time goes by, and roots sign again: a newer trust list, newer lists."""
        self.now += seconds
        self.version += 1
        self.trust_issued_at = self.now

    def take_back(self, list_number: int, index: int, to: Status = Status.WITHDRAWN) -> None:
        self.statuses[list_number][index] = to

    def open_list(self, list_number: int) -> None:
        self.statuses.setdefault(list_number, {})

    def drop_list(self, list_number: int) -> None:
        del self.statuses[list_number]

    def change_status_key(self, region: str) -> None:
        issuer = self.issuers[region]
        self.issuers[region] = replace(issuer, status_generation=issuer.status_generation + 1)

    def withdraw_code_key(self, region: str) -> None:
        """The code key was stolen: its kid is dead, another takes its place."""
        issuer = self.issuers[region]
        self.withdrawn |= {issuer.code_signer.kid}
        self.issuers[region] = replace(issuer, code_generation=issuer.code_generation + 1)

    def end(self, region: str, successor: str, at: int) -> None:
        """Announce that a region ends in favour of another, with a week of grace."""
        ending = Ending(successor, at, at + 7 * DAY_S)
        self.issuers[region] = replace(self.issuers[region], ending=ending)

    def strike_off(self, region: str) -> "Issuer":
        """The issuer is on the trust list no more; its lists are published no more."""
        return self.issuers.pop(region)

    def change_roots(self) -> None:
        """New roots from the next trust list on; the old ones sign beside them for a while."""
        self.former_epochs = (*self.former_epochs, self.epoch)[-1:]
        self.epoch += 1

    # What it publishes.

    @property
    def roots(self) -> Roots:
        return roots_of(self.epoch)

    @property
    def trust(self) -> TrustList:
        return TrustList(
            version=self.version,
            issued_at=self.trust_issued_at,
            next_update=self.trust_issued_at + DAY_S,
            not_after=self.trust_issued_at + 14 * DAY_S,
            roots=self.roots,
            issuers=tuple(self.listed(issuer) for issuer in self.issuers.values()),
            withdrawn=self.withdrawn,
            former_roots=tuple(key for epoch in self.former_epochs for key in roots_of(epoch).keys),
            policies=self.policies,
        )

    @staticmethod
    def listed(issuer: Issuer) -> ListedIssuer:
        """Keys in force for months: these are not the tests of windows."""
        far = NOW + 400 * DAY_S
        code_ends = far if issuer.ending is None else issuer.ending.grace_until
        keys = (
            listed(issuer.code_signer.public_key, Purpose.CODE, not_after=code_ends),
            listed(issuer.status_signer.public_key, Purpose.STATUS, not_after=far),
        )
        return replace(issuer.listed(), keys=keys)

    def signed_trust(self, trust: TrustList | None = None) -> bytes:
        """The list with the signatures of two roots of each epoch concerned."""
        names = [
            name for epoch in (self.epoch, *self.former_epochs) for name in root_names(epoch)[:2]
        ]
        return sign_trust(trust or self.trust, names)

    def packed(self, list_number: int) -> bytes:
        return pack_statuses(self.statuses[list_number], entries=self.entries)

    def token(self, list_number: int) -> bytes:
        return self.sign_token(list_number, self.packed(list_number))

    def sign_token(
        self,
        list_number: int,
        packed: bytes,
        *,
        issued_at: int | None = None,
        by: str | None = None,
    ) -> bytes:
        """A list of these contents, signed by its owner or by another issuer."""
        owner = self.owner(list_number)
        issued_at = self.now if issued_at is None else issued_at
        return sign_status_list(
            packed,
            uri=owner.uri(list_number),
            issued_at=issued_at,
            exp=issued_at + DAY_S,
            ttl=HOUR_S,
            signer=(owner if by is None else self.issuers[by]).status_signer,
        )

    def owner(self, list_number: int) -> Issuer:
        return _issuer_of(self.issuers.values(), list_number)

    def numbers(self, region: str) -> list[int]:
        """The lists that a region publishes."""
        issuer = self.issuers[region]
        return [n for n in sorted(self.statuses) if issuer.first_list <= n <= issuer.last_list]

    def delta(self, region: str, numbers: Iterable[int]) -> bytes:
        """A delta that begins now: whoever holds lists of any time before needs them anew."""
        changes = dict.fromkeys(numbers, b"")
        delta = StatusDelta(region, self.now, self.now + DAY_S, self.now, changes)
        return sign_delta(delta, self.issuers[region].status_signer)

    def snapshot(self, region: str, tokens: Mapping[int, bytes]) -> Snapshot:
        digests = {number: named_digest(token, number) for number, token in tokens.items()}
        delta = sha256(self.delta(region, tokens)).digest()
        return Snapshot(region, self.now, self.now + DAY_S, self.version, digests, delta)

    def sign_snapshot(self, snapshot: Snapshot, *, by: str | None = None) -> bytes:
        return sign_snapshot(snapshot, self.issuers[by or snapshot.region].status_signer)

    def region_files(self, region: str, changed: Mapping[int, bytes] | None = None) -> "Files":
        """All lists of a region and the snapshot that names them, also *changed* ones."""
        tokens = {number: self.token(number) for number in self.numbers(region)} | {
            **(changed or {})
        }
        return {
            snapshot_name(region): self.sign_snapshot(self.snapshot(region, tokens)),
            delta_name(region): self.delta(region, tokens),
            **{token_name(number): token for number, token in tokens.items()},
        }

    def files(self) -> "Files":
        """Everything that is published now."""
        made = {TRUST_LIST: self.signed_trust()}
        for region in self.issuers:
            made |= self.region_files(region)
        return made

    # What people carry.

    def code(self, region: str, index: int, *, list_number: int | None = None) -> str:
        """The text of a green paper code, good for the next three days."""
        issuer = self.issuers[region]
        number = issuer.first_list if list_number is None else list_number
        exp = self.now // HOUR_S * HOUR_S + 3 * DAY_S
        return encode_text(
            sign_code(Claims(exp, Cti(number, index), Colour.GREEN), issuer.code_signer)
        )


Files = dict[str, bytes]


def _issuer_of(issuers: Iterable[Issuer], list_number: int) -> Issuer:
    return next(i for i in issuers if i.first_list <= list_number <= i.last_list)


def root_names(epoch: int) -> list[str]:
    return [f"root {epoch}.{number}" for number in range(ROOTS_EACH)]


def roots_of(epoch: int, environment: Environment = Environment.PRODUCTION) -> Roots:
    keys = tuple(signer(name).public_key for name in root_names(epoch))
    return Roots(epoch, THRESHOLD, keys, environment)


def sign_trust(trust: TrustList, names: Iterable[str]) -> bytes:
    return sign_trust_list(encode_trust_list(trust), [signer(name) for name in names])


# --- who delivers it ----------------------------------------------------------------------------

#: Gives what a host answers instead of the honest file (None: it has none), or raises.
Bend = Callable[["Host", bytes | None], bytes | None]


@dataclass
class Host:
    """A `Source` in memory.

    Attributes:
        files: What it would serve honestly.
        bends: By name of the file, what it does instead; "*" is for every other file.
        asked: Every name that was asked for.
        sent: Bytes that went out, whether or not they were kept.
        seconds: How long all answers took, by the host's own clock.
    """

    files: "Files"
    name: str = "host"
    bends: dict[str, Bend] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sent: int = 0
    seconds: float = 0.0
    silent: bool = False

    def fetch(self, path: str, *, max_bytes: int, held: str | None) -> bytes | None:
        self.asked.append(path)
        if self.silent:
            raise SourceTooSlowError(f"{path}: not asked for, the server was too slow before")
        bend = self.bends.get(path, self.bends.get("*"))
        data = self.files.get(path)
        if bend is not None:
            data = bend(self, data)
        if data is None:
            raise SourceMissingError(f"{path}: no such file")
        self.sent += min(len(data), max_bytes + 1)
        if len(data) > max_bytes:
            raise SourceTooLargeError(f"{path}: more than {max_bytes} bytes")
        return None if held == sha256(data).hexdigest() else data


def absent(_: Host, __: bytes | None) -> bytes | None:
    """It says that there is no such file."""
    return None


def endless(_: Host, __: bytes | None) -> bytes | None:
    """A body that never ends: whatever the most is that is taken, there is more."""
    return bytes(2**23)


def slow(host: Host, data: bytes | None) -> bytes | None:
    """A byte a second."""
    taken = len(data or b"")
    host.seconds += min(taken, DEADLINE_S)
    host.sent += int(min(taken, DEADLINE_S))
    host.silent = taken > DEADLINE_S
    if host.silent:
        raise SourceTooSlowError(f"not there after {DEADLINE_S:g} s")
    return data


def redirected(_: Host, __: bytes | None) -> bytes | None:
    """It points to another host."""
    raise SourceError("the server points elsewhere; not followed")


def cut(_: Host, data: bytes | None) -> bytes | None:
    """The last byte is missing."""
    return (data or b"")[:-1]


def other_bytes(data: bytes) -> Bend:
    """It serves these bytes under this name."""
    return lambda _, __: data


def swapped(name: str) -> Bend:
    """It serves another of its files under this name."""
    return lambda host, _: host.files[name]


# --- who takes it -------------------------------------------------------------------------------


class Venue:
    """A venue's folder and the client that updates it."""

    def __init__(self, folder: Path, country: Country | None) -> None:
        self.folder = str(folder)
        if country is not None:
            set_up(self.folder, encode_roots(country.roots), [])

    @classmethod
    def at(cls, folder: Path) -> "Venue":
        """The venue whose folder this is already."""
        return cls(folder, None)

    def update(self, *hosts: Host, now: int) -> Report:
        return update(self.folder, hosts, now=now)

    def contents(self) -> "Files":
        """Every file that is held."""
        held = Cache(self.folder).files
        contents = {name: held.read(name, max_bytes=2**21) for name in held.all_names()}
        return {name: data for name, data in contents.items() if data is not None}

    def lists(self) -> Lists:
        cache = Cache(self.folder)
        trust = cache.trust()
        if trust is None:
            raise AssertionError("no trust list")
        seen = cache.seen()
        return Lists(trust, Statuses(cache.files, trust), seen.newest, seen.confirmed)

    def verdict(self, code: str, *, now: int) -> Reason:
        return check(code, self.lists(), now=now, policy=VENUE).reason


def refusals(report: Report) -> Sequence[tuple[str, str]]:
    """What was not taken, and by which error."""
    return [(problem.what, type(problem.error).__name__) for problem in report.problems]
