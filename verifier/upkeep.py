"""`celadon-verify setup`, `update` and `lists`: for the technician. Shell."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

from keys.errors import TrustListError
from keys.instants import format_time
from keys.trustlist import ListedIssuer
from verifier.cache import MAX_SMALL_BYTES, Cache, Statuses
from verifier.check import Lists
from verifier.door import WARN_AGE_S
from verifier.errors import CacheError, SourceMissingError
from verifier.settings import Settings
from verifier.sources import FolderSource, open_source
from verifier.statuslist import StatusList
from verifier.update import Report, set_up, update
from verifier.verdicts import printable

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["upkeep"]

_EXIT_LISTS: Final = 3


def upkeep(options: "Namespace", settings: Settings, out: TextIO, now: int) -> int:
    """Run one of these commands and return its exit status.

    Raises:
        VerifierError, KeysError, OSError: What the message says; nothing was changed.
    """
    if options.command == "setup":
        _set_up(options, settings, out)
    if options.command == "lists":
        return _show_lists(settings.folder, out, now, json=options.json)
    names = options.sources or Cache(settings.folder).sources()
    if not names:
        raise CacheError("where from? name a folder or address: celadon-verify update SOURCE")
    report = update(settings.folder, [open_source(name) for name in names], now=now)
    return _show_report(report, out, now)


def _set_up(options: "Namespace", settings: Settings, out: TextIO) -> None:
    sources = [_lasting(name) for name in options.sources]
    roots = None
    if options.roots is not None:
        with Path(options.roots).open("rb") as file:
            roots = file.read(MAX_SMALL_BYTES)
    try:
        set_up(settings.folder, roots, sources)
    except TrustListError as error:
        raise CacheError(f"{options.roots}: not a file of roots: {error}") from error
    print(f"set up: {settings.folder}", file=out)
    if roots is not None:
        digest = sha256(roots).hexdigest()
        print("compare this with what you were given on paper or by telephone:", file=out)
        # In the groups in which `celadon trust roots` prints it for that paper.
        print("  SHA-256: " + " ".join(digest[i : i + 4] for i in range(0, 64, 4)), file=out)


def _lasting(name: str) -> str:
    """The source by a name that means the same wherever an update is started from."""
    if not name.isprintable():
        raise CacheError("a source's name holds characters that cannot be printed")
    source = open_source(name)
    if not isinstance(source, FolderSource):
        return source.name
    folder = Path(name).resolve()
    if not folder.is_dir():
        raise SourceMissingError(f"{name}: no such folder")
    return str(folder)


def _show_report(report: Report, out: TextIO, now: int) -> int:
    print(
        f"trust list {report.trust.version}; up to date: {len(report.regions)} of "
        f"{report.wanted} regions; files changed: {report.changed}",
        file=out,
    )
    for problem in report.problems:
        word = "REFUSED" if problem.refused else "not fetched"
        # A host's own words may stand in it.
        print(printable(f"{word}: {problem.what}: {problem.text}"), file=out)
    if not report.problems:
        return 0
    print("What is held stays in use until it is 24 h old.", file=out)
    if any(problem.of_another_time for problem in report.problems):
        print(
            f"By this machine's clock it is {format_time(now)}. If that is wrong, set the clock "
            "and update again.",
            file=out,
        )
    if any(problem.refused for problem in report.problems):
        print(
            "A refused list means an old copy, a mistake or an attack: tell your region.", file=out
        )
    return _EXIT_LISTS


class _Line(NamedTuple):
    """One row of `celadon-verify lists`. Ages in seconds; None where nothing is held."""

    name: str
    zh: str
    en: str
    held: int
    age_s: int | None
    stops_in_s: int

    @property
    def state(self) -> str:
        if self.age_s is None:
            return "NONE HELD"
        if self.age_s < 0:
            return "CHECK THE CLOCK"
        if self.stops_in_s <= 0:
            return "STOPPED: UPDATE"
        return "update due" if self.age_s >= WARN_AGE_S else "fresh"


def _show_lists(folder: str, out: TextIO, now: int, *, json: bool) -> int:
    cache = Cache(folder)
    trust = cache.trust()
    if trust is None:
        raise CacheError(f"{folder}: no lists yet; run: celadon-verify update")
    seen = cache.seen()
    lists = Lists(trust, Statuses(cache.files, trust), seen.newest, seen.confirmed)
    lines = list(_lines(lists, now))
    if not json:
        print(f"{folder}: roots of epoch {trust.roots.epoch}, {trust.environment}", file=out)
    for line in lines:
        print(_as_json(line) if json else _as_row(line), file=out)
    return 0 if all(line.state in ("fresh", "update due") for line in lines) else _EXIT_LISTS


def _lines(lists: Lists, now: int) -> Iterator[_Line]:
    name = f"trust list {lists.trust.version}"
    age, left = now - lists.trust_from, lists.trust_ends - now
    yield _Line(name, "签发机构名单", "issuers", 1, age, left)
    for issuer in lists.trust.counting(lists.newest):
        yield _region_line(issuer, lists.statuses, now)


def _region_line(issuer: ListedIssuer, statuses: Mapping[int, StatusList], now: int) -> _Line:
    """The region's lists by the oldest of them, which is the first to stop."""
    held = [
        statuses[number]
        for number in statuses
        if issuer.first_list <= number <= issuer.last_list and number in statuses
    ]
    stops = min((each.ends for each in held), default=now)
    age = max((now - each.issued_at for each in held), default=None)
    return _Line(issuer.region, issuer.name_zh, issuer.name_en, len(held), age, stops - now)


def _as_row(line: _Line) -> str:
    age = "-" if line.age_s is None else _duration(line.age_s)
    left = f", stops in {_duration(line.stops_in_s)}" if line.stops_in_s > 0 else ""
    return f"{line.state:<16} {line.name} {line.zh} {line.en}: {line.held} held, age {age}{left}"


def _as_json(line: _Line) -> str:
    import json  # noqa: PLC0415 - the rest of this command does without

    return json.dumps({**line._asdict(), "state": line.state})


def _duration(seconds: int) -> str:
    sign = "-" if seconds < 0 else ""
    minutes = abs(seconds) // 60
    return f"{sign}{minutes // 60} h {minutes % 60:02d} min"
