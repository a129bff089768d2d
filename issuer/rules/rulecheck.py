"""Whether the parts of a rule set make sense together. Pure.

Every record must meet at most one rule, every rule must be able to decide, every text must exist
in every language, and every number of days or hours must stand in one place.
"""

import itertools
import string
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from issuer.colour.evidence import VOCABULARY, Kind
from issuer.colour.regions import load_regions
from issuer.colour.timeline import parse_instant
from issuer.rules.ruledata import (
    ConditionData,
    GivesData,
    MissingData,
    PendingData,
    RuleData,
    RuleSetData,
    SelectorData,
)
from issuer.rules.ruleproblems import RuleProblem, RuleProblemKind

__all__ = ["REQUIRED_LANGUAGES", "check_rules"]

REQUIRED_LANGUAGES: Final = ("zh", "en")
#: People hear of rules two days before the rules decide about them.
MIN_NOTICE_S: Final = 48 * 3600
#: A rule set ends by itself within a year, so that somebody has to want the next one.
MAX_LIFE_S: Final = 366 * 86400

_K = RuleProblemKind
_Problems = Iterator[RuleProblem]
_Entry = RuleData | PendingData


def check_rules(data: RuleSetData, *, now: int) -> list[RuleProblem]:
    """Everything that is wrong with *data* at the instant *now*."""
    return [
        *_times(data, now),
        *_names(data),
        *_selectors(data),
        *_reachable(data),
        *_meetings(data),
        *_presumptions(data),
        *_texts(data),
    ]


def _times(data: RuleSetData, now: int) -> _Problems:
    instants: dict[str, int] = {}
    for name in ("announced_at", "valid_from", "valid_until"):
        instant = parse_instant(getattr(data, name))
        if instant is None:
            yield RuleProblem(_K.SCHEMA, name, "no such date or time")
        else:
            instants[name] = instant
    if len(instants) < 3:  # noqa: PLR2004  # the three above
        return
    begin, end = instants["valid_from"], instants["valid_until"]
    if instants["announced_at"] + MIN_NOTICE_S > begin:
        yield RuleProblem(_K.NOTICE, "valid_from", "less than 48 h after the announcement")
    if not begin < end <= begin + MAX_LIFE_S:
        yield RuleProblem(_K.SUNSET, "valid_until", "not within a year after valid_from")
    if now >= end:
        yield RuleProblem(_K.SUNSET, "valid_until", "the rule set is over")


def _names(data: RuleSetData) -> _Problems:
    if not load_regions().is_division(data.jurisdiction):
        yield RuleProblem(_K.UNKNOWN_NAME, "jurisdiction", "not a division of GB/T 2260")
    entries = _all_entries(data)
    for member in ("id", "code"):
        values = [(path, getattr(e, member)) for path, e in entries if hasattr(e, member)]
        yield from _doubled(values, member)
    numbers = [
        *((f"days.{name}", name) for name in data.days),
        *((f"hours.{name}", name) for name in data.hours),
    ]
    yield from _doubled(numbers, "name")
    used: set[str] = set()
    for path, entry in _entries(data):
        name = entry.when.within if isinstance(entry.when, ConditionData) else None
        if name is not None:
            used.add(f"days.{name}")
            if name not in data.days:
                yield RuleProblem(_K.UNKNOWN_NAME, f"{path}.when.within", f"{name}: not in days")
    for index, presumption in enumerate(data.presumptions):
        used.add(f"hours.{presumption.after}")
        if presumption.after not in data.hours:
            yield RuleProblem(_K.UNKNOWN_NAME, f"presumptions.{index}.after", "not in hours")
    for path, _ in numbers:
        if path not in used:
            yield RuleProblem(_K.UNREACHABLE, path, "no rule uses this number")


def _doubled(values: Iterable[tuple[str, str]], what: str) -> _Problems:
    seen: set[str] = set()
    for path, value in values:
        if value in seen:
            yield RuleProblem(_K.DOUBLED, path, f"the {what} {value} is used twice")
        seen.add(value)


def _entries(data: RuleSetData) -> list[tuple[str, _Entry]]:
    return [
        *((f"rules.{index}", rule) for index, rule in enumerate(data.rules)),
        *((f"pending.{index}", rule) for index, rule in enumerate(data.pending)),
    ]


def _all_entries(data: RuleSetData) -> list[tuple[str, object]]:
    return [
        *_entries(data),
        *((f"presumptions.{index}", item) for index, item in enumerate(data.presumptions)),
        ("default", data.default),
        ("not_in_force", data.not_in_force),
    ]


def _selectors(data: RuleSetData) -> _Problems:
    """Kinds and values exist, and no list of values is empty or doubled."""
    for path, entry in _entries(data):
        match entry.when:
            case MissingData(missing=kind):
                if kind not in set(Kind):
                    yield RuleProblem(_K.UNKNOWN_EVIDENCE, f"{path}.when.missing", kind)
            case ConditionData() as condition:
                yield from _selector(condition, f"{path}.when")
                if condition.answered_by is not None:
                    yield from _selector(condition.answered_by, f"{path}.when.answered_by")
    for index, presumption in enumerate(data.presumptions):
        path = f"presumptions.{index}"
        yield from _selector(presumption.from_, f"{path}.from")
        for number, selector in enumerate(presumption.unless):
            yield from _selector(selector, f"{path}.unless.{number}")
        gives = presumption.gives
        yield from _selector(
            SelectorData(evidence=gives.evidence, values=[gives.value]), f"{path}.gives"
        )


