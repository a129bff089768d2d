"""assess() against a second, naive implementation, and the properties that it promises."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.colour.assess import Assessed, Outcome, Pending, assess, presumed
from issuer.colour.evidence import VOCABULARY, Evidence, Kind, commitment
from issuer.colour.risk import RiskChange, RiskLevel, RiskTable
from issuer.rules.rules import load_rules
from issuer.rules.ruletypes import RuleSet, Verdict
from tests.evidence_support import (
    DAY,
    HOUR,
    NOW,
    QINGYUN,
    SHAANXI,
    SOURCE,
    TODAY,
    XIAN_COMPOUND,
    YINGZE,
    lives,
    record,
    shaanxi,
    shaanxi_data,
    table,
)
from tests.naive_assess import naive
from verifier.claims import Colour

RULES = shaanxi()
LOW = table()


def _after_moving_out() -> RuleSet:
    """The same, but a key compound counts for some days after somebody moved out of it."""
    data = shaanxi_data()
    data["rules"][-1]["when"]["within"] = "observation"
    return load_rules(data, now=NOW)


MOVED = _after_moving_out()
RULE_SETS = [RULES, MOVED, replace(RULES, jurisdiction="231000")]
PLACES = ("610000", "610113", XIAN_COMPOUND, "231081", QINGYUN, YINGZE, "510117")

# Instants that collide on purpose: whole hours around midnight and noon, some days back and ahead.
_instants = st.builds(
    lambda day, offset: TODAY + day * DAY + offset,
    st.integers(-20, 20),
    st.sampled_from([0, 1, 10 * HOUR, 12 * HOUR, DAY - 1]),
)
_risk_changes = st.builds(
    RiskChange, st.sampled_from(PLACES), st.sampled_from([None, *RiskLevel]), _instants
)


@st.composite
def _records(draw: st.DrawFn) -> Evidence:
    kind = draw(st.sampled_from(list(Kind)))
    shape = VOCABULARY[kind]
    at = draw(_instants)
    until = draw(st.none() | _instants.filter(lambda t: t >= at)) if shape.until else None
    place = draw(st.sampled_from(PLACES)) if shape.place else ""
    value = draw(st.sampled_from(sorted(shape.values)))
    evidence_id = draw(st.binary(min_size=16, max_size=16))
    return Evidence(evidence_id, kind, at, until, place, value, SOURCE, SHAANXI, at)


def _table(changes: list[RiskChange]) -> RiskTable:
    unique = {(change.place, change.at): change for change in changes}
    return RiskTable(1, NOW, tuple(unique[key] for key in sorted(unique)))


people = st.builds(
    lambda home, records: home + records,
    st.sampled_from([[], [lives()], [lives(XIAN_COMPOUND)]]),
    st.lists(_records(), max_size=6),
)
tables = st.lists(_risk_changes, max_size=6).map(_table)


def verdict(outcome: Outcome) -> Verdict:
    return Verdict.PENDING if isinstance(outcome, Pending) else Verdict[outcome.colour.name]


def verdict_at(records: list[Evidence], risks: RiskTable, now: int) -> Verdict:
    return verdict(assess(RULES, records, risks, now))


@given(st.sampled_from(RULE_SETS), people, tables, _instants)
@settings(max_examples=400, deadline=None)
def test_assess_any_person_agrees_with_the_naive_reading(
    rules: RuleSet, records: list[Evidence], risks: RiskTable, now: int
) -> None:
    """Verdict, deciding rules and records are those of a second implementation without spans."""
    outcome = assess(rules, records, risks, now)
    expected, deciding = naive(rules, records, risks, now)
    assert verdict(outcome) is expected
    assert {r.rule_id: set(r.evidence) for r in outcome.reasons} == deciding


@given(st.sampled_from(RULE_SETS), people, tables, _instants)
@settings(max_examples=150, deadline=None)
def test_assess_until_changes_at_is_constant_and_differs_there(
    rules: RuleSet, records: list[Evidence], risks: RiskTable, now: int
) -> None:
    """The verdict holds on [now, changes_at) and is another one at changes_at."""
    outcome = assess(rules, records, risks, now)
    last = rules.valid_until if outcome.changes_at is None else outcome.changes_at
    midnights = range(TODAY - 40 * DAY, TODAY + 40 * DAY, DAY)
    edges = {t for r in records for t in (r.at, r.until, r.at + DAY) if t is not None}
    edges |= {change.at for change in risks.changes} | set(midnights) | {rules.valid_from}
    instants = {near for t in edges for near in (t - 1, t)} | {last - 1}
    for instant in instants:
        if now <= instant < last:
            assert naive(rules, records, risks, instant)[0] is verdict(outcome)
    if outcome.changes_at is not None:
        assert outcome.changes_at > now
        assert naive(rules, records, risks, outcome.changes_at)[0] is not verdict(outcome)


@given(people, tables, _instants, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_assess_records_shuffled_and_doubled_gives_the_same_outcome(
    records: list[Evidence], risks: RiskTable, now: int, rng: random.Random
) -> None:
    """Neither the order of the records nor their repetition matters, down to the commitment."""
    again = records + rng.sample(records, len(records) // 2)
    rng.shuffle(again)
    assert assess(RULES, again, risks, now) == assess(RULES, records, risks, now)


@given(people, tables, _instants, _instants)
@settings(deadline=None)
def test_assess_red_worthy_record_added_never_makes_it_greener(
    records: list[Evidence], risks: RiskTable, now: int, at: int
) -> None:
    """Whatever is known already, one more reason for red leaves the verdict as severe, or more."""
    before = verdict_at(records, risks, now)
    for kind, value in [
        (Kind.CONTACT, "suspected"),
        (Kind.SYMPTOM, "cough"),
        (Kind.RESULT, "positive"),
        (Kind.ARRIVAL, "entered"),
    ]:
        place = QINGYUN if kind is Kind.ARRIVAL else ""
        more = record(kind, value, at=at, place=place)
        assert verdict_at([*records, more], risks, now) >= before


@given(people, tables, _instants)
@settings(deadline=None)
def test_assess_record_of_the_future_counts_from_its_instant_on(
    records: list[Evidence], risks: RiskTable, now: int
) -> None:
    """What has not happened yet changes neither verdict nor reasons, only the commitment."""
    known = [r for r in records if r.at <= now]
    future, past = assess(RULES, records, risks, now), assess(RULES, known, risks, now)
    assert verdict(future) is verdict(past)
    assert future.reasons == past.reasons


@given(st.lists(people, min_size=1, max_size=50), tables, st.data())
@settings(max_examples=30, deadline=None)
def test_assess_one_of_many_changed_alone_changes_its_own_outcome_only(
    persons: list[list[Evidence]], risks: RiskTable, data: st.DataObject
) -> None:
    """Everybody in a set is judged on their own records, none twice and none in another's place."""
    index = data.draw(st.integers(0, len(persons) - 1))
    sick = [*persons[index], record(Kind.SYMPTOM, "fever", at=NOW)]
    changed = [sick if i == index else person for i, person in enumerate(persons)]
    before = [assess(RULES, person, risks, NOW) for person in persons]
    after = [assess(RULES, person, risks, NOW) for person in changed]
    assert [i for i in range(len(persons)) if before[i] != after[i]] == [index]
    assert verdict(after[index]) is Verdict.RED


