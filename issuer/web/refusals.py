"""Who was refused a moment ago is refused again without asking, so without another log entry.

Each refusal by the gate is an entry of the log, and a phone that asks in a loop could fill the disk
with them. One process's memory; at worst each process writes one entry a minute. Not safe to share
between threads.
"""

import asyncio
from typing import Final
from weakref import WeakValueDictionary

__all__ = ["HOLD_S", "Refusals"]

HOLD_S: Final = 60
_MANY: Final = 1_000


class Refusals:
    """Of one application."""

    def __init__(self) -> None:
        self._until: dict[bytes, int] = {}
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    def turn(self, subject: bytes) -> asyncio.Lock:
        """Hold it from `stands` to `note`: many requests at once then lead to one refusal, too."""
        return self._turns.setdefault(subject, asyncio.Lock())

    def note(self, subject: bytes, *, now: int) -> None:
        """The gate refused this person just now."""
        if len(self._until) >= _MANY:
            self._until = {who: until for who, until in self._until.items() if until > now}
        self._until[subject] = now + HOLD_S

    def stands(self, subject: bytes, *, now: int) -> bool:
        """Whether it did so within the last minute."""
        return self._until.get(subject, 0) > now
