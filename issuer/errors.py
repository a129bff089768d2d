"""What can be wrong in the issuer. Messages carry reasons and sizes, never what a person sent."""

from collections.abc import Sequence

from issuer.between.reason import Reason
from issuer.people.problems import Problem
from issuer.rules.ruleproblems import RuleProblem


class IssuerError(Exception):
    """Base of every error of this package."""


class InputError(IssuerError):
    """A value that somebody sent breaks a rule; *problem* says which, *field* where."""

    def __init__(self, problem: Problem, field: str = "") -> None:
        super().__init__(f"{field}: {problem}" if field else str(problem))
        self.problem = problem
        self.field = field


class NotBoundError(IssuerError):
    """No session, or one that ended: the person binds again."""


class NoPersonError(IssuerError):
    """No such person. Only ever told to somebody who may know, never over the public web."""


class SealError(IssuerError):
    """A sealed value does not open: changed, moved, or its key was destroyed."""


class IntegrityError(IssuerError):
    """A row of the issuer's database is not as the issuer wrote it."""


class StoreError(IssuerError):
    """The issuer's database does not answer, has no room, or has no such table."""


class TooManyCodesError(IssuerError):
    """The person holds as many codes as anybody may."""


class SelfCheckError(IssuerError):
    """A code just made is not one that a verifier would accept. Nothing is released."""


class AdoptionError(IssuerError):
    """A rule set or risk table may not come into force, or one that did cannot be read again."""


class PinnedPolicyError(AdoptionError):
    """The trust list pins a later version, or another document of this version."""


class PublishError(IssuerError):
    """A status list would not be taken by verifiers who hold the last one. Nothing is published."""


class IssuerEndedError(IssuerError):
    """The trust list says that we issue codes no more, and who does: *successor*, a region."""

    def __init__(self, successor: str) -> None:
        super().__init__(f"codes are issued by {successor} now")
        self.successor = successor


class NoCodeKeyError(IssuerError):
    """No code key of ours is in force for as long as a code would be."""


class CodeKeysFullError(NoCodeKeyError):
    """Every code key of the day has signed as many codes as one may."""


class KeyInUseError(IssuerError):
    """Codes were to be made anew whose key may still sign: the new ones could be signed by it."""


class ListsExhaustedError(IssuerError):
    """Every status list number that the trust list gives this issuer is used."""


class IdempotencyConflictError(IssuerError):
    """An idempotency key came back with another request."""


class BusyError(IssuerError):
    """The queue is full or the service is stopping. Nothing was done; ask again later."""


class LogBehindError(IssuerError):
    """The log holds less than it once did: restored from an old copy, or another log."""


class RestoredError(LogBehindError):
    """What was published is newer than the databases: they came out of an older copy."""


class RecoveryError(IssuerError):
    """The databases cannot be reconciled with what was published; nothing was changed."""


class OutboxError(IssuerError):
    """A file in the local outbox is not a message."""


class UnknownPlaceError(IssuerError):
    """Text that is no place: neither a division of GB/T 2260 nor a compound in one."""


class EvidenceError(IssuerError):
    """A record or a notice of evidence is not as the format says, or not from its source."""


class NoticeError(EvidenceError):
    """A notice is refused as a whole. *lines* holds line numbers, from 1, and what is wrong."""

    def __init__(self, message: str, lines: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__("; ".join([message, *(f"line {line}: {why}" for line, why in lines)]))
        self.lines = tuple(lines)


class RegionNoticeError(IssuerError):
    """A notice or receipt between regions is refused; *reason* says which check it failed."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason


class RegionError(IssuerError):
    """Something between regions cannot be done as asked: no such region, appeal or room."""


class RiskTableError(IssuerError):
    """A risk table is not as the format says, not signed, or older than the one held."""


class RulesError(IssuerError):
    """A rule set is refused. *problems* holds everything that is wrong with it."""

    def __init__(self, *problems: RuleProblem) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class NotReadyError(IssuerError):
    """Something that an operator has to provide is not there yet; the message says what."""
