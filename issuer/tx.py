"""What every set-oriented function of the core is given: one transaction and its circumstances."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from issuer.core import Authority, Secrets
from issuer.store import Store

__all__ = ["EVENT_ID_BYTES", "Tx"]

EVENT_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Tx:
    """A write transaction at the instant *now* (UNIX seconds), under this authority."""

    store: Store
    secrets: Secrets
    authority: Authority
    now: int
    randomness: Callable[[int], bytes]

    def event_id(self) -> bytes:
        """16 random bytes."""
        return self.randomness(EVENT_ID_BYTES)
