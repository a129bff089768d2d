"""What every set-oriented function of the core is given: one transaction and its circumstances."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from audit.events import Event, Kind
from issuer.storage.core import Authority, Secrets
from issuer.storage.store import Store

__all__ = ["EVENT_ID_BYTES", "Done", "Tx", "filler", "new_event_ids"]

T = TypeVar("T")

EVENT_ID_BYTES: Final = 16
_TIME_BYTES: Final = 4  # enough until 2106
_DRAWN_BYTES: Final = EVENT_ID_BYTES - _TIME_BYTES


def new_event_ids(count: int, *, now: int, randomness: Callable[[int], bytes]) -> list[bytes]:
    """Ids of 16 bytes: the second, then 12 random ones.

    The log keeps an event's time anyway; ids in its order keep the log's index over them short
    of pages to write.
    """
    second = now.to_bytes(_TIME_BYTES, "big")
    drawn = randomness(_DRAWN_BYTES * count)
    return [second + drawn[at : at + _DRAWN_BYTES] for at in range(0, len(drawn), _DRAWN_BYTES)]


@dataclass(frozen=True, slots=True)
class Tx:
    """A write transaction at the instant *now* (UNIX seconds), under this authority."""

    store: Store
    secrets: Secrets
    authority: Authority
    now: int
    randomness: Callable[[int], bytes]

    def event_id(self) -> bytes:
        """16 bytes for an event of this transaction."""
        return self.event_ids(1)[0]

    def event_ids(self, count: int) -> list[bytes]:
        """As `event_id`, for so many events."""
        return new_event_ids(count, now=self.now, randomness=self.randomness)


def filler(tx: Tx, count: int) -> list[Event]:
    """Events that tell of nothing, because the log's size is public; none below one."""
    return [
        Event(event_id, Kind.FILLER, tx.now, None, {}) for event_id in tx.event_ids(max(count, 0))
    ]


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What a transaction gives back.

    Attributes:
        value: For the caller, once the log is durable.
        events: What the log must say before that.
        repeated: Events of earlier transactions that the log must hold before that.
        authority: In force from the next transaction on, where this one changed it.
    """

    value: T
    events: Sequence[Event] = ()
    repeated: Sequence[bytes] = ()
    authority: Authority | None = None
