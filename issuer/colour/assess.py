"""The colour of a person: a function of rules, evidence, risk table and instant. Pure.

Nothing else sets a colour. The most severe rule that applies decides; no rule counts, weighs or
adds. The outcome says which rules decided, on which records, and when it changes by itself.
Spec page: docs/spec/rules.md.

How: every rule that can ever apply to this person becomes a span of time. Then the outcome at any
instant is the most severe span around it, and it can change only where a span begins or ends.
"""

import functools
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from issuer.colour.evidence import Evidence, Kind, commitment
from issuer.colour.regions import prefix_of
from issuer.colour.risk import RiskLevel, RiskTable
from issuer.colour.timeline import end_of_day_after
from issuer.rules.ruletypes import Answer, Presumption, Rule, RuleSet, Texts, Verdict, Where
from verifier.claims import Colour

__all__ = [
    "Assessed", "Outcome", "Pending", "Presumed", "Reason", "assess", "presumed",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that decided, and the ids of the records it rests on, sorted."""

    rule_id: str
    code: str
    evidence: tuple[bytes, ...]
    text: Texts


@dataclass(frozen=True, slots=True)
class Assessed:
    """A colour. *changes_at*: UNIX seconds, when it becomes another outcome by itself."""

    colour: Colour
    reasons: tuple[Reason, ...]
    changes_at: int | None
    rule_set: str
    rule_version: int
    evidence_commitment: bytes


@dataclass(frozen=True, slots=True)
class Pending:
    """No colour, because something is missing. *changes_at*: when there is one by itself."""

    reasons: tuple[Reason, ...]
    changes_at: int | None
    rule_set: str
    rule_version: int
    evidence_commitment: bytes


Outcome: TypeAlias = Assessed | Pending


class Presumed(NamedTuple):
    """What a presumption gives: the record *evidence* counts as this from *at* on."""

    presumption: Presumption
    kind: Kind
    value: str
    at: int
    evidence: Evidence


class _Case(NamedTuple):
    """A rule with a condition, as the loop over records wants it."""

    rule: int
    inside: bool | None
    levels: frozenset[RiskLevel] | None
    days: int | None
    answer: Answer | None


class _Span(NamedTuple):
    """A rule applies from *begin* until *end*, on this record or on the lack of one."""

    rule: int
    begin: float
    end: float
    evidence_id: bytes | None


class _Program(NamedTuple):
    """A rule set, taken apart once for all persons."""

    rules: tuple[Rule, ...]
    verdicts: tuple[Verdict, ...]
    cases: dict[tuple[Kind, str], tuple[_Case, ...]]
    missing: tuple[tuple[int, Kind], ...]
    prefix: str


def assess(rules: RuleSet, evidence: Sequence[Evidence], risks: RiskTable, now: int) -> Outcome:
    """The outcome for one person at the instant *now*.

    Order and repetition of records do not matter. A record whose *at* lies after *now* counts
    from *at* on. A record that was taken back must not be among them; nor, in a replay, one that
    came in after *now*: `recorded_at` is not looked at.

    Args:
        rules: A loaded rule set; outside its validity the outcome is pending.
        evidence: All records about this person.
        risks: The risk table in force.
        now: UNIX seconds.
    """
    program = _compile(rules)
    spans = _spans(program, rules, evidence, risks, now)
    in_force = rules.valid_from <= now < rules.valid_until
    verdict = _verdict(program, spans, now) if in_force else Verdict.PENDING
    changes_at = _changes_at(program, rules, spans, now, verdict)
    reasons = (
        _reasons(program, rules, spans, now, verdict)
        if in_force
        else (_reason(rules.not_in_force),)
    )
    binding = commitment(evidence)
    colour = verdict.colour
    if colour is None:
        return Pending(reasons, changes_at, rules.id, rules.version, binding)
    return Assessed(colour, reasons, changes_at, rules.id, rules.version, binding)


def presumed(rules: RuleSet, evidence: Iterable[Evidence]) -> Iterator[Presumed]:
    """What the presumptions of the rule set make of these records, whenever that is.

    A presumption starts from records alone, never from what another gave.
    """
    records = tuple(evidence)
    for presumption in rules.presumptions:
        for record in records:
            if record.kind is presumption.kind and record.value in presumption.values:
                at = record.at + presumption.after_s
                if not _prevented(presumption.unless, records, record.at, at):
                    yield Presumed(presumption, *presumption.gives, at, record)


def _prevented(unless: Iterable[Answer], records: Iterable[Evidence], begin: int, end: int) -> bool:
    """Whether one of *records* came in time. The last instant is still in time."""
    return any(
        record.kind is answer.kind and record.value in answer.values and begin <= record.at <= end
        for answer in unless
        for record in records
    )


@functools.lru_cache(maxsize=64)
def _compile(rules: RuleSet) -> _Program:
    cases: dict[tuple[Kind, str], tuple[_Case, ...]] = {}
    for index, rule in enumerate(rules.rules):
        when = rule.when
        if when is None:
            continue
        inside = None if when.where is None else when.where is Where.INSIDE
        levels = None if when.key_area is None else _levels(rules, key_area=when.key_area)
        case = _Case(index, inside, levels, when.days, when.answer)
        for value in when.values:
            cases[when.kind, value] = (*cases.get((when.kind, value), ()), case)
    missing = ((i, rule.missing) for i, rule in enumerate(rules.rules) if rule.missing is not None)
    verdicts = tuple(rule.verdict for rule in rules.rules)
    return _Program(rules.rules, verdicts, cases, tuple(missing), prefix_of(rules.jurisdiction))


def _levels(rules: RuleSet, *, key_area: bool) -> frozenset[RiskLevel]:
    """The risk levels of a place that is, or is not, a key area."""
    return rules.key_levels if key_area else frozenset(RiskLevel) - rules.key_levels


def _spans(
    program: _Program, rules: RuleSet, evidence: Sequence[Evidence], risks: RiskTable, now: int
) -> list[_Span]:
    """Every span that ends after *now*."""
    spans: list[_Span] = []
    answers: dict[int, list[int]] = {}  # by rule; looked for once, however many records ask
    for record in evidence:
        for case in program.cases.get((record.kind, record.value), ()):
            inside = case.inside
            if inside is not None and inside is not record.place.startswith(program.prefix):
                continue
            end = _end(case, record)
            if case.answer is not None:
                if case.rule not in answers:
                    answers[case.rule] = _answers(rules, case.answer, evidence)
                end = min(end, _first_after(record.at, answers[case.rule]))
            if end <= now:
                continue
            if case.levels is None:
                spans.append(_Span(case.rule, record.at, end, record.evidence_id))
            else:
                spans += _place_spans(case, record, end, risks, now)
    for index, kind in program.missing:
        spans += _gaps(index, kind, evidence, now)
    return spans


def _end(case: _Case, record: Evidence) -> float:
    """When this rule stops applying to this record, whatever its place and whoever answers it."""
    last = record.until
    if case.days is not None:
        if last is not None or record.kind is not Kind.RESIDENCE:
            return end_of_day_after(record.at if last is None else last, case.days)
    elif record.kind is Kind.RESIDENCE and last is not None:
        return last
    return math.inf


def _answers(rules: RuleSet, answer: Answer, evidence: Sequence[Evidence]) -> list[int]:
    """The instants of all such answers, in their order."""
    instants = [
        other.at for other in evidence if other.kind is answer.kind and other.value in answer.values
    ]
    if answer.presumed:
        instants += [
            other.at
            for other in presumed(rules, evidence)
            if other.kind is answer.kind and other.value in answer.values
        ]
    return sorted(instants)


def _first_after(instant: int, instants: Sequence[int]) -> float:
    """The first of *instants*, which are in order, that is later; infinity: none is."""
    later = bisect_right(instants, instant)
    return instants[later] if later < len(instants) else math.inf


def _place_spans(
    case: _Case, record: Evidence, end: float, risks: RiskTable, now: int
) -> Iterator[_Span]:
    """The parts of the span from *now* on in which the place has one of the case's levels."""
    wanted = case.levels or frozenset()
    instants, levels = risks.timeline(record.place)
    begin = max(record.at, now)
    for index in range(bisect_right(instants, begin), len(levels)):
        until = min(end, instants[index]) if index < len(instants) else end
        if levels[index] in wanted:
            yield _Span(case.rule, begin, until, record.evidence_id)
        if until == end:
            return
        begin = instants[index]


def _gaps(rule: int, kind: Kind, evidence: Sequence[Evidence], now: int) -> Iterator[_Span]:
    """The times from *now* on at which no record of this kind is in force."""
    covered: float = now
    for begin, end in sorted(
        (record.at, math.inf if record.until is None else record.until)
        for record in evidence
        if record.kind is kind
    ):
        if begin > covered:
            yield _Span(rule, covered, begin, None)
        covered = max(covered, end)
    if covered < math.inf:
        yield _Span(rule, covered, math.inf, None)


def _verdict(program: _Program, spans: Iterable[_Span], at: float) -> Verdict:
    verdicts = program.verdicts
    worst = Verdict.GREEN
    for rule, begin, end, _ in spans:
        if begin <= at < end and verdicts[rule] > worst:
            worst = verdicts[rule]
    return worst


def _changes_at(
    program: _Program, rules: RuleSet, spans: Sequence[_Span], now: int, verdict: Verdict
) -> int | None:
    """The first instant after *now* with another verdict. Reasons may change before it."""
    edges = {edge for span in spans for edge in (span.begin, span.end)}
    edges |= {rules.valid_from, rules.valid_until}
    for edge in sorted(edges):
        if now < edge < math.inf and verdict is not (
            _verdict(program, spans, edge)
            if rules.valid_from <= edge < rules.valid_until
            else Verdict.PENDING
        ):
            return int(edge)
    return None


def _reasons(
    program: _Program, rules: RuleSet, spans: Sequence[_Span], now: int, verdict: Verdict
) -> tuple[Reason, ...]:
    """The rules of this verdict that apply now, in the order of the rule set."""
    found: dict[int, set[bytes]] = {}
    for rule, begin, end, evidence_id in spans:
        if program.verdicts[rule] is verdict and begin <= now < end:
            ids = found.setdefault(rule, set())
            if evidence_id is not None:
                ids.add(evidence_id)
    if not found:
        return (_reason(rules.default),)
    return tuple(_reason(program.rules[rule], found[rule]) for rule in sorted(found))


def _reason(rule: Rule, evidence: Iterable[bytes] = ()) -> Reason:
    return Reason(rule.id, rule.code, tuple(sorted(evidence)), rule.reason)
