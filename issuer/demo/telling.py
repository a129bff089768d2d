"""How the demo speaks: headings, sentences, tables, a progress bar, codes drawn as blocks."""

import io
from collections.abc import Iterable, Sequence
from typing import TypeVar

import segno
from rich.console import Console
from rich.padding import Padding
from rich.progress import track
from rich.text import Text

__all__ = ["Teller", "code_png", "code_size"]

_QUIET_ZONE = 4  # modules, ISO/IEC 18004
_PIXELS = 10  # a module
_T = TypeVar("_T")


class Teller:
    """Prints the story. Everything that it prints is text, so a log of it reads the same."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._chapter = 0

    def chapter(self, title: str) -> None:
        self._chapter += 1
        self._console.print()
        self._console.rule(f"[bold]{self._chapter}. {title}", align="left")

    def say(self, text: str) -> None:
        self._console.print(Text(text))

    def card(self, title: str, lines: Iterable[str]) -> None:
        """A person: the title stands out, everything else below it."""
        self._console.print(Text(title, style="bold"))
        for line in lines:
            self._console.print(Padding(Text(line), (0, 0, 0, 4), expand=False))

    def code(self, text: str) -> None:
        """The code as half blocks, to be scanned from the terminal."""
        drawn = io.StringIO()
        _qr(text).terminal(out=drawn, border=_QUIET_ZONE, compact=True)
        self._console.file.write(drawn.getvalue())

    def progress(self, steps: Sequence[_T], what: str) -> Iterable[_T]:
        return track(steps, what, console=self._console)


def _qr(text: str) -> segno.QRCode:
    # Level M and big modules: at one printed size, a higher level reads worse (docs/spec/code.md).
    return segno.make_qr(text, error="m", boost_error=False)


def code_png(text: str) -> bytes:
    """The code as a PNG to print."""
    image = io.BytesIO()
    _qr(text).save(image, kind="png", scale=_PIXELS, border=_QUIET_ZONE)
    return image.getvalue()


def code_size(text: str) -> str:
    """The size of the QR symbol, such as "6-M"."""
    return str(_qr(text).designator)
