"""What a key is for, and where it counts. Pure."""

from enum import StrEnum

__all__ = ["Environment", "Purpose"]


class Purpose(StrEnum):
    """The one thing that a key signs."""

    CODE = "code"
    STATUS = "status"
    TRUST_ROOT = "trust-root"
    EVIDENCE = "evidence"
    RULES = "rules"
    CHECKPOINT = "checkpoint"
    WITNESS = "witness"


class Environment(StrEnum):
    """Where keys and lists count. What is signed for one is refused in the other."""

    PRODUCTION = "production"
    TEST = "test"
