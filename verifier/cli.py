"""`celadon-verify`: what staff at a door run. Shell. See docs/ops/venue.md.

The exit status is part of the interface. Nothing ends in a traceback: what was not foreseen is
"cannot check", and never an admission.
"""

import gc
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, NoReturn, TextIO, cast

from keys.errors import KeysError
from verifier.check import Kind
from verifier.door import POLICIES, WARN_AGE_S, Door, Reader, Verdict, scanned_lines
from verifier.errors import PictureError, SettingsError, VerifierError
from verifier.settings import Settings, from_env
from verifier.transport import PREFIX
from verifier.verdicts import as_json, as_line, can_paint, printable

__all__ = ["Streams", "main", "run"]

_EXIT: Final = {Kind.ADMIT: 0, Kind.DO_NOT_ADMIT: 10, Kind.CHECK_AGAIN: 20, Kind.NOT_A_CODE: 30}
_EXIT_USAGE: Final = 2
_EXIT_LISTS: Final = 3
_EXIT_CTRL_C: Final = 130  # as a shell reports what SIGINT ended
_EXIT_PIPE: Final = 141  # and SIGPIPE

_PHOTO_ENDINGS: Final = (".png", ".jpg", ".jpeg")


class Streams(NamedTuple):
    """Where a command reads and writes, and what time it is."""

    stdin: Reader
    stdout: TextIO
    stderr: TextIO
    clock: Callable[[], int]


def main() -> NoReturn:
    """The console script."""
    try:
        status = _run_process()
    except KeyboardInterrupt:
        status = _EXIT_CTRL_C
    except BrokenPipeError:
        status = _EXIT_PIPE
    except OSError:  # the verdict could not be written, so it was not given
        status = _EXIT_LISTS
    # All is said and nothing is open. Taking the interpreter apart would be a seventh of a cold
    # start, and could print a second complaint about a closed pipe.
    os._exit(status)


def _run_process() -> int:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # the caller closed it
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nowhere, mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        # A character that an old console lacks must not stop a verdict.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr] # real streams have it
    stdin = cast("Reader", sys.stdin.buffer)
    streams = Streams(stdin, sys.stdout, sys.stderr, lambda: int(time.time()))
    status = run(sys.argv[1:], os.environ, streams)
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def run(argv: Sequence[str], environ: Mapping[str, str], streams: Streams) -> int:
    """Run one command, print its errors, and return its exit status."""
    try:
        settings = from_env(environ)
        if len(argv) == 1 and argv[0].startswith(PREFIX):  # the one that somebody waits for
            return _Checks(settings, streams, json=False).run(argv)
        return _run_parsed(argv, settings, streams)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug must not look like an answer
        text, status = _explained(error)
        return _complain(streams, text, status)


def _explained(error: Exception) -> tuple[str, int]:
    """What to print about an error, and the exit status."""
    match error:
        case SettingsError() | PictureError():
            return str(error), _EXIT_USAGE
        case VerifierError() | KeysError():
            return str(error), _EXIT_LISTS
        case ImportError():
            pip = "pip install 'celadon-verifier[scan]'"
            return f"photos need two more packages: {pip} ({error.name})", _EXIT_USAGE
        case OSError():
            return f"{error.filename or 'disk'}: {error.strerror}", _EXIT_LISTS
        case _:
            kind = type(error).__name__
            return f"无法核验 cannot check: an error in this program ({kind})", _EXIT_LISTS


def _run_parsed(argv: Sequence[str], settings: Settings, streams: Streams) -> int:
    from verifier.arguments import HELP, parse, time_of  # noqa: PLC0415 - costs a cold start

    gc.enable()
    if not argv:
        print(HELP, end="", file=streams.stderr)
        return _EXIT_USAGE
    try:
        options = parse(argv)
        at = None if options.at is None else time_of(options.at)
    except SystemExit as end:
        return int(end.code or 0)
    if options.folder == "":
        raise SettingsError("--lists is empty; it names the folder of lists")
    settings = settings._replace(folder=options.folder or settings.folder)
    if at is not None:
        streams = streams._replace(clock=lambda: at)
        print(f"试用 trial: as of {options.at}, not as of now", file=streams.stderr)
    if options.command == "check":
        settings = settings._replace(profile=options.profile or settings.profile)
        checks = _Checks(settings, streams, json=options.json)
        return checks.run(options.inputs, options.images, options.texts)
    from verifier.upkeep import upkeep  # noqa: PLC0415 - not needed for a check

    return upkeep(options, settings, streams.stdout, streams.clock())


class _Checks:
    """The checks of one command."""

    def __init__(self, settings: Settings, streams: Streams, *, json: bool) -> None:
        self._policy = POLICIES[settings.profile]
        self._door = Door(settings.folder, self._policy, streams.clock)
        self._streams = streams
        self._json = json
        self._paint = can_paint(streams.stdout)
        self._warned = False
        # No verdict is no admission, however the caller reads the exit status.
        self._exits: set[int] = set()

    def run(
        self, inputs: Sequence[str], images: Sequence[str] = (), texts: Sequence[str] = ()
    ) -> int:
        """Check each of them and return the highest of their exit statuses.

        An input may be a text, the name of a photo, or the scanner.
        """
        for given in inputs:
            if given == "-":
                for line in scanned_lines(self._streams.stdin):
                    self._check(self._door.check_text, line)
            elif _is_photo(given):
                self._check(self._door.check_picture, given, photo=given)
            else:
                self._check(self._door.check_text, given)
        for image in images:
            self._check(self._door.check_picture, image, photo=image)
        for text in texts:
            self._check(self._door.check_text, text)
        if not self._exits:
            text = "没有核验任何码 nothing was checked"
            return _complain(self._streams, text, _EXIT[Kind.CHECK_AGAIN])
        return max(self._exits)

    def _check(
        self, check: Callable[[str], Verdict], given: str, *, photo: str | None = None
    ) -> None:
        try:
            verdict = check(given)
        except (VerifierError, ImportError, BrokenPipeError):
            raise
        except Exception:  # noqa: BLE001 - a bug must neither admit nor end a scanner's day
            verdict = self._door.failed()
        if self._json:
            line = as_json(verdict, self._policy, self._door.ages(), photo=photo)
        else:
            line = as_line(verdict, self._policy, photo=photo, paint=self._paint)
        print(line, file=self._streams.stdout, flush=True)
        self._exits.add(_EXIT[verdict.kind])
        if not self._warned:
            self._warned = self._warn()

    def _warn(self) -> bool:
        """Say that an update is due, or that a list cannot be read; whether there was need to."""
        ages = self._door.ages()
        hours = max(ages.trust_list, ages.status_list or 0) // 3600
        damaged = ", ".join(map(str, self._door.damaged()))
        if damaged:
            _complain(self._streams, f"名单 {damaged} 已损坏，请更新 damaged, run: update", 0)
        if hours * 3600 >= WARN_AGE_S:
            zh = f"名单已有 {hours} 小时，满 24 小时停用，请更新"
            en = f"the lists are {hours} h old and stop at 24 h: celadon-verify update"
            _complain(self._streams, f"{zh} {en}", 0)
        return bool(damaged) or hours * 3600 >= WARN_AGE_S


def _is_photo(given: str) -> bool:
    if given.startswith(PREFIX):
        return False
    return given.lower().endswith(_PHOTO_ENDINGS) or os.path.exists(given)


def _complain(streams: Streams, text: str, status: int) -> int:
    print(f"celadon-verify: {printable(text)}", file=streams.stderr)
    return status