def test_assess_contact_counts_through_the_end_of_local_day_14() -> None:
    """A contact at any time of local day D counts until day D + 14 is over, in UTC+8."""
    for second in (0, 1, 15 * HOUR, DAY - 1):
        records = [lives(), record(Kind.CONTACT, at=TODAY + second)]
        outcome = assess(RULES, records, LOW, TODAY + second)
        assert outcome.changes_at == TODAY + 15 * DAY
        assert verdict_at(records, LOW, TODAY + 15 * DAY - 1) is Verdict.RED
        assert verdict_at(records, LOW, TODAY + 15 * DAY) is Verdict.GREEN


def test_assess_contact_that_lasted_counts_from_its_last_day() -> None:
    """Living with a case counts from the last day, not from the first."""
    contact = record(Kind.CONTACT, at=TODAY - 20 * DAY, until=TODAY - 2 * DAY)
    outcome = assess(RULES, [lives(), contact], LOW, NOW)
    assert outcome.changes_at == TODAY + 13 * DAY


def test_assess_two_overlapping_windows_end_with_the_later() -> None:
    """Two reasons for red: it stays red until both are over, and both are named while they hold."""
    first = record(Kind.CONTACT, at=NOW - 10 * DAY)
    second = record(Kind.SYMPTOM, "fever", at=NOW - 2 * DAY)
    outcome = assess(RULES, [lives(), first, second], LOW, NOW)
    assert [r.evidence for r in outcome.reasons] == [(first.evidence_id,), (second.evidence_id,)]
    assert outcome.changes_at == TODAY + 13 * DAY


