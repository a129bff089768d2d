"""Asks an implementation every case of the suite, by the protocol of README.md.

    python -m tests.vectors.run [--area AREA ...] -- COMMAND [ARGUMENT ...]

Prints each case that failed, and passed, failed and skipped by area. The exit code is 0 if nothing
failed and something passed, 2 if the command could not be asked.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.vectors.cases import AREAS, case_folders, expected

__all__ = ["Result", "ask", "main"]

_PASSED, _FAILED, _SKIPPED = "passed", "failed", "skipped"
_OUTCOMES: Final = (_PASSED, _FAILED, _SKIPPED)
_TIMEOUT_S: Final = 600


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one case."""

    case: Path
    outcome: str
    given: str | None

    @property
    def area(self) -> str:
        return self.case.parent.name


def ask(command: Sequence[str | Path], cases: Sequence[Path]) -> list[Result]:
    """Start *command* once, give it all folders, and compare its answers, one a line."""
    done = subprocess.run(
        command,
        input="".join(f"{case}\n" for case in cases),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        timeout=_TIMEOUT_S,
        check=False,
    )
    lines: list[str | None] = [*done.stdout.split("\n")[:-1]]
    if len(lines) != len(cases):
        print(f"{len(lines)} answers to {len(cases)} cases; it ended with {done.returncode}")
    lines += [None] * (len(cases) - len(lines))
    return [
        Result(case, _outcome(case, line), line) for case, line in zip(cases, lines, strict=False)
    ]


def _outcome(case: Path, line: str | None) -> str:
    """An answer may say more than is expected, such as a message, and never less."""
    try:
        answer: Any = json.loads(line or "")
    except ValueError:
        return _FAILED
    if not isinstance(answer, dict):
        return _FAILED
    if answer.get("result") == _SKIPPED:
        return _SKIPPED
    return _PASSED if expected(case).items() <= answer.items() else _FAILED


def main(arguments: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.vectors.run")
    parser.add_argument("--area", action="append", choices=[*AREAS], help="only these")
    parser.add_argument("command", nargs="+", help="the implementation and its arguments, after --")
    options = parser.parse_args(arguments)
    try:
        results = ask(options.command, case_folders(*(options.area or AREAS)))
    except OSError as error:
        print(f"{options.command[0]}: {error.strerror}")
        return 2
    except subprocess.TimeoutExpired:
        print(f"{options.command[0]}: no end within {_TIMEOUT_S} s")
        return 2
    for result in results:
        if result.outcome == _FAILED and result.given is not None:
            print(f"FAILED {result.area}/{result.case.name}")
            print(f"  expected {json.dumps(expected(result.case))}")
            print(f"  given    {result.given}")
    print(f"{'area':<16}" + "".join(f"{outcome:>9}" for outcome in _OUTCOMES))
    for area in dict.fromkeys(result.area for result in results):
        print(_row(area, [result for result in results if result.area == area]))
    print(_row("all", results))
    outcomes = {result.outcome for result in results}
    return 0 if _PASSED in outcomes and _FAILED not in outcomes else 1


def _row(name: str, results: Sequence[Result]) -> str:
    counts = (sum(result.outcome == outcome for result in results) for outcome in _OUTCOMES)
    return f"{name:<16}" + "".join(f"{count:>9}" for count in counts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
