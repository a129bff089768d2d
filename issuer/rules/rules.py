"""Rule sets as data: load them strictly, sign them, verify them. Pure.

A rule set is a JSON file under issuer/rulesets/, and the same data as canonical CBOR in a
COSE_Sign1 once it is published. Everything that is wrong in it is reported at once, with its path.
Spec page: docs/spec/rules.md. Why data and not code: docs/adr/0006-rules-as-data.md.
"""

import json
from importlib import resources
from typing import Final

from pydantic import ValidationError

from issuer.colour.evidence import Kind
from issuer.colour.risk import RiskLevel
from issuer.colour.timeline import parse_instant
from issuer.errors import RulesError
from issuer.rules.rulecheck import check_rules
from issuer.rules.ruledata import (
    AnswerData,
    ConditionData,
    FixedData,
    PendingData,
    PresumptionData,
    RuleData,
    RuleSetData,
    SelectorData,
)
from issuer.rules.ruleproblems import RuleProblem, RuleProblemKind
from issuer.rules.ruletypes import (
    Answer,
    Condition,
    Presumption,
    Rule,
    RuleSet,
    Texts,
    Verdict,
    Where,
)
from keys import cbor
from keys.cose import MessageSigner, parse_sign1, sign_sign1, verify_sign1
from keys.ed25519 import PublicKey
from keys.errors import CborError, KeysError

__all__ = [
    "RULES_TYP", "RuleSet", "accept_rules", "load_rules", "parse_rules", "shipped_rules",
    "sign_rules", "verify_rules",
]  # fmt: skip

RULES_TYP: Final = "application/celadon-rules+cbor"
MAX_BYTES: Final = 1 << 18
_SCORES: Final = frozenset({"score", "points", "weight", "rank", "percent"})


def parse_rules(text: bytes, *, now: int) -> RuleSet:
    """The rule set of a JSON file, if it may still be loaded at the instant *now*.

    Raises:
        RulesError: With everything that is wrong.
    """
    if len(text) > MAX_BYTES:
        raise _refused(RuleProblemKind.SYNTAX, f"{len(text)} bytes, at most {MAX_BYTES}")
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise _refused(RuleProblemKind.SYNTAX, f"not JSON: {type(error).__name__}") from error
    return load_rules(value, now=now)


def shipped_rules(rule_set: str, *, now: int) -> RuleSet:
    """The rule set of issuer/rulesets/RULE_SET.json.

    Raises:
        RulesError: As for `parse_rules`.
    """
    file = resources.files("issuer").joinpath("rulesets", f"{rule_set}.json")
    return parse_rules(file.read_bytes(), now=now)


def sign_rules(rules: RuleSet, signer: MessageSigner) -> bytes:
    """The published form."""
    return sign_sign1(rules.payload, signer, typ=RULES_TYP)


def verify_rules(data: bytes, public_key: PublicKey, *, now: int) -> RuleSet:
    """The rule set, if this key signed it and it may still be loaded at the instant *now*.

    Does not check that the key may sign rules: ask the trust list for the kid first.

    Raises:
        RulesError: Not signed by this key, or wrong as for `parse_rules`.
    """
    try:
        payload = verify_sign1(parse_sign1(data, typ=RULES_TYP, max_bytes=MAX_BYTES), public_key)
        value = cbor.decode(payload, max_bytes=MAX_BYTES)
    except KeysError as error:
        raise _refused(RuleProblemKind.SYNTAX, str(error)) from error
    return load_rules(value, now=now)


def load_rules(value: object, *, now: int) -> RuleSet:
    """The rule set of decoded data.

    Raises:
        RulesError: As for `parse_rules`.
    """
    try:
        data = RuleSetData.model_validate(value)
        payload = cbor.encode(value)
    except ValidationError as error:
        raise RulesError(*_schema_problems(error)) from error
    except (CborError, TypeError, ValueError) as error:
        raise _refused(RuleProblemKind.SYNTAX, str(error)) from error
    problems = check_rules(data, now=now)
    if problems:
        raise RulesError(*problems)
    return _build(data, payload)


