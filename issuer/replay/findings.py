"""What a replay can find. Pure."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Topic"]


class Topic(StrEnum):
    """What does not fit."""

    KEY = "key"  # a person's key does not open, or was destroyed without a word in the log
    EVIDENCE = "evidence"  # not the records that the log says were recorded
    DECISION = "decision"  # not the last decision that the log holds
    COLOUR = "colour"  # the rules give another outcome
    LATE = "late"  # the colour should have changed by now, and nobody has looked again yet
    BATCH = "batch"  # codes that the log does not know, or not so
    POSITION = "position"  # a position used twice, or not by the order of its list
    STATUS = "status"  # a code is taken back that should not be, or the other way round
    LIST = "list"  # a status list's row was changed
    SIGNATURES = "signatures"  # a code key's count is not the number of its codes
    POLICY = "policy"  # a rule set or risk table is not as it was adopted
    PERSON = "person"  # a row of identity, index, one-time code or binding was changed
    REGION = "region"  # a row of what passes between regions was changed
    WORK = "work"  # a row of outbox, job, notice or log position was changed
    UNREADABLE = "unreadable"  # the database gives no rows here


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit. *subject*: whom it is about, if anybody."""

    topic: Topic
    subject: bytes | None
    why: str

    def __str__(self) -> str:
        whom = "" if self.subject is None else f" of {self.subject.hex()}"
        return f"{self.topic}{whom}: {self.why}"
