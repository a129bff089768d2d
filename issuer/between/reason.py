"""Why a notice or receipt between regions is refused. Pure."""

from enum import StrEnum

__all__ = ["Reason"]


class Reason(StrEnum):
    """In the order the checks run; a test has a vector for each."""

    TOO_LARGE = "too-large"
    MALFORMED = "malformed"
    WRONG_RECEIVER = "wrong-receiver"
    UNKNOWN_SENDER = "unknown-sender"
    UNSEALABLE = "unsealable"  # no receiving key of ours opens it
    PADDING = "padding"
    NOT_SIGNED = "not-signed"  # what is in the box is no envelope of ours
    UNKNOWN_KEY = "unknown-key"  # not on the trust list, or of another region
    WRONG_PURPOSE = "wrong-purpose"
    KEY_NOT_IN_FORCE = "key-not-in-force"
    BAD_SIGNATURE = "bad-signature"
    CONTENT = "content"
    FORWARDED = "forwarded"  # signed for another receiver, key or id than it arrived under
    WRONG_TIME = "wrong-time"
    # Against what came before.
    NUMBER_TAKEN = "number-taken"  # by a notice with other bytes
    TOO_EARLY = "too-early"  # too many before it are missing