def test_assess_risk_history_changes_the_outcome_at_each_announced_instant() -> None:
    """Green, yellow from the announced rise on, green after the announced fall."""
    risks = table(
        (XIAN_COMPOUND, RiskLevel.MEDIUM, NOW + DAY), (XIAN_COMPOUND, RiskLevel.LOW, NOW + 9 * DAY)
    )
    records = [lives(XIAN_COMPOUND)]
    now, seen = NOW, []
    while True:
        outcome = assess(RULES, records, risks, now)
        seen.append((verdict(outcome), outcome.changes_at))
        if outcome.changes_at is None:
            break
        now = outcome.changes_at
    assert seen == [
        (Verdict.GREEN, NOW + DAY),
        (Verdict.YELLOW, NOW + 9 * DAY),
        (Verdict.GREEN, RULES.valid_until),
        (Verdict.PENDING, None),
    ]


def test_assess_nothing_known_is_pending_never_green() -> None:
    """Without a residence nobody can say whether the person lives in a key compound."""
    outcome = assess(RULES, [], LOW, NOW)
    assert isinstance(outcome, Pending)
    assert [reason.code for reason in outcome.reasons] == ["no-residence"]
    assert outcome.changes_at is None


def test_assess_moving_house_leaves_no_gap() -> None:
    """The instant at which one residence ends may be the one at which the next begins."""
    old, new = lives(until=NOW), lives("610113", at=NOW)
    assert verdict_at([old, new], LOW, NOW) is Verdict.GREEN
    assert verdict_at([old], LOW, NOW - 1) is Verdict.GREEN
    assert verdict_at([old], LOW, NOW) is Verdict.PENDING


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        (Kind.RESULT, "delayed", "result-delayed"),
        (Kind.RECALL, "re-test", "re-test"),
        (Kind.SURVEY, "incomplete", "survey-incomplete"),
    ],
)
def test_assess_missing_or_late_data_is_pending(kind: Kind, value: str, code: str) -> None:
    """Late results, open re-tests and open surveys give no colour, except where red is certain."""
    records = [lives(), record(kind, value)]
    outcome = assess(RULES, records, LOW, NOW)
    assert isinstance(outcome, Pending)
    assert [reason.code for reason in outcome.reasons] == [code]
    assert verdict_at([*records, record(Kind.ARRIVAL, place="510117")], LOW, NOW) is Verdict.PENDING
    assert verdict_at([*records, record(Kind.CONTACT)], LOW, NOW) is Verdict.RED


@pytest.mark.parametrize("value", ["positive", "negative"])
def test_assess_result_ends_the_waiting(value: str) -> None:
    """A result answers what came before it, not what came at the same instant or after."""
    recall = record(Kind.RECALL, at=NOW - DAY)
    expected = Verdict.RED if value == "positive" else Verdict.GREEN
    later, same = (record(Kind.RESULT, value, at=NOW - DAY + s) for s in (1, 0))
    assert verdict_at([lives(), recall, later], LOW, NOW) is expected
    assert verdict_at([lives(), recall, same], LOW, NOW) is max(expected, Verdict.PENDING)


def test_assess_presumed_negative_does_not_end_a_positive() -> None:
    """Not being called back is no proof of recovery: only a laboratory's negative ends red."""
    positive = record(Kind.RESULT, "positive", at=NOW - 9 * DAY)
    sample = record(Kind.SAMPLE, at=NOW - 5 * DAY)
    assert verdict_at([lives(), positive, sample], LOW, NOW) is Verdict.RED
    negative = record(Kind.RESULT, "negative", at=NOW - 4 * DAY)
    assert verdict_at([lives(), positive, sample, negative], LOW, NOW) is Verdict.GREEN


@pytest.mark.parametrize(
    ("kind", "value"),
    [(Kind.RECALL, "re-test"), (Kind.RESULT, "delayed"), (Kind.RESULT, "negative")],
)
def test_presumed_record_within_24_h_prevents_it(kind: Kind, value: str) -> None:
    """A recall, a result or a late laboratory in time, to the second, leaves no presumption."""
    sample = record(Kind.SAMPLE, at=NOW)
    for delay, expected in [(0, False), (DAY, False), (DAY + 1, True), (-1, True)]:
        other = record(kind, value, at=NOW + delay)
        assert bool(list(presumed(RULES, [sample, other]))) is expected


def test_presumed_sample_says_on_what_it_rests() -> None:
    """A presumed result names its presumption, its deadline and the sample."""
    sample = record(Kind.SAMPLE, at=NOW)
    (one,) = presumed(RULES, [sample])
    assert (one.kind, one.value, one.at) == (Kind.RESULT, "negative", NOW + DAY)
    assert one.evidence is sample
    assert one.presumption.reason["zh"] == "采样后24小时内未接到复核通知，视为核酸检测结果为阴性"


