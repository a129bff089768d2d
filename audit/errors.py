"""What can be wrong with the log, its proofs and its databases. No message holds a bound value."""

__all__ = [
    "AuditError", "CheckpointError", "DatabaseDamagedError", "EmptyLogError",
    "EventConflictError", "EventError", "GrantError", "LoadError", "LogBusyError",
    "LogClockError", "LogForkError", "LogStoppedError", "NoteError", "ProofError",
]  # fmt: skip


class AuditError(Exception):
    """Base of every error of this package."""


class NoteError(AuditError):
    """Bytes are not a signed note, or no known key signed it."""


class CheckpointError(AuditError):
    """A signed note's text is not a checkpoint of the log that was asked for."""


class ProofError(AuditError):
    """A proof does not lead to the root, or is not written as the format says."""


class EventError(AuditError):
    """Bytes are not an event of our vocabulary."""


class EventConflictError(AuditError):
    """An event id is in the log already, with other content."""


class EmptyLogError(AuditError):
    """Nothing was appended yet, so there is nothing to sign or prove."""


class LogClockError(AuditError):
    """Time would run backwards: the log signs nothing until it has caught up."""


class LogForkError(AuditError):
    """What is stored does not extend what was signed. The log signs nothing any more."""


class LogBusyError(AuditError):
    """Another process kept winning the race for the next entry."""


class LogStoppedError(AuditError):
    """The disk failed under a commit. Start again: recovery decides what is durable."""


class DatabaseDamagedError(AuditError):
    """The database's file does not read as a database any more."""


class LoadError(AuditError):
    """An allowed, logged read failed while loading. Names the failure's type, not its text."""


class GrantError(AuditError):
    """A grant or case cannot be changed so."""
