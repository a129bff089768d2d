"""Small logs for tests."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

import pytest
from sqlalchemy import Engine

from audit.database import create_tables, open_engine
from audit.events import Event, Kind
from audit.log import Log
from audit.models import metadata
from keys.signer import SeedSigner

ORIGIN: Final = "celadon.example/610000/log"
NOW: Final = 1_607_817_600  # 13 December 2020, 00:00 UTC
SIGNER: Final = SeedSigner(bytes(range(32)))


def pattern() -> Callable[[int], bytes]:
    """Randomness that comes out the same in every run."""
    numbers = count()
    return lambda size: hashlib.shake_256(next(numbers).to_bytes(8, "big")).digest(size)


def an_event(number: int, *, subject: int | None = None, kind: Kind = Kind.DECIDED) -> Event:
    """Event *number*: the same number gives the same event."""
    return Event(
        event_id=number.to_bytes(16, "big"),
        kind=kind,
        at=NOW + number,
        subject=None if subject is None else subject.to_bytes(16, "big"),
        details={"rules": "shaanxi-2020-12", "version": 1, "colour": number % 3},
    )


def some_events(first: int, number: int) -> list[Event]:
    return [an_event(n, subject=n % 5) for n in range(first, first + number)]


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """An engine with the audit tables, closed at the end."""
    engine = open_engine(url)
    try:
        create_tables(engine, metadata)
        yield engine
    finally:
        engine.dispose()


def a_log(engine: Engine, *, signer: SeedSigner = SIGNER) -> Log:
    return Log(engine, signer, ORIGIN, randomness=pattern())


@contextmanager
def log_away(log: Log) -> Iterator[None]:
    """Nothing can be appended meanwhile."""

    def unavailable(*_: object, **__: object) -> list[int]:
        raise OSError("the log is away")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(log, "append", unavailable)
        yield
