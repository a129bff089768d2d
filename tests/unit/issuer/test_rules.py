"""Loading, signing and shipping rule sets. Every defect has a file in tests/vectors/rules/."""

import copy
import io
import json
import re
import tokenize
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.colour.assess import assess
from issuer.colour.evidence import Kind
from issuer.colour.timeline import parse_instant
from issuer.errors import RulesError
from issuer.rules.ruleproblems import RuleProblemKind
from issuer.rules.rules import (
    RULES_TYP,
    accept_rules,
    load_rules,
    parse_rules,
    shipped_rules,
    sign_rules,
    verify_rules,
)
from issuer.rules.ruletypes import RuleSet, Verdict
from keys import cbor
from keys.cose import sign_sign1
from keys.signer import SeedSigner
from tests.evidence_support import (
    DAY,
    NOW,
    TODAY,
    lives,
    record,
    shaanxi,
    shaanxi_data,
    shaanxi_text,
    table,
)

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests" / "vectors" / "rules"
BASE = json.loads((VECTORS / "base.json").read_text("utf-8"))
SIGNER = SeedSigner(bytes(31) + b"\x01")
OTHER = SeedSigner(bytes(31) + b"\x02")


class RuleVector(NamedTuple):
    name: str
    data: Any
    now: int
    expect: list[tuple[str, str]]


def _vector(path: Path) -> RuleVector:
    raw = json.loads(path.read_text("utf-8"))
    data = copy.deepcopy(BASE)
    for change in raw["changes"]:
        _change(data, change["path"].split("."), change)
    now = parse_instant(raw["now"])
    assert now is not None
    return RuleVector(path.stem, data, now, [(kind, where) for kind, where in raw["expect"]])


def _change(root: dict[str, Any], path: list[str], change: dict[str, Any]) -> None:
    data: Any = root
    *outer, last = path
    for step in outer:
        data = data[int(step)] if isinstance(data, list) else data[step]
    if last == "+":
        data.append(change["value"])
    elif "value" not in change:
        del data[last]
    elif isinstance(data, list):
        data[int(last)] = change["value"]
    else:
        data[last] = change["value"]


ALL = [_vector(path) for path in sorted(VECTORS.glob("*.json")) if path.stem != "base"]


def problems(data: object, now: int = NOW) -> list[tuple[str, str]]:
    try:
        load_rules(data, now=now)
    except RulesError as error:
        return [(str(problem.kind), problem.path) for problem in error.problems]
    return []


@pytest.mark.parametrize("vector", ALL, ids=[vector.name for vector in ALL])
def test_rules_vector_gives_exactly_the_problems_it_states(vector: RuleVector) -> None:
    """Every file in tests/vectors/rules is refused for what it names, at the path it names."""
    assert problems(vector.data, vector.now) == vector.expect


def test_rules_every_kind_of_problem_has_a_vector() -> None:
    """No reason to refuse a rule set exists that no test produces."""
    seen = {kind for vector in ALL for kind, _ in vector.expect}
    assert seen == {*RuleProblemKind} - {RuleProblemKind.ROLLBACK}


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"id": 1, "id": 2}', b"[" * 100_000, b"NaN"],
    ids=["empty", "half", "utf-16", "bom", "key-twice", "deep", "nan"],
)
def test_rules_text_that_is_no_json_object_is_refused(text: bytes) -> None:
    """Whatever is not one JSON object in UTF-8 is refused with a RulesError and nothing else."""
    with pytest.raises(RulesError):
        parse_rules(text, now=NOW)


def test_rules_too_long_is_refused_before_it_is_read() -> None:
    """A file beyond the limit is refused by its size."""
    with pytest.raises(RulesError, match="at most"):
        parse_rules(b" " * (1 << 18) + b"{}", now=NOW)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_rules_any_part_replaced_is_loaded_or_refused_never_a_crash(data: st.DataObject) -> None:
    """Whatever stands anywhere in a rule set, loading it ends in a RuleSet or a RulesError."""
    value = copy.deepcopy(BASE)
    path = data.draw(st.sampled_from(_paths(BASE)))
    junk = data.draw(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([])
        | st.just({}) | st.lists(st.text(), max_size=2) | st.dictionaries(st.text(), st.text())
    )  # fmt: skip
    _change(value, path, {"value": junk})
    found = problems(value)
    assert all(kind in {*RuleProblemKind} for kind, _ in found)


