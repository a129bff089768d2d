"""Assessing: one person, and how many persons a core replays in a second."""

import os
from collections.abc import Callable, Iterable
from functools import partial
from itertools import cycle

from issuer.colour.assess import assess
from issuer.colour.evidence import Evidence, Kind, commitment
from issuer.colour.risk import RiskChange, RiskLevel, RiskTable, shipped_risk_table
from issuer.rules.rules import shipped_rules
from tests.bench.harness import Row, at_most, interleaved, stated

NOW = 1607911200  # 14 December 2020, 10:00 in China
DAY = 86400
RULES = shipped_rules("shaanxi-2020-12", now=NOW)


def _record(kind: Kind, value: str, at: int, place: str = "") -> Evidence:
    return Evidence(os.urandom(16), kind, at, None, place, value, "0badc0de", "610000", at)


def _persons() -> dict[str, tuple[Evidence, ...]]:
    home = _record(Kind.RESIDENCE, "lives", NOW - 900 * DAY, "610113")
    survey = _record(Kind.SURVEY, "clear", NOW - DAY)
    third = {
        "green: sampled": (Kind.SAMPLE, "taken", ""),
        "yellow: from Chengdu": (Kind.ARRIVAL, "entered", "510117"),
        "red: from Qingyun": (Kind.ARRIVAL, "entered", "231081-qingyun"),
        "pending: called back": (Kind.RECALL, "re-test", ""),
    }
    return {
        name: (home, survey, _record(kind, value, NOW - DAY, place))
        for name, (kind, value, place) in third.items()
    }


def _large_table() -> RiskTable:
    """A year of a country: 5,000 changes in 500 compounds."""
    risks = shipped_risk_table("2020-12-13")
    changes = list(risks.changes)
    for number in range(500):
        changes += [
            RiskChange(f"130102-c{number:03}", level, NOW - 300 * DAY + step * 30 * DAY)
            for step, level in zip(range(10), cycle(RiskLevel), strict=False)
        ]
    return RiskTable(2, NOW, tuple(sorted(changes, key=lambda c: (c.place, c.at))))


def run() -> Iterable[Row]:
    """Against the raw work that no assessing goes without: encode and hash three records."""
    risks, large = shipped_risk_table("2020-12-13"), _large_table()
    persons = _persons()
    first = next(iter(persons.values()))
    contenders: dict[str, Callable[[], object]] = {
        **{name: partial(assess, RULES, who, risks, NOW) for name, who in persons.items()},
        "green, 5,000 changes of risk": partial(assess, RULES, first, large, NOW),
        "commitment": partial(commitment, first),
    }
    times = interleaved(contenders, rounds=15, number=500)
    raw = times.pop("commitment")
    for name, seconds in times.items():
        yield at_most(f"assess 3 records / their commitment alone, {name}", seconds / raw, 3.5)
    for name, seconds in times.items():
        yield stated(f"assess 3 records, {name}", seconds * 1e6, "us")
    mean = sum(times[name] for name in persons) / len(persons)
    yield stated("persons assessed per second and core, the four in turn", 1 / mean, "1/s")
