"""`celadon drill`: play rehearsed accidents, each in an empty folder. Shell.

Exit codes: 0 everything was proved, 1 a promise did not hold, 2 wrong call, 130 and 143 stopped.
"""

import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import click

from issuer.demo.telling import Teller
from issuer.drills.repertoire import DRILLS
from issuer.drills.scene import FEW_CODES, Drill, NotProvedError, Scene

__all__ = ["drill"]

_NOT_PROVED: Final = 1
_ALL: Final = "all"
_NAMES: Final = [each.name for each in DRILLS]


@click.command()
@click.argument("name", required=False, type=click.Choice([*_NAMES, _ALL]), metavar="NAME")
@click.option("--list", "listing", is_flag=True, help="Name every drill and what it proves.")
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
    help="Play in this folder, which is empty or missing, and leave everything there.",
)  # fmt: skip
@click.option(
    "--codes", type=click.IntRange(min=10), default=FEW_CODES, show_default=True,
    help="How many codes are out, where a drill needs many.",
)  # fmt: skip
def drill(name: str | None, listing: bool, keep: Path | None, codes: int) -> None:
    """Play an accident and its recovery: NAME, or "all".

    It is played in a small world of its own: no setting, key or database of this installation is
    touched. Each drill tells what happens and proves what it claims; exit code 1 where a claim does
    not hold.
    """
    if listing:
        width = max(map(len, _NAMES))
        for each in DRILLS:
            click.echo(f"{each.name:<{width}}  {each.proves}")
        return
    if name is None:
        raise click.UsageError("name a drill, or all; celadon drill --list shows them")
    chosen = [each for each in DRILLS if name in (each.name, _ALL)]
    with _cleaning_up(), _folder(keep) as folder:
        ended_well = [_played(each, folder / each.name, codes) for each in chosen]
    if not all(ended_well):
        click.get_current_context().exit(_NOT_PROVED)


def _played(each: Drill, folder: Path, codes: int) -> bool:
    """Play one drill and say how it ended."""
    folder.mkdir()
    scene, begun = Scene(folder, Teller(), codes=codes), time.perf_counter()
    click.echo(f"\ndrill {each.name}: {each.proves}")
    try:
        each.play(scene)
    except NotProvedError as error:
        click.echo(f"\n{each.name}: DID NOT HOLD: {error}")
        return False
    except Exception as error:  # noqa: BLE001 - whatever it is, the drill did not end as promised
        click.echo(f"\n{each.name}: DID NOT HOLD: ended in {type(error).__name__}: {error}")
        return False
    took = time.perf_counter() - begun
    click.echo(f"\n{each.name}: proved {scene.proved} claims in {took:.1f} s")
    return True


@contextmanager
def _cleaning_up() -> Iterator[None]:
    """Whoever stops a drill has its folder removed; a second signal does not wait for that."""
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise SystemExit(128 + number)  # no Exception: it is no finding of the drill


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="celadon-drill-") as name:
            yield Path(name)
        return
    if keep.exists() and any(keep.iterdir()):
        raise click.UsageError(f"{keep} is not empty: nothing was touched")
    keep.mkdir(mode=0o700, parents=True, exist_ok=True)
    yield keep.resolve()
