"""Records, risk tables and rule sets for the tests of the issuer's domain."""

import itertools
import json
from importlib import resources
from typing import Any

from issuer.colour.evidence import Evidence, Kind
from issuer.colour.risk import RiskChange, RiskLevel, RiskTable
from issuer.colour.timeline import DAY_S
from issuer.rules.rules import RuleSet, shipped_rules

#: 14 December 2020, 10:00 in China.
NOW = 1607911200
TODAY = 1607875200  # 00:00 of that day
HOUR = 3600
DAY = DAY_S
SOURCE = "0badc0de"
SHAANXI = "610000"
XIAN_COMPOUND = "610113-shili"
QINGYUN = "231081-qingyun"
YINGZE = "231081-yingze-lidu"

_ids = itertools.count(1)
_VALUES = {
    Kind.ARRIVAL: "entered",
    Kind.RESIDENCE: "lives",
    Kind.SAMPLE: "taken",
    Kind.RECALL: "re-test",
    Kind.CONTACT: "confirmed",
    Kind.SURVEY: "clear",
}


def record(
    kind: Kind,
    value: str | None = None,
    *,
    at: int = NOW - DAY,
    until: int | None = None,
    place: str = "",
) -> Evidence:
    """A record with an id of its own."""
    evidence_id = next(_ids).to_bytes(16, "big")
    said = _VALUES[kind] if value is None else value
    return Evidence(evidence_id, kind, at, until, place, said, SOURCE, SHAANXI, at)


def lives(
    place: str = "610113", *, at: int = NOW - 400 * DAY, until: int | None = None
) -> Evidence:
    return record(Kind.RESIDENCE, at=at, until=until, place=place)


def table(*changes: tuple[str, RiskLevel | None, int]) -> RiskTable:
    rows = sorted((RiskChange(*change) for change in changes), key=lambda c: (c.place, c.at))
    return RiskTable(1, NOW, tuple(rows))


def shaanxi() -> RuleSet:
    return shipped_rules("shaanxi-2020-12", now=NOW)


def shaanxi_text() -> str:
    return (resources.files("issuer") / "rulesets" / "shaanxi-2020-12.json").read_text("utf-8")


def shaanxi_data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(shaanxi_text())
    return data
