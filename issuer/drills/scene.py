"""What a drill is, and how it tells and proves. Shell."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from issuer.demo.telling import Teller
from issuer.errors import IssuerError

__all__ = ["FEW_CODES", "Drill", "NotProvedError", "Scene"]

#: Codes of a drill that is told nothing else.
FEW_CODES: Final = 300


class NotProvedError(IssuerError):
    """A promise did not hold."""


class Scene:
    """Where one drill is played.

    Args:
        folder: Empty, and the drill's own.
        teller: Hears the story.
        codes: How many codes are out where a drill needs many.

    Attributes:
        proved: How many claims held so far.
    """

    def __init__(self, folder: Path, teller: Teller, *, codes: int = FEW_CODES) -> None:
        self.folder = folder
        self.codes = codes
        self.proved = 0
        self._teller = teller

    def chapter(self, title: str) -> None:
        self._teller.chapter(title)

    def say(self, text: str) -> None:
        self._teller.say(text)

    def prove(self, claim: str, found: object, expected: object = True) -> None:  # noqa: FBT002 - mostly it is a truth
        """Say *claim*, which holds where *found* equals *expected*.

        Raises:
            NotProvedError: It does not.
        """
        if found != expected:
            raise NotProvedError(f"{claim}: found {found}, expected {expected}")
        self.proved += 1
        self._teller.say(f"  proved: {claim}")

    def refused(self, claim: str, by: type[Exception], call: Callable[[], object]) -> None:
        """Say *claim*, which holds where *call* ends in an error of exactly this type.

        Raises:
            NotProvedError: It ends in another one, or in none.
        """
        try:
            call()
        except Exception as error:  # noqa: BLE001 - another error is another finding
            self.prove(claim, type(error).__name__, by.__name__)
            return
        raise NotProvedError(f"{claim}: found no refusal, expected {by.__name__}")

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Say how long the block took, on the real clock."""
        begun = time.perf_counter()
        yield
        self._teller.say(f"  {what}: {time.perf_counter() - begun:.2f} s")


@dataclass(frozen=True, slots=True)
class Drill:
    """A rehearsed accident.

    Attributes:
        proves: In one line, for the list.
        play: Tells it, and raises where a promise does not hold.
    """

    name: str
    proves: str
    play: Callable[[Scene], None]
