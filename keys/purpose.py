"""What a key is for, and where it counts. Pure."""

from enum import StrEnum

__all__ = ["Environment", "Purpose"]


class Purpose(StrEnum):
    """The one thing that a key does: it signs, or, for `RECEIVING`, it is what others seal for."""

    CODE = "code"
    STATUS = "status"
    TRUST_ROOT = "trust-root"
    EVIDENCE = "evidence"
    RULES = "rules"
    CHECKPOINT = "checkpoint"
    WITNESS = "witness"
    #: Sealed notices from other regions are addressed to it. It signs no code and no list.
    RECEIVING = "receiving"


class Environment(StrEnum):
    """Where keys and lists count. What is signed for one is refused in the other."""

    PRODUCTION = "production"
    TEST = "test"
