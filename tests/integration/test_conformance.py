"""The conformance suite, through its protocol, and what its README says of it."""

import json
import os
import re
import shlex
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.vectors.cases import AREAS, FOLDER, case_folders, expected
from tests.vectors.run import ask, main
from verifier.check import Reason

ROOT: Final = Path(__file__).parents[2]
OURS: Final = [sys.executable, "-m", "tests.vectors.ours"]
NODE: Final = ROOT / "tests" / "peers" / "node" / "conformance.mjs"
ACCEPTS_ALL: Final = [
    "sh",
    "-c",
    """while read -r folder; do echo '{"result": "accepted"}'; done""",
]


def test_our_command_answers_every_case() -> None:
    """Through the protocol as in the unit tests: everything passes, and nothing is left out."""
    assert Counter(result.outcome for result in ask(OURS, case_folders())) == {
        "passed": len(case_folders())
    }


def test_second_implementation_answers_every_case() -> None:
    """What goes by the pages, and shares no line with Celadon, agrees on all that is asked."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here: the second implementation needs Node 20 or newer")
    given = ask([node, NODE], case_folders())
    assert [(result.case, result.given) for result in given if result.outcome != "passed"] == []


@pytest.mark.parametrize(
    "command",
    [ACCEPTS_ALL, ["true"], ["false"], ["echo", "{}"], ["env", "--version"]],
    ids=["accepts-everything", "says-nothing", "fails", "stops-early", "chats"],
)
def test_command_that_answers_wrongly_fails(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Refusals are missed by what accepts everything; silence and other talk are no answers."""
    assert main(["--area", "base45", "--", *command]) == 1
    printed = capsys.readouterr().out
    refused = 'FAILED base45/bad-0\n  expected {"result": "TransportError"}\n  given    '
    assert refused in printed or " answers to 20 cases; " in printed


def test_command_that_cannot_be_started_is_said_in_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A mistyped command is not an implementation that fails, and no traceback."""
    assert main(["--", "/no/such/command"]) == 2
    assert capsys.readouterr().out == "/no/such/command: No such file or directory\n"


def test_shell_line_of_the_readme_makes_a_command_of_a_checker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that checks one case takes part by the line that the page gives."""
    checker = tmp_path / "my-checker"
    checker.write_text("#!/bin/sh\ncat $1/expected.json | tr -d '\\n'; echo\n")
    checker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (line,) = re.findall(r"^    (sh -c .*)$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    results = ask(shlex.split(line), case_folders("base45"))
    assert {result.outcome for result in results} == {"passed"}


def test_command_that_skips_everything_has_not_passed(capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown areas are skipped and counted; nothing but skipping is no success."""
    skips = ["sh", "-c", """while read -r folder; do echo '{"result": "skipped"}'; done"""]
    assert main(["--area", "base45", "--", *skips]) == 1
    assert _row("base45", 0, 0, len(case_folders("base45"))) in capsys.readouterr().out


def _row(area: str, *counts: int) -> str:
    return f"{area:<16}" + "".join(f"{count:>9}" for count in counts)


@pytest.mark.parametrize(
    ("area", "page", "heading"),
    [
        ("code", "code.md", "## The check"),
        ("trust-list", "trust-list.md", "## Acceptance"),
        ("status-list", "status-list.md", "## Verification"),
    ],
    ids=lambda value: value if str(value).endswith(".md") else "",
)
def test_every_step_of_the_page_has_a_case_and_every_case_its_step(
    area: str, page: str, heading: str
) -> None:
    """What a page says can be refused, at which step and why, is what the cases refuse."""
    text = (ROOT / "docs" / "spec" / page).read_text(encoding="utf-8").partition(heading)[2]
    rows = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", text.partition("\n## ")[0], re.MULTILINE)
    named = {(int(step), name) for step, cell in rows for name in _NAMES.findall(cell)}
    asked = {
        (json.loads((case / "case.json").read_bytes()).get("step"), _refusal(expected(case)))
        for case in case_folders(area)
    }
    assert asked - {(None, "admitted"), (None, "accepted")} == named


_NAMES: Final = re.compile(rf"\b(?:{'|'.join(Reason)}|[A-Za-z]+Error)(?![\w-])")


def _refusal(answer: dict[str, str]) -> str:
    return answer.get("reason") or answer["result"]


def test_readme_counts_the_cases() -> None:
    """The table in the README is that of the folders: at least 350 cases, 250 of them negative."""
    counted = {area: Counter(map(_is_negative, case_folders(area))) for area in AREAS}
    total = sum(counted.values(), Counter[bool]())
    assert total[True] >= 250
    assert total.total() >= 350
    rows = [*counted.items(), ("all", total)]
    lines = [f"| {area} | {each.total()} | {each[True]} |" for area, each in rows]
    table = "\n".join(["| area | cases | of them negative |", "| --- | --- | --- |", *lines])
    assert table in (FOLDER / "README.md").read_text(encoding="utf-8"), table


def _is_negative(case: Path) -> bool:
    """Whether something has to be refused, or cannot be decided."""
    answer = expected(case)
    return not {"kind": "admit", "result": "accepted"}.items() & answer.items()
