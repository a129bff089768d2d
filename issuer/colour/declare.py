"""What people may say about themselves, as evidence. Pure.

A declaration only ever adds records, with the issuer's own key for self-declarations as their
source: it takes nothing back that somebody else recorded. It is about the last 30 days; a
residence may have begun before. Contacts, samples and results are not among it.
Spec page: docs/spec/api.md, "Declaring".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from issuer.colour.evidence import EARLIEST, VOCABULARY, Evidence, Kind
from issuer.colour.timeline import DAY_S
from issuer.errors import InputError
from issuer.people.problems import Problem

__all__ = ["DECLARABLE", "MAX_AGE_S", "MAX_DECLARED", "Declared", "declared_records"]

DECLARABLE: Final = frozenset({Kind.SYMPTOM, Kind.ARRIVAL, Kind.RESIDENCE, Kind.SURVEY})
MAX_AGE_S: Final = 30 * DAY_S
#: Records of one declaration.
MAX_DECLARED: Final = 20


@dataclass(frozen=True, slots=True)
class Declared:
    """One thing somebody says. Times are UNIX seconds; *field* is where a request has it."""

    kind: Kind
    value: str
    at: int
    until: int | None = None
    place: str = ""
    field: str = ""


def declared_records(
    declared: Iterable[Declared],
    ids: Iterable[bytes],
    *,
    source: str,
    region: str,
    now: int,
) -> tuple[Evidence, ...]:
    """The evidence of one declaration.

    Args:
        declared: What was said; places exist already.
        ids: 16 random bytes for each.
        source: The kid, in hex, of the key for self-declarations.
        region: The issuer's own.
        now: Nothing lies after it.

    Raises:
        InputError: Another kind or value, nothing at all, too much, or a time out of range.
    """
    said = tuple(declared)
    if not said:
        raise InputError(Problem.MISSING_MEMBER)
    if len(said) > MAX_DECLARED:
        raise InputError(Problem.TOO_MANY)
    for item in said:
        _check(item, now)
    return tuple(
        Evidence(
            evidence_id,
            item.kind,
            max(item.at, EARLIEST),
            item.until,
            item.place,
            item.value,
            source,
            region,
            now,
        )
        for item, evidence_id in zip(said, ids, strict=False)
    )


def _check(item: Declared, now: int) -> None:
    if item.kind not in DECLARABLE or item.value not in VOCABULARY[item.kind].values:
        raise InputError(Problem.UNKNOWN_VALUE, item.field)
    # People live at a place for longer than anything else matters, and than evidence goes back.
    is_old = item.at < now - MAX_AGE_S and item.kind is not Kind.RESIDENCE
    if is_old or item.at > now:
        raise InputError(Problem.TIME_OUT_OF_RANGE, item.field)
    if item.until is not None and not max(item.at, EARLIEST) <= item.until <= now:
        raise InputError(Problem.TIME_OUT_OF_RANGE, item.field)