def _selector(selector: SelectorData, path: str) -> _Problems:
    if selector.evidence not in set(Kind):
        yield RuleProblem(_K.UNKNOWN_EVIDENCE, f"{path}.evidence", selector.evidence)
        return
    allowed = VOCABULARY[Kind(selector.evidence)].values
    for value in selector.values:
        if value not in allowed:
            yield RuleProblem(_K.UNKNOWN_EVIDENCE, f"{path}.values", value)
    if not selector.values:
        yield RuleProblem(_K.UNREACHABLE, f"{path}.values", "no value at all")
    yield from _doubled([(f"{path}.values", value) for value in selector.values], "value")


def _reachable(data: RuleSetData) -> _Problems:
    if data.default.colour != "green":
        yield RuleProblem(
            _K.UNREACHABLE, "default.colour", "only green leaves every rule able to decide"
        )
    for index, rule in enumerate(data.rules):
        if rule.colour == "green":
            yield RuleProblem(_K.UNREACHABLE, f"rules.{index}.colour", "green is the default")
    for path, entry in _entries(data):
        if isinstance(entry.when, ConditionData):
            yield from _condition_reachable(entry.when, f"{path}.when", data)


def _condition_reachable(when: ConditionData, path: str, data: RuleSetData) -> _Problems:
    if when.evidence not in set(Kind):
        return
    shape = VOCABULARY[Kind(when.evidence)]
    if (when.where is not None or when.key_area is not None) and not shape.place:
        yield RuleProblem(_K.UNREACHABLE, path, f"a {when.evidence} has no place")
    if when.key_area is True and not data.key_levels:
        yield RuleProblem(_K.UNREACHABLE, path, "no level makes a key area")
    if when.key_area is False and set(data.key_levels) == {"low", "medium", "high"}:
        yield RuleProblem(_K.UNREACHABLE, path, "every level makes a key area")
    if when.evidence != Kind.RESIDENCE and when.within is None and when.answered_by is None:
        yield RuleProblem(_K.ENDLESS, path, "neither a number of days nor an answer")


def _meetings(data: RuleSetData) -> _Problems:
    """No record meets two rules. Rules of different kinds of record may apply side by side."""
    for (_, one), (path, other) in itertools.combinations(_entries(data), 2):
        if _one_record_meets(one.when, other.when):
            kind = _K.OVERLAP if _colour(one) == _colour(other) else _K.CONTRADICTION
            yield RuleProblem(kind, path, f"a record can meet this and {one.id}")


def _one_record_meets(one: ConditionData | MissingData, other: ConditionData | MissingData) -> bool:
    match one, other:
        case MissingData(), MissingData():
            return one.missing == other.missing
        case ConditionData(), ConditionData():
            return (
                one.evidence == other.evidence
                and bool(set(one.values) & set(other.values))
                and _both(one.where, other.where)
                and _both(one.key_area, other.key_area)
            )
        case _:
            return False


def _both(one: object, other: object) -> bool:
    return one is None or other is None or one == other


def _colour(entry: _Entry) -> str:
    return entry.colour if isinstance(entry, RuleData) else "pending"


def _presumptions(data: RuleSetData) -> _Problems:
    """What one gives is never what one starts from, so none can feed itself; and it is of use."""
    starts = {(p.from_.evidence, value) for p in data.presumptions for value in p.from_.values}
    for index, presumption in enumerate(data.presumptions):
        if (presumption.gives.evidence, presumption.gives.value) in starts:
            yield RuleProblem(_K.CYCLE, f"presumptions.{index}.gives", "starts a presumption")
        elif not any(_accepts(entry, presumption.gives) for _, entry in _entries(data)):
            yield RuleProblem(_K.UNREACHABLE, f"presumptions.{index}.gives", "answers nothing")


def _accepts(entry: _Entry, gives: GivesData) -> bool:
    answer = entry.when.answered_by if isinstance(entry.when, ConditionData) else None
    return (
        answer is not None
        and answer.presumed
        and answer.evidence == gives.evidence
        and gives.value in answer.values
    )


def _texts(data: RuleSetData) -> _Problems:
    for language in REQUIRED_LANGUAGES:
        if language not in data.languages:
            yield RuleProblem(_K.LANGUAGE, "languages", f"{language} is missing")
    yield from _doubled([("languages", language) for language in data.languages], "language")
    numbers = {**data.days, **data.hours}
    for path, texts in _all_texts(data):
        if set(texts) != set(data.languages):
            yield RuleProblem(_K.LANGUAGE, path, f"not exactly {', '.join(data.languages)}")
        for language, text in texts.items():
            yield from _text(text, f"{path}.{language}", numbers)


def _all_texts(data: RuleSetData) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield "title", data.title
    for path, entry in _all_entries(data):
        yield f"{path}.reason", entry.reason  # type: ignore[attr-defined]
    for verdict in type(data.what_to_do).model_fields:
        yield f"what_to_do.{verdict}", getattr(data.what_to_do, verdict)


def _text(text: str, path: str, numbers: Mapping[str, int]) -> _Problems:
    if not text.strip():
        yield RuleProblem(_K.LANGUAGE, path, "empty")
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        yield RuleProblem(_K.SYNTAX, path, "a brace without its other")
        return
    for literal, name, form, conversion in parts:
        if any(character.isdigit() for character in literal):
            yield RuleProblem(_K.NUMBER_IN_TEXT, path, "write {name} of a number in days or hours")
        if name is not None and (name not in numbers or form or conversion):
            yield RuleProblem(_K.UNKNOWN_NAME, path, f"{{{name}}}: not in days or hours")