def test_assess_outside_the_validity_of_the_rules_is_pending() -> None:
    """Before the rules are in force, and after their sunset, nobody gets a colour, not even red."""
    records = [lives(), record(Kind.CONTACT, at=RULES.valid_from - DAY)]
    for now, then in [
        (RULES.valid_from - 1, RULES.valid_from),
        (RULES.valid_until, None),
    ]:
        outcome = assess(RULES, records, LOW, now)
        assert isinstance(outcome, Pending)
        assert [reason.code for reason in outcome.reasons] == ["not-in-force"]
        assert outcome.changes_at == then


class _Counted(list[Evidence]):
    """Records that know how often somebody went through all of them."""

    passes = 0

    def __iter__(self) -> Iterator[Evidence]:
        self.passes += 1
        return super().__iter__()


def test_assess_goes_through_the_records_as_often_for_many_as_for_few() -> None:
    """Whoever declares much, day after day, must not keep the issuer's one writer to himself."""
    passes = []
    for count in (2, 200):
        said = [record(Kind.SURVEY, "incomplete", at=NOW - each) for each in range(count)]
        records = _Counted([lives(), *said, record(Kind.SURVEY, "clear", at=NOW - 1)])
        assert verdict_at(records, LOW, NOW) is Verdict.PENDING
        passes.append(records.passes)
    assert passes[0] == passes[1]


def test_assess_ring_contact_has_no_line_in_the_standard() -> None:
    """The vocabulary knows contacts of contacts; the Shaanxi standard gives them no colour."""
    assert verdict_at([lives(), record(Kind.RING_CONTACT, "confirmed")], LOW, NOW) is Verdict.GREEN


def test_assess_key_area_is_judged_as_of_now() -> None:
    """A place raised after somebody came counts from then on, and no longer once lowered."""
    came = record(Kind.ARRIVAL, place=YINGZE, at=NOW - 5 * DAY)
    risks = table((YINGZE, RiskLevel.MEDIUM, NOW - 2 * DAY), (YINGZE, RiskLevel.LOW, NOW + 3 * DAY))
    at = [NOW - 3 * DAY, NOW, NOW + 3 * DAY, TODAY + 10 * DAY]
    assert [verdict_at([lives(), came], risks, t) for t in at] == [
        Verdict.YELLOW, Verdict.RED, Verdict.YELLOW, Verdict.GREEN,
    ]  # fmt: skip


def test_assess_other_jurisdiction_swaps_inside_and_outside() -> None:
    """The same rules for Heilongjiang: Qingyun is inside, Xi'an is another province."""
    rules = replace(RULES, jurisdiction="230000")
    risks = table((QINGYUN, RiskLevel.MEDIUM, NOW - DAY))
    at_home = assess(rules, [lives(QINGYUN)], risks, NOW)
    came = assess(rules, [lives("231081"), record(Kind.ARRIVAL, place="610113")], risks, NOW)
    assert [reason.code for reason in at_home.reasons] == ["key-compound"]
    assert [reason.code for reason in came.reasons] == ["from-other-province"]


def test_assess_outcome_names_rules_version_and_commitment() -> None:
    """What an auditor needs to replay the decision is in it."""
    records = [lives()]
    outcome = assess(RULES, records, LOW, NOW)
    assert isinstance(outcome, Assessed)
    assert (outcome.rule_set, outcome.rule_version) == ("shaanxi-2020-12", 1)
    assert outcome.evidence_commitment == commitment(records)
    assert outcome.colour is Colour.GREEN


def test_assess_moved_out_of_a_key_compound_counts_for_days_where_rules_say_so() -> None:
    """Without days a residence counts while it lasts; with days, for so long after it ended."""
    risks = table((XIAN_COMPOUND, RiskLevel.HIGH, NOW - 30 * DAY))
    records = [lives(XIAN_COMPOUND, until=NOW - 2 * DAY), lives("610113", at=NOW - 2 * DAY)]
    assert verdict_at(records, risks, NOW) is Verdict.GREEN
    outcome = assess(MOVED, records, risks, NOW)
    assert verdict(outcome) is Verdict.YELLOW
    assert outcome.changes_at == TODAY + 13 * DAY
    assert assess(MOVED, [lives(XIAN_COMPOUND)], risks, NOW).changes_at == RULES.valid_until
