"""What a rule set is, once it is loaded. Pure. `issuer.rules.rules` makes these from data."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from issuer.colour.evidence import Kind
from issuer.colour.risk import RiskLevel
from verifier.claims import Colour

__all__ = [
    "Answer", "Condition", "Presumption", "Rule", "RuleSet", "Texts", "Verdict", "Where",
]  # fmt: skip

#: Language to text, every number already filled in.
Texts: TypeAlias = Mapping[str, str]


class Verdict(enum.IntEnum):
    """From the least to the most severe: the most severe rule that applies decides.

    Pending stands between yellow and red: missing data could still turn out red, and what is red
    already stays red whatever is missing.
    """

    GREEN = 0
    YELLOW = 1
    PENDING = 2
    RED = 3

    @property
    def colour(self) -> Colour | None:
        return None if self is Verdict.PENDING else Colour[self.name]


class Where(enum.Enum):
    """Where a place lies, seen from the jurisdiction of the rule set."""

    INSIDE = "inside"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Answer:
    """Records that end a condition from their instant on, when later than the record it is about.

    *presumed* says whether a presumption may answer too.
    """

    kind: Kind
    values: frozenset[str]
    presumed: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds for one record of this kind with one of these values, at a place of this sort.

    *days*: through the end of the local day that lies so many days after the record's last day.
    """

    kind: Kind
    values: frozenset[str]
    where: Where | None
    key_area: bool | None
    days: int | None
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition, or a kind of which a record must be in force, and what follows."""

    id: str
    code: str
    verdict: Verdict
    when: Condition | None
    missing: Kind | None
    reason: Texts


@dataclass(frozen=True, slots=True)
class Presumption:
    """A record of *kind* counts as one of *gives* after *after_s*, unless one of *unless* came.

    *gives* is a kind and its value.
    """

    id: str
    kind: Kind
    values: frozenset[str]
    unless: tuple[Answer, ...]
    after_s: int
    gives: tuple[Kind, str]
    reason: Texts


@dataclass(frozen=True, slots=True, eq=False)
class RuleSet:
    """One version of one rule set. Equal to itself alone; compare *payload* for content.

    Attributes:
        id: Name, the same in all versions.
        version: 1, 2, 3, ...
        jurisdiction: The division whose inside and outside the rules speak of.
        announced_at, valid_from, valid_until: UNIX seconds.
        key_levels: The risk levels that make a place a key area (重点地区).
        rules: Red, yellow and pending ones.
        default: What applies when no rule does.
        not_in_force: What applies before *valid_from* and from *valid_until* on.
        what_to_do: Texts for every verdict.
        payload: Canonical CBOR of the data, which is what is signed.
    """

    id: str
    version: int
    languages: tuple[str, ...]
    title: Texts
    jurisdiction: str
    announced_at: int
    valid_from: int
    valid_until: int
    key_levels: frozenset[RiskLevel]
    rules: tuple[Rule, ...]
    presumptions: tuple[Presumption, ...]
    default: Rule
    not_in_force: Rule
    what_to_do: Mapping[Verdict, Texts]
    payload: bytes = field(repr=False)

    def rule(self, rule_id: str) -> Rule:
        """The rule with this id, the default among them.

        Raises:
            KeyError: There is none.
        """
        for rule in (*self.rules, self.default, self.not_in_force):
            if rule.id == rule_id:
                return rule
        raise KeyError(rule_id)
