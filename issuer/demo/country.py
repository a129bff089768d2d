"""Two provinces, their keys, databases and doors, all in one folder. The demo's stage."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import quote

from audit.publish import write_public
from issuer.colour.policy import Policy
from issuer.colour.risk import RiskLevel, RiskTable, shipped_risk_table, sign_risk_table
from issuer.demo import softhsm
from issuer.demo.cast import CONTROLLED, HEILONGJIANG, NOW, SHAANXI
from issuer.rules.rules import parse_rules, sign_rules
from issuer.stage import (
    DAY_S,
    LISTS_EACH,
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
from keys.lifecycle import Environment, Purpose
from keys.trustlist import Roots, TrustList
from keys.trustplace import ROOTS_FILE

__all__ = ["Country", "open_country"]

_ROOTS: Final = 3
_THRESHOLD: Final = 2
_PLACES: Final = (
    Place(SHAANXI, "陕西", "Shaanxi", 0),
    Place(HEILONGJIANG, "黑龙江", "Heilongjiang", LISTS_EACH),
)


@dataclass(frozen=True, slots=True)
class Country:
    out: Path
    clock: Clock
    shaanxi: Province
    heilongjiang: Province

    @property
    def public(self) -> Path:
        return self.out / "public"

    @property
    def roots_file(self) -> Path:
        return self.out / "private" / "trust" / ROOTS_FILE

    def sign_risks(self, table: RiskTable) -> bytes:
        """Heilongjiang signs the risk table of the story, for its own compounds stand in it."""
        return sign_risk_table(table, self.heilongjiang.signer(Purpose.RULES))

    def publish(self) -> None:
        for province in (self.heilongjiang, self.shaanxi):
            province.publish()
        write_public(self.shaanxi.office.log, self.public)


@contextmanager
def open_country(out: Path, *, tokens: bool) -> Iterator[Country]:
    """Make keys, a trust list and two provinces below *out*, and open them.

    With *tokens*, the keys that sign codes are in a PKCS#11 token of each province.
    """
    clock = Clock(NOW)
    inside = _tokens(out / "private" / "hsm") if tokens else {}
    sites = [
        make_site(out, place, now=NOW, token=inside.get(place.region, "none")) for place in _PLACES
    ]
    _hold_ceremony(out / "private", sites)
    with ExitStack() as stack:
        provinces = [
            stack.enter_context(opened(site, clock, _policy(site.place.region))) for site in sites
        ]
        country = Country(out, clock, *provinces)
        risks = country.sign_risks(_risks_of_the_day())
        for province in provinces:
            rules = province.office.writer.authority.rules
            province.office.adopt(sign_rules(rules, province.signer(Purpose.RULES)), risks)
        yield country


def _tokens(folder: Path) -> dict[str, str]:
    """Where the token of each province is: all are made before the first is opened."""
    softhsm.set_up(folder)
    made = {}
    for place in _PLACES:
        token = softhsm.make_token(place.region, folder / f"{place.region}.pin")
        made[place.region] = (
            f"pkcs11:token={place.region}?module-path={token.module}"
            f"&pin-source=file:{quote(str(token.pin_file))}"
        )
    return made


def _hold_ceremony(private: Path, sites: list[Site]) -> None:
    """Three roots, each in a keystore of its own; two of them sign the trust list."""
    begin = NOW - DAY_S
    holders = [
        RootHolder.new(private / "roots" / f"root-{number}", now=begin)
        for number in range(1, _ROOTS + 1)
    ]
    keys = tuple(holder.info.public_key for holder in holders)
    roots = Roots(1, _THRESHOLD, keys, Environment.TEST)
    trust = TrustList(
        version=1,
        issued_at=NOW - 3600,
        next_update=NOW + DAY_S,
        not_after=NOW + 14 * DAY_S,
        roots=roots,
        issuers=tuple(site.listed() for site in sites),
    )
    put_trust(private / "trust", roots, sign_together(trust, holders[:_THRESHOLD], now=NOW))


def _policy(region: str) -> Policy:
    """The Shaanxi standard and the risk table of the day."""
    return parse_rules(_standard(region), now=NOW), _risks_of_the_day()


def _risks_of_the_day() -> RiskTable:
    """The notice's table, and the one place that the story adds."""
    return shipped_risk_table("2020-12-13").with_change(
        CONTROLLED, RiskLevel.MEDIUM, NOW - DAY_S, issued_at=NOW - DAY_S
    )


def _standard(region: str) -> bytes:
    """The Shaanxi standard; another province applies it as its own, seen from its own inside."""
    text = files("issuer.rulesets").joinpath("shaanxi-2020-12.json").read_bytes()
    if region == SHAANXI:
        return text
    data = json.loads(text.decode().replace("来陕", "来黑"))
    title = {"zh": "黑龙江健康码分类标准", "en": "Heilongjiang health code standard"}
    data |= {"id": f"standard-{region}", "jurisdiction": region, "title": title}
    return json.dumps(data, ensure_ascii=False).encode()
