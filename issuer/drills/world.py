"""The small real world of a drill: Shaanxi, five holders of roots, a public folder, doors. Shell.

Everything in it is made and moved by the functions that an installation uses (`issuer.stage`).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from issuer.app import Office, sign_policy
from issuer.codes.issue import CodeRequest, Issued, Refused, issue
from issuer.codes.lists import SPREAD_S
from issuer.colour.evidence_store import take_notice
from issuer.colour.notice import Entry, Notice, sign_notice
from issuer.colour.policy import Policy
from issuer.colour.risk import shipped_risk_table
from issuer.demo.cast import NOW, PEOPLE, SHAANXI, Part
from issuer.demo.doing import enrol, record_of
from issuer.people.people import IndexCost
from issuer.rules.rules import shipped_rules
from issuer.stage import (
    DAY_S,
    LEAST,
    Clock,
    Place,
    Province,
    RootHolder,
    Site,
    make_site,
    opened,
    put_trust,
    sign_together,
)
from keys.lifecycle import Environment, KeyInfo, KeyState, Purpose
from keys.trustlist import Roots, TrustList, encode_roots
from keys.trustupdate import accept_trust_list
from verifier.cache import Cache
from verifier.check import VENUE
from verifier.door import Ages, Door, Verdict
from verifier.sources import open_source
from verifier.transport import encode_text
from verifier.update import Report, set_up, update

__all__ = [
    "CHEAP",
    "GRANDMOTHER",
    "HOUR_S",
    "THRESHOLD",
    "VISITOR",
    "Venue",
    "World",
    "open_world",
    "paper_code",
]

HOUR_S: Final = 3600
ROOTS: Final = 5
THRESHOLD: Final = 3
#: Green, with a code on paper.
GRANDMOTHER: Final = PEOPLE[0]
#: Green, until the centre for disease control reports a contact.
VISITOR: Final = next(part for part in PEOPLE if part.slug == "zhao-qiang")
#: Nobody attacks the index of people who do not exist.
CHEAP: Final = IndexCost(*LEAST)
_LIST_LIFE_S: Final = 30 * DAY_S
_KEY_LIFE_S: Final = 28 * DAY_S


class Venue:
    """A door with its lists, as `celadon-verify` sets it up, updates it and checks with it."""

    def __init__(self, folder: Path, clock: Clock, roots: Roots, sources: list[str]) -> None:
        self.folder = folder
        self._clock = clock
        self._sources = sources
        self._door: Door | None = None
        set_up(str(folder), encode_roots(roots), sources)

    def update(self, *sources: str) -> Report:
        """From its own sources, or from these."""
        names = sources or self._sources
        return update(str(self.folder), [open_source(name) for name in names], now=self._clock())

    def reason(self, text: str) -> str:
        """What an ordinary door says about a code, by its reason."""
        return self.verdict(text).reason

    def verdict(self, text: str) -> Verdict:
        """What an ordinary door says about a code."""
        return self._opened().check_text(text)

    def trust(self) -> TrustList:
        """The trust list that it holds."""
        held = Cache(str(self.folder)).trust()
        if held is None:
            raise AssertionError("a door that was never updated")
        return held

    def ages(self) -> Ages:
        return self._opened().ages()

    def _opened(self) -> Door:
        if self._door is None:
            self._door = Door(str(self.folder), VENUE, self._clock)
        return self._door


class World:
    """What a drill plays with.

    Attributes:
        roots: The holders, by their number from 1.
        trust: The trust list that the holders enacted last.
        province: Shaanxi, open for business.
    """

    def __init__(self, out: Path, stack: ExitStack) -> None:
        self.out = out
        self.clock = Clock(NOW)
        self.site = make_site(out, Place(SHAANXI, "陕西", "Shaanxi", 0), now=NOW)
        self.roots = {number: self.new_root(number) for number in range(1, ROOTS + 1)}
        self.trust = self._first_list()
        self.signed = self.sign(self.trust, 1, 2, 3)
        put_trust(self.site.settings.trust, self.trust.roots, self.signed)
        self._stack = stack
        self.province = self._open()
        keystore = self.site.keystore
        signed = sign_policy(keystore, _policy(), region=SHAANXI, clock=self.clock)
        self.office.adopt(*signed)
        self.office.publish()

    @property
    def office(self) -> Office:
        return self.province.office

    @property
    def public(self) -> Path:
        return self.out / "public"

    # --- trust lists ---

    def new_root(self, number: int) -> RootHolder:
        folder = self.out / "private" / "roots" / f"root-{number}"
        return RootHolder.new(folder, now=self.clock() - DAY_S)

    def roots_of(self, *numbers: int, epoch: int) -> Roots:
        keys = tuple(self.roots[number].info.public_key for number in numbers)
        return Roots(epoch, THRESHOLD, keys, Environment.TEST)

    def next_list(self, **changes: Any) -> TrustList:  # noqa: ANN401 - members of a trust list
        """The list after the one in force, with these members."""
        now = self.clock()
        following: dict[str, Any] = {
            "version": self.trust.version + 1,
            "issued_at": now,
            "next_update": now + DAY_S,
            "not_after": now + _LIST_LIFE_S,
        }
        return replace(self.trust, **(following | changes))

    def sign(self, trust: TrustList, *numbers: int) -> bytes:
        """The list, signed by these holders, each by themselves."""
        holders = [self.roots[number] for number in numbers]
        return sign_together(trust, holders, now=self.clock())

    def enact(self, trust: TrustList, *numbers: int) -> bytes:
        """Sign, look at it as verifiers will, give it to the issuer, publish."""
        signed = self.sign(trust, *numbers)
        accept_trust_list(self.trust, signed, roots=self.trust.roots, now=self.clock())
        put_trust(self.site.settings.trust, trust.roots, signed)
        self.trust, self.signed = trust, signed
        self.reopen()
        self.clock.wait(SPREAD_S)
        self.office.publish()
        return signed

    def _first_list(self) -> TrustList:
        issued_at = self.clock() - HOUR_S
        return TrustList(
            version=1,
            issued_at=issued_at,
            next_update=issued_at + DAY_S,
            not_after=issued_at + _LIST_LIFE_S,
            roots=self.roots_of(*self.roots, epoch=1),
            issuers=(self.site.listed(),),
        )

    # --- the issuer ---

    def reopen(self) -> None:
        """Stop the issuer and start it again, as after a change of its keys or trust list."""
        self.close()
        self.province = self._open()

    def active_key(self, purpose: Purpose) -> KeyInfo:
        """The newest active key of the issuer with this purpose."""
        infos = reversed(self.site.keystore.keys())
        return next(i for i in infos if i.purpose is purpose and i.state is KeyState.ACTIVE)

    def new_key(self, purpose: Purpose, state: KeyState = KeyState.PRE_ACTIVATION) -> KeyInfo:
        """Make another key for the issuer."""
        now, keystore = self.clock(), self.site.keystore
        info = keystore.new(purpose, SHAANXI, now, now + _KEY_LIFE_S, now=now)
        return info if state is info.state else keystore.move(info.kid, state, now)

    def close(self) -> None:
        """Stop the issuer."""
        self._stack.close()

    def _open(self) -> Province:
        return self._stack.enter_context(opened(self.site, self.clock, _policy(), cost=CHEAP))

    def publish(self) -> None:
        """Ten minutes later, as upkeep does: by then all that was taken back is due."""
        self.clock.wait(SPREAD_S)
        self.office.maintain()

    def found_city(self, place: Place) -> Site:
        """Keystores and databases of one more issuer, which nobody trusts yet."""
        return make_site(self.out, place, now=self.clock())

    def open_city(self, city: Site) -> Province:
        """Open it, with the rules of the province in force."""
        province = self._stack.enter_context(opened(city, self.clock, _policy(), cost=CHEAP))
        region = city.place.region
        signed = sign_policy(city.keystore, _policy(), region=region, clock=self.clock)
        province.office.adopt(*signed)
        return province

    def enrol(self, part: Part) -> bytes:
        return enrol(self.province, part)

    def paper_code(self, subject: bytes, *, key: str = "drill") -> str:
        """As `paper_code`, by Shaanxi."""
        return paper_code(self.province, subject, key)

    def report_contact(self, subject: bytes) -> None:
        """The centre for disease control reports that somebody met a confirmed case."""
        (fact,) = VISITOR.reported
        entry = Entry(subject, record_of(self.province, fact))
        source = self.province.source
        notice = Notice(1, self.clock(), SHAANXI, source.kid.hex(), (entry,), ())
        signed = sign_notice(notice, source)
        self.office.writer.run(lambda tx: take_notice(tx, signed), now=self.clock())

    # --- doors ---

    def venue(self, name: str, *sources: str) -> Venue:
        """A new door that was given today's roots; without *sources*, the public folder's."""
        names = list(sources) or [str(self.public)]
        return Venue(self.out / "venues" / name, self.clock, self.trust.roots, names)


def paper_code(province: Province, subject: bytes, key: str) -> str:
    """The text of a paper code for somebody who has a colour.

    Raises:
        NoPersonError: Unknown or erased.
        IssuerEndedError: The trust list says that another one issues codes now.
    """
    office, request = province.office, CodeRequest(subject, key)
    (result,) = office.writer.run(lambda tx: issue(tx, [request]), now=office.clock())
    match result:
        case Issued(codes=(code,)):
            return encode_text(code)
        case Refused(error=error):
            raise error
        case other:
            raise AssertionError(f"no code: {type(other).__name__}")


def _policy() -> Policy:
    return shipped_rules("shaanxi-2020-12", now=NOW), shipped_risk_table("2020-12-13")


@contextmanager
def open_world(folder: Path) -> Iterator[World]:
    """Make the world below *folder* and open it; all closed at the end."""
    with ExitStack() as stack:
        yield World(folder, stack)