def _paths(value: dict[str, Any] | list[Any], before: tuple[str, ...] = ()) -> list[list[str]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in items:
        path = (*before, str(key))
        found.append(list(path))
        if isinstance(inner, dict | list):
            found += _paths(inner, path)
    return found


# --- the shipped rule set: 14 days stands once ---


def test_rules_14_stands_once_in_the_file_and_in_no_module() -> None:
    """Where to change "14 days": days.observation of shaanxi-2020-12.json, and nowhere else."""
    assert re.findall(r"(?<!\d)14(?!\d)", shaanxi_text()) == ["14"]
    assert shaanxi_data()["days"] == {"observation": 14}
    assert not re.search("十四|fourteen|two weeks|两周", shaanxi_text())
    deciding = [
        path for room in ("rules", "colour") for path in (ROOT / "issuer" / room).glob("*.py")
    ]
    assert len(deciding) > 15
    for module in deciding:
        source = io.StringIO(module.read_text("utf-8"))
        numbers = {
            t.string for t in tokenize.generate_tokens(source.readline) if t.type == tokenize.NUMBER
        }
        assert "14" not in numbers, module


def _with_days(days: int) -> RuleSet:
    return parse_rules(
        shaanxi_text().replace('"observation": 14', f'"observation": {days}').encode(), now=NOW
    )


@pytest.mark.parametrize("days", [1, 7, 14, 21])
def test_rules_14_changed_there_alone_changes_every_outcome_and_text(days: int) -> None:
    """One number changed in one file moves every window, every reason and every duty with it."""
    rules = _with_days(days)
    cases = [
        (Kind.CONTACT, "confirmed", ""),
        (Kind.SYMPTOM, "cough", ""),
        (Kind.ARRIVAL, "entered", "510117"),
        (Kind.ARRIVAL, "entered", "231081-qingyun"),
    ]
    risks = table()
    for kind, value, place in cases:
        outcome = assess(rules, [lives(), record(kind, value, at=NOW, place=place)], risks, NOW)
        assert outcome.changes_at == TODAY + (days + 1) * DAY
        assert str(days) in outcome.reasons[0].text["zh"]
        assert str(days) in outcome.reasons[0].text["en"]
    assert str(days) in rules.what_to_do[Verdict.YELLOW]["zh"]
    assert str(days) in rules.what_to_do[Verdict.YELLOW]["en"]
    for rule in (*rules.rules, rules.default):
        for text in rule.reason.values():
            assert set(re.findall(r"\d+", text)) <= {str(days)}


def test_rules_new_line_in_the_data_gives_contacts_of_contacts_a_colour() -> None:
    """A rule for a kind that had none needs a change of the file and of nothing else."""
    data = shaanxi_data()
    data["rules"].append(
        {
            "id": "yellow-ring",
            "colour": "yellow",
            "code": "ring-contact",
            "when": {
                "evidence": "ring-contact",
                "values": ["confirmed", "suspected"],
                "within": "observation",
            },
            "reason": {"zh": "密切接触者的密切接触者", "en": "A contact of a contact"},
        }
    )
    records = [lives(), record(Kind.RING_CONTACT, "confirmed")]
    outcome = assess(load_rules(data, now=NOW), records, table(), NOW)
    assert [reason.code for reason in outcome.reasons] == ["ring-contact"]


def test_rules_what_to_do_exists_for_every_verdict() -> None:
    """Nobody is left without a next step, in either language."""
    rules = shaanxi()
    for verdict in Verdict:
        assert set(rules.what_to_do[verdict]) == {"zh", "en"}


def test_rules_rule_by_id_finds_all_of_them() -> None:
    """Every reason's rule can be looked up, the default and the closed season too."""
    rules = shaanxi()
    for rule in (*rules.rules, rules.default, rules.not_in_force):
        assert rules.rule(rule.id) is rule
    with pytest.raises(KeyError):
        rules.rule("none")


# --- the signed form ---


def test_rules_signed_and_verified_are_the_same_rules() -> None:
    """The published form carries the very data of the file."""
    rules = shaanxi()
    again = verify_rules(sign_rules(rules, SIGNER), SIGNER.public_key, now=NOW)
    assert again.payload == rules.payload
    assert again.rules == rules.rules
    assert cbor.decode(rules.payload, max_bytes=1 << 18) == shaanxi_data()


def test_rules_signed_by_another_key_are_refused() -> None:
    """A rule set counts only under the key that it is asked for."""
    with pytest.raises(RulesError):
        verify_rules(sign_rules(shaanxi(), OTHER), SIGNER.public_key, now=NOW)


def test_rules_any_flipped_byte_of_the_signed_form_is_refused() -> None:
    """No byte of the published form can change unnoticed."""
    signed = sign_rules(load_rules(BASE, now=NOW), SIGNER)
    for index in range(len(signed)):
        changed = bytearray(signed)
        changed[index] ^= 1
        with pytest.raises(RulesError):
            verify_rules(bytes(changed), SIGNER.public_key, now=NOW)


def test_rules_signed_but_past_sunset_or_wrong_are_refused() -> None:
    """A signature does not make a bad rule set a good one."""
    rules = shaanxi()
    signed = sign_rules(rules, SIGNER)
    with pytest.raises(RulesError):
        verify_rules(signed, SIGNER.public_key, now=rules.valid_until)
    bad = sign_sign1(cbor.encode({**BASE, "score": 1}), SIGNER, typ=RULES_TYP)
    with pytest.raises(RulesError) as caught:
        verify_rules(bad, SIGNER.public_key, now=NOW)
    assert [problem.kind for problem in caught.value.problems] == [RuleProblemKind.SCORE]


def test_rules_announced_can_be_loaded_before_they_are_in_force() -> None:
    """Venues and people see rules in the two days before they decide."""
    rules = shaanxi()
    assert shipped_rules("shaanxi-2020-12", now=rules.announced_at).id == rules.id


def test_rules_accept_refuses_a_rollback_and_a_second_content() -> None:
    """A version follows a lower one, and no version has two contents."""
    one, two = (load_rules({**BASE, "version": v}, now=NOW) for v in (1, 2))
    twin = load_rules({**BASE, "days": {"window": 8}}, now=NOW)
    other = load_rules({**BASE, "id": "another"}, now=NOW)
    assert accept_rules(None, one) is one
    assert accept_rules(one, two) is two
    assert accept_rules(two, other) is other
    again = load_rules(BASE, now=NOW)
    assert accept_rules(one, again) is again
    for held, new in [(two, one), (one, twin)]:
        with pytest.raises(RulesError) as caught:
            accept_rules(held, new)
        assert caught.value.problems[0].kind is RuleProblemKind.ROLLBACK
