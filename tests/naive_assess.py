"""assess() once more, naively: what applies at one instant, rule by rule, without any span."""

from collections.abc import Sequence
from typing import NamedTuple

from issuer.colour.evidence import Evidence, Kind
from issuer.colour.regions import contains
from issuer.colour.risk import RiskLevel, RiskTable
from issuer.rules.ruletypes import Answer, Condition, Rule, RuleSet, Verdict, Where
from tests.evidence_support import DAY, HOUR

__all__ = ["naive"]


class _Said(NamedTuple):
    kind: Kind
    value: str
    at: int
    is_presumed: bool


def _said(rules: RuleSet, records: Sequence[Evidence]) -> list[_Said]:
    said = [_Said(r.kind, r.value, r.at, is_presumed=False) for r in records]
    real = list(said)
    for presumption in rules.presumptions:
        for sample in real:
            if sample.kind is not presumption.kind or sample.value not in presumption.values:
                continue
            end = sample.at + presumption.after_s
            came = [s for s in real if sample.at <= s.at <= end]
            if not any(
                s.kind is a.kind and s.value in a.values for s in came for a in presumption.unless
            ):
                said.append(_Said(*presumption.gives, end, is_presumed=True))
    return said


def _answered(answer: Answer, one: Evidence, said: list[_Said], now: int) -> bool:
    return any(
        s.kind is answer.kind
        and s.value in answer.values
        and one.at < s.at <= now
        and (answer.presumed or not s.is_presumed)
        for s in said
    )


def _level(risks: RiskTable, place: str, now: int) -> RiskLevel:
    around = (place, place[:6], place[:4] + "00", place[:2] + "0000")
    for outer in around:
        past = [c for c in risks.changes if c.place == outer and c.at <= now]
        if past:
            last = max(past, key=lambda c: c.at)
            if last.level is not None:
                return last.level
    return RiskLevel.LOW


class _World(NamedTuple):
    rules: RuleSet
    said: list[_Said]
    risks: RiskTable
    now: int


def _holds(when: Condition, one: Evidence, world: _World) -> bool:
    rules, now = world.rules, world.now
    if one.kind is not when.kind or one.value not in when.values or one.at > now:
        return False
    if when.where and (when.where is Where.INSIDE) != contains(rules.jurisdiction, one.place):
        return False
    if when.key_area is not None:
        key = _level(world.risks, one.place, now) in rules.key_levels
        if key is not when.key_area:
            return False
    goes_on = one.kind is Kind.RESIDENCE and one.until is None
    last = one.until if one.until is not None else one.at
    if when.days is not None and not goes_on:
        today, that_day = (now + 8 * HOUR) // DAY, (last + 8 * HOUR) // DAY
        if today - that_day > when.days:
            return False
    if when.days is None and one.kind is Kind.RESIDENCE and not goes_on and last <= now:
        return False
    return when.answer is None or not _answered(when.answer, one, world.said, now)


def _applies(rule: Rule, records: Sequence[Evidence], world: _World) -> set[bytes] | None:
    """The records that the rule rests on, or None where it does not apply."""
    now = world.now
    if rule.missing is not None:
        there = any(
            r.kind is rule.missing and r.at <= now and (r.until is None or now < r.until)
            for r in records
        )
        return None if there else set()
    assert rule.when is not None
    return {r.evidence_id for r in records if _holds(rule.when, r, world)} or None


def naive(
    rules: RuleSet, records: Sequence[Evidence], risks: RiskTable, now: int
) -> tuple[Verdict, dict[str, set[bytes]]]:
    """The verdict, and the rules that decide with the records they rest on."""
    if not rules.valid_from <= now < rules.valid_until:
        return Verdict.PENDING, {"not-in-force": set()}
    world = _World(rules, _said(rules, records), risks, now)
    applying = [
        (rule, found)
        for rule in rules.rules
        if (found := _applies(rule, records, world)) is not None
    ]
    worst = max((rule.verdict for rule, _ in applying), default=Verdict.GREEN)
    deciding = {rule.id: found for rule, found in applying if rule.verdict is worst}
    return worst, deciding or {rules.default.id: set()}
