"""Keystores for tests: the least work that Argon2id allows, and randomness that repeats."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from keys.lifecycle import Environment
from keys.store import Keystore

__all__ = ["PASSPHRASE", "at", "counted", "make_store"]

PASSPHRASE: Final = "correct horse battery staple"  # noqa: S105 - of no use anywhere else
_MIN_OPS: Final = 1
_MIN_MEM: Final = 8192


def counted() -> Callable[[int], bytes]:
    """Bytes that look random, differ at each call, and come again in the next test."""
    calls = 0

    def randomness(length: int) -> bytes:
        nonlocal calls
        calls += 1
        return hashlib.shake_128(calls.to_bytes(8)).digest(length)

    return randomness


def at(now: int) -> Callable[[], int]:
    """A clock that stands still."""
    return lambda: now


def make_store(folder: Path, *, environment: Environment = Environment.TEST) -> Keystore:
    """An empty keystore in *folder* that opens with PASSPHRASE."""
    return Keystore.create(
        folder,
        PASSPHRASE,
        environment=environment,
        ops=_MIN_OPS,
        mem=_MIN_MEM,
        randomness=counted(),
    )
