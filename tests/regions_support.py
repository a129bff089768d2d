"""Two issuers that know each other: Heilongjiang tells, Shaanxi is told."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from issuer.between.exchange import Exchange
from issuer.between.rows import Sent
from issuer.colour.evidence import Evidence, Kind
from issuer.errors import RegionNoticeError
from issuer.people.binding import Sessions
from issuer.people.enrolment import Enrolment
from issuer.people.identity import Identity
from issuer.storage.core import Authority
from issuer.storage.store import read_store
from keys.lifecycle import Purpose
from keys.sealedbox import BoxOpener
from keys.signer import SeedSigner
from keys.trustlist import ListedIssuer, ListedKey, TrustList
from tests.issuing_support import DAY_S, NOW, SECRETS, Desk, authority, desk, signer
from tests.web_support import Clock, Phones, enrolment_over

__all__ = [
    "HEILONGJIANG",
    "SHAANXI",
    "TRAVELLER",
    "Post",
    "Side",
    "contact_of",
    "opener",
    "region_signer",
    "seed_of",
    "two_region_trust",
    "two_regions",
]

SHAANXI: Final = "610000"
HEILONGJIANG: Final = "230000"
TRAVELLER: Final = Identity("王秀兰", "+8613800138000", "11010519491231002X")
_PURPOSES: Final = (
    Purpose.CODE, Purpose.STATUS, Purpose.EVIDENCE, Purpose.RULES, Purpose.RECEIVING,
)  # fmt: skip


def region_signer(region: str, purpose: Purpose) -> SeedSigner:
    """Shaanxi's keys are those of the other tests."""
    return signer(purpose.value if region == SHAANXI else f"{region} {purpose.value}")


def opener(region: str) -> BoxOpener:
    """Opens what is sealed for the receiving key of `region_signer`."""
    made = BoxOpener(seed_of(region))
    assert made.public_key == region_signer(region, Purpose.RECEIVING).public_key
    return made


def seed_of(region: str) -> bytes:
    name = Purpose.RECEIVING.value if region == SHAANXI else f"{region} {Purpose.RECEIVING.value}"
    return hashlib.sha256(b"issuing test " + name.encode()).digest()


def two_region_trust(now: int = NOW) -> TrustList:
    """The trust list of the other tests, with a second issuer and receiving keys."""
    base = authority(now).trust
    window = (now - 30 * DAY_S, now + 400 * DAY_S)

    def listed(region: str) -> tuple[ListedKey, ...]:
        return tuple(
            ListedKey(region_signer(region, purpose).public_key, purpose, *window)
            for purpose in _PURPOSES
        )

    (ours,) = base.issuers
    other = ListedIssuer(
        region=HEILONGJIANG,
        name_zh="黑龙江",
        name_en="Heilongjiang",
        status_base="https://heilongjiang.example/status/",
        first_list=2000,
        last_list=2999,
        contact="https://heilongjiang.example/help",
        keys=listed(HEILONGJIANG),
    )
    return replace(base, issuers=(replace(ours, keys=listed(SHAANXI)), other))


def _authority(region: str) -> Authority:
    trust = two_region_trust()
    issuer = trust.issuer(region)
    assert issuer is not None
    return replace(
        authority(),
        issuer=issuer,
        trust=trust,
        code_keys=(region_signer(region, Purpose.CODE),),
        evidence_key=region_signer(region, Purpose.EVIDENCE),
    )


def contact_of(number: int = 0, *, at: int = NOW - DAY_S, now: int = NOW) -> Evidence:
    """A contact, as Heilongjiang's evidence key signs for it."""
    source = region_signer(HEILONGJIANG, Purpose.EVIDENCE).kid.hex()
    evidence_id = number.to_bytes(16, "big")
    return Evidence(evidence_id, Kind.CONTACT, at, None, "", "confirmed", source, HEILONGJIANG, now)


@dataclass
class Post:
    """A line between the two, in memory. *lose* says which of its trips fail, and how."""

    sides: dict[str, "Side"] = field(default_factory=dict)
    lose: Callable[[bytes], str] = field(default=lambda _: "")
    trips: list[bytes] = field(default_factory=list)

    def carry(
        self, notices: Mapping[str, Sequence[Sent]], _trust: TrustList
    ) -> dict[bytes, bytes | None]:
        found: dict[bytes, bytes | None] = {}
        for region, rows in notices.items():
            for row in rows:
                envelope = row.envelope or b""
                self.trips.append(envelope)
                fate = self.lose(envelope)
                receipt = None if fate == "request" else self._handed_over(region, envelope)
                found[row.message_id] = None if fate == "answer" else receipt
                if found[row.message_id] is None:
                    break
        return found

    def _handed_over(self, region: str, envelope: bytes) -> bytes | None:
        try:
            return self.sides[region].exchange.receive(envelope)
        except RegionNoticeError:
            return None


@dataclass
class Side:
    """One issuer."""

    region: str
    desk: Desk
    exchange: Exchange
    enrolment: Enrolment
    clock: Clock

    def register(self, person: Identity = TRAVELLER) -> bytes:
        return self.enrolment.register(person, "610113").subject

    def colour(self, subject: bytes) -> int | None:
        return self.desk.colours().get(subject)

    def reasons(self, subject: bytes) -> str:
        with read_store(self.desk.engine) as store:
            ((found,),) = store.rows("SELECT reasons FROM decision WHERE subject = ?", (subject,))
        return str(found)


@contextmanager
def two_regions(folder: Path, post: Post | None = None) -> Iterator[tuple[Side, Side]]:
    """Heilongjiang and Shaanxi, with one clock and a line between them."""
    line, clock = post or Post(), Clock()
    with (
        _side(folder, HEILONGJIANG, line, clock) as there,
        _side(folder, SHAANXI, line, clock) as here,
    ):
        yield there, here


@contextmanager
def _side(folder: Path, region: str, post: Post, clock: Clock) -> Iterator[Side]:
    own = folder / region
    own.mkdir(exist_ok=True)
    url = f"sqlite:///{own}/issuer.db"
    with desk(url, own, authority=_authority(region), name=None) as opened:
        sessions = Sessions(opened.engine, SECRETS.rows)
        people, enrolment = enrolment_over(opened, sessions, Phones(), clock)
        exchange = Exchange(opened.writer, people, lambda: (opener(region),), clock, post.carry)
        side = Side(region, opened, exchange, enrolment, clock)
        post.sides[region] = side
        yield side
