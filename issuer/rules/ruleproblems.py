"""What can be wrong with a rule set, each with the place in the file. Pure."""

import enum
from dataclasses import dataclass

__all__ = ["RuleProblem", "RuleProblemKind"]


class RuleProblemKind(enum.StrEnum):
    """Why a rule set is refused."""

    SYNTAX = "syntax"  # not JSON, not CBOR, a key twice
    SCHEMA = "schema"  # a member too many, too few or of another type
    UNKNOWN_EVIDENCE = "unknown-evidence"  # a kind or value outside the vocabulary
    UNKNOWN_NAME = "unknown-name"  # of a number of days or hours, or of a region
    DOUBLED = "doubled"  # two things of one name
    OVERLAP = "overlap"  # one record meets two rules of one colour
    CONTRADICTION = "contradiction"  # one record meets two rules of different colours
    UNREACHABLE = "unreachable"  # can never apply, or never decide
    ENDLESS = "endless"  # once it applies, nothing ends it
    NO_DEFAULT = "no-default"
    CYCLE = "cycle"  # a presumption rests on a presumption
    SCORE = "score"  # a number where a colour belongs
    SUNSET = "sunset"  # over, or without an end that is near enough
    NOTICE = "notice"  # announced too shortly before it comes into force
    LANGUAGE = "language"  # a text misses a language
    ROLLBACK = "rollback"  # not newer than the version held
    NUMBER_IN_TEXT = "number-in-text"  # a number that should come from days or hours


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """One thing that is wrong."""

    kind: RuleProblemKind
    path: str  # "rules.2.when.values"
    message: str

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.kind}: {self.message}"