def accept_rules(held: RuleSet | None, new: RuleSet) -> RuleSet:
    """*new*, if it may follow *held*, a version of the same rule set.

    Raises:
        RulesError: It is older, or another content under the same version.
    """
    if held is None or held.id != new.id or held.payload == new.payload:
        return new
    if new.version <= held.version:
        raise _refused(
            RuleProblemKind.ROLLBACK, f"version {new.version} does not follow {held.version}"
        )
    return new


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key twice")
    return value


def _refused(kind: RuleProblemKind, message: str) -> RulesError:
    return RulesError(RuleProblem(kind, "", message))


def _schema_problems(error: ValidationError) -> list[RuleProblem]:
    problems = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        location = detail["loc"]
        path = ".".join(str(part) for part in location)
        problems.append(RuleProblem(_schema_kind(location, detail["type"]), path, detail["msg"]))
    return problems


def _schema_kind(location: tuple[int | str, ...], error_type: str) -> RuleProblemKind:
    last = location[-1] if location else ""
    if last in _SCORES or last == "colour":
        return RuleProblemKind.SCORE
    if location == ("default",) and error_type == "missing":
        return RuleProblemKind.NO_DEFAULT
    return RuleProblemKind.SCHEMA


class _Builder:
    """Makes the loaded form of data that has been checked."""

    def __init__(self, data: RuleSetData) -> None:
        self._days = data.days
        self._hours = data.hours
        self._numbers = {**data.days, **data.hours}

    def texts(self, texts: dict[str, str]) -> Texts:
        return {language: text.format(**self._numbers) for language, text in texts.items()}

    def rule(self, entry: RuleData | PendingData) -> Rule:
        verdict = Verdict[entry.colour.upper()] if isinstance(entry, RuleData) else Verdict.PENDING
        if isinstance(entry.when, ConditionData):
            return self.fixed(entry, verdict, when=self.condition(entry.when))
        return self.fixed(entry, verdict, missing=Kind(entry.when.missing))

    def fixed(
        self,
        entry: FixedData,
        verdict: Verdict,
        *,
        when: Condition | None = None,
        missing: Kind | None = None,
    ) -> Rule:
        return Rule(entry.id, entry.code, verdict, when, missing, self.texts(entry.reason))

    def condition(self, data: ConditionData) -> Condition:
        return Condition(
            Kind(data.evidence),
            frozenset(data.values),
            None if data.where is None else Where(data.where),
            data.key_area,
            None if data.within is None else self._days[data.within],
            None if data.answered_by is None else _answer(data.answered_by),
        )

    def presumption(self, data: PresumptionData) -> Presumption:
        return Presumption(
            data.id,
            Kind(data.from_.evidence),
            frozenset(data.from_.values),
            tuple(_answer(selector) for selector in data.unless),
            self._hours[data.after] * 3600,
            (Kind(data.gives.evidence), data.gives.value),
            self.texts(data.reason),
        )


def _answer(data: SelectorData) -> Answer:
    presumed = isinstance(data, AnswerData) and data.presumed
    return Answer(Kind(data.evidence), frozenset(data.values), presumed)


def _instant(text: str) -> int:
    instant = parse_instant(text)
    if instant is None:
        raise AssertionError("check_rules let a time pass that does not exist")
    return instant


def _build(data: RuleSetData, payload: bytes) -> RuleSet:
    make = _Builder(data)
    return RuleSet(
        id=data.id,
        version=data.version,
        languages=tuple(data.languages),
        title=make.texts(data.title),
        jurisdiction=data.jurisdiction,
        announced_at=_instant(data.announced_at),
        valid_from=_instant(data.valid_from),
        valid_until=_instant(data.valid_until),
        key_levels=frozenset(RiskLevel[level.upper()] for level in data.key_levels),
        rules=(*map(make.rule, data.rules), *map(make.rule, data.pending)),
        presumptions=tuple(make.presumption(item) for item in data.presumptions),
        default=make.fixed(data.default, Verdict[data.default.colour.upper()]),
        not_in_force=make.fixed(data.not_in_force, Verdict.PENDING),
        what_to_do={v: make.texts(getattr(data.what_to_do, v.name.lower())) for v in Verdict},
        payload=payload,
    )
