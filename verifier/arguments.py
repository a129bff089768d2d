"""The command line of `celadon-verify`. Loaded only where there is more on it than one code."""

import argparse
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NoReturn

from verifier import __version__
from verifier.settings import PROFILES

__all__ = ["HELP", "parse", "time_of"]

HELP: Final = """\
celadon-verify: check health codes at a door, offline.  核验健康码（离线）

Check 核验
  celadon-verify 'CE1:...'          the text of a code; quotes keep the shell from changing it
  celadon-verify photo.png ...      photos or scans, PNG or JPEG, one code in each
  celadon-verify -                  lines from a handheld scanner, a verdict for each; Ctrl-C ends
  celadon-verify check -- "$TEXT"   for scripts: what is behind -- is a text, whatever it says

  Each verdict is one line:
    √ 可以通行 ADMIT           \u00d7 不予通行 DO NOT ADMIT
    ? 请再核验 CHECK AGAIN     ! 不是健康码 NOT A CODE

Lists 名单 (checking needs no network; the lists must be less than 24 hours old)
  celadon-verify update             fetch newer lists from where setup said; run it every hour
  celadon-verify update SOURCE      ... from this folder, such as a memory stick, or https address
  celadon-verify lists              what is held, from whom, and how old each list is
  celadon-verify setup --roots roots.cbor --source SOURCE
                                    once, on a new machine

Options, after the command if there is one
  --json              a JSON object a line: kind, reason, zh, en, ages_s
  --profile NAME      venue (default: never shows a colour), hospital (shows it, never denies),
                      checkpoint (shows it)
  --lists FOLDER      where the lists are kept
  --at TIME           check as of this time, such as 2020-12-13T20:00+08:00; for trials only
  -h, --help; after a command: more about it          --version

Environment: CELADON_VERIFY_LISTS and CELADON_VERIFY_PROFILE stand for the options of these names.

Exit status
  0 admit   10 do not admit   20 check again   30 not a code   (of several: the highest)
  2 the command line is wrong   3 the lists cannot be used, or not all could be updated
"""

_COMMANDS: Final = ("check", "update", "lists", "setup")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The parsed command line; `check` is meant where no command is named.

    What stands behind `check --` is the text of a code, whatever it says: `texts`.

    Raises:
        SystemExit: After printing help, or with 2 where the command line is wrong.
    """
    arguments = list(argv)
    named = bool(arguments) and arguments[0] in (*_COMMANDS, "-h", "--help", "--version")
    if not named:
        arguments.insert(0, "check")
    end = len(arguments)
    if arguments[0] == "check" and "--" in arguments:
        end = arguments.index("--")
    options = _parser().parse_args(arguments[:end])
    options.texts = arguments[end + 1 :]
    if not named and set(options.inputs) & {*_COMMANDS} and argv[0].startswith("--"):
        # Else an hourly `--lists FOLDER update` would check a code that says "update".
        _parser().error("the command comes first, its options after it")
    return options


def time_of(text: str) -> int:
    """UNIX seconds of an ISO 8601 time that says its offset from UTC.

    Raises:
        SystemExit: With 2; it is not one.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        _Parser(prog="celadon-verify").error(
            "--at needs a time with its offset, such as 2020-12-13T20:00+08:00"
        )
    return int(at.timestamp())


class _Parser(argparse.ArgumentParser):
    def format_help(self) -> str:
        return HELP if self.prog == "celadon-verify" else super().format_help()

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\nTry: celadon-verify --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="celadon-verify", add_help=True, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"celadon-verify {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_check(commands.add_parser("check", allow_abbrev=False, help="check codes"))
    update = commands.add_parser("update", allow_abbrev=False, help="take newer lists")
    update.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="*",
        help="a folder or an https address; without one, those given at setup",
    )
    lists = commands.add_parser("lists", allow_abbrev=False, help="show the lists and their ages")
    setup = commands.add_parser("setup", allow_abbrev=False, help="set up a new machine")
    setup.add_argument(
        "--roots",
        metavar="FILE",
        help="roots.cbor, handed over in person: the keys that this machine will trust",
    )
    setup.add_argument(
        "--source",
        metavar="SOURCE",
        dest="sources",
        action="append",
        required=True,
        help="where to update from: a folder or an https address; may be given several times",
    )
    for command in (update, lists, setup):
        _add_common(command)
    return parser


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="*",
        help="the text of a code ('CE1:...'), a photo's file name, or - for a handheld scanner",
    )
    parser.add_argument(
        "--image", metavar="FILE", dest="images", action="append", default=[],
        help="a photo, whatever its name looks like; may be given several times",
    )  # fmt: skip
    parser.add_argument("--profile", choices=PROFILES, help="who is asking (default: venue)")
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="JSON, an object a line")
    parser.add_argument("--lists", metavar="FOLDER", dest="folder", help="where the lists are kept")
    parser.add_argument(
        "--at", metavar="TIME", help="as of this time, with its offset from UTC; for trials only"
    )
