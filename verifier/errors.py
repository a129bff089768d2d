"""What can be wrong with a code, a presentation or a status list.

Messages carry sizes, kids, list numbers and reasons, never claims: they end up in logs.
"""


class VerifierError(Exception):
    """Base of every error of this package."""


class TransportError(VerifierError):
    """A text is not the one text of any bytes: length, prefix or base45."""


class CodeError(VerifierError):
    """Bytes are not a code of token profile 1."""


class PresentationError(VerifierError):
    """Bytes are not a presentation of token profile 1."""


class StatusListError(VerifierError):
    """A status list or snapshot cannot be used. The leaves name the check that failed."""


class StatusListFormatError(StatusListError):
    """Not a status list token of our profile."""


class StatusListSignerError(StatusListError):
    """Signed by a key that is unknown, withdrawn, not in force, or not for status lists."""


class StatusListScopeError(StatusListError):
    """The token's subject is not a list of its signer's issuer."""


class StatusListExpiredError(StatusListError):
    """The token's own end has passed, or it was issued in the future."""


class StatusListRollbackError(StatusListError):
    """Older than the list already held, or another list with the same time."""


class StatusListClearedError(StatusListError):
    """A code that was taken back would come to life again, or the list became shorter."""


class StatusDeltaReachError(StatusListError):
    """A delta reaches back less far than the list held: the list has to be fetched."""


class StatusDeltaPositionError(StatusListError):
    """A delta changes an entry that the list does not have."""


class StatusListIndexError(StatusListError):
    """The index lies outside the list."""


class SnapshotError(StatusListError):
    """Lists or a delta are not those that the issuer's snapshot names: two times are mixed."""


class SourceError(VerifierError):
    """A source did not give a file."""


class SourceMissingError(SourceError):
    """The source answers, and has no such file."""


class SourceTooLargeError(SourceError):
    """More bytes than such a file may have."""


class SourceTooSlowError(SourceError):
    """Not there within the deadline."""


class CacheError(VerifierError):
    """The folder of lists cannot be used as it is; the message says what to do."""


class PictureError(VerifierError):
    """A file holds no picture that can be looked at."""


class PictureUnreadableError(PictureError):
    """A picture by its first bytes, and damaged or far too large."""


class SettingsError(VerifierError):
    """A setting is unknown or has a value that is not one of those allowed."""
