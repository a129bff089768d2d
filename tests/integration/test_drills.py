"""Every drill is played as an operator plays it, and again with one promise broken on purpose."""

import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from audit.events import Event
from issuer import app
from issuer.cli import main
from issuer.codes import issue, reissue
from issuer.drills.repertoire import DRILLS
from keys import trustlist, trustupdate
from keys.recorded import RecordedSigner
from verifier import check

NAMES = [drill.name for drill in DRILLS]


@dataclass(frozen=True)
class Sabotage:
    """One thing of the product replaced, and the claim that must fall with it."""

    module: object
    name: str
    replacement: object
    claim: str


def nothing(*_: object, **__: object) -> None:
    """What a check does that was taken out."""


def marks_nothing(*_: object) -> list[Event]:
    """Taking codes back without doing it."""
    return []


SABOTAGES = {
    "city-retired": Sabotage(issue, "_require_going_on", nothing, "issues no code any more"),
    "key-lost": Sabotage(RecordedSigner, "_require", nothing, "the rest by one other"),
    "status-key-lost": Sabotage(RecordedSigner, "_require", nothing, "nothing can be published"),
    "stolen-key": Sabotage(reissue, "take_back_batches", marks_nothing, "by the stolen key"),
    "hostile-host": Sabotage(check, "MAX_LIST_AGE_S", 10**6, "after 24 h it decides nothing"),
    "old-backup": Sabotage(app, "require_reconciled", nothing, "the issuer does not open"),
    "root-lost": Sabotage(
        trustlist, "_require_quorum", nothing, "two of the old holders and the new one"
    ),
    "root-stolen": Sabotage(trustlist, "_require_no_stranger", nothing, "beside a quorum"),
    "roots-stolen": Sabotage(trustupdate, "_require_successor", nothing, "out of reach"),
}


def played(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["drill", *arguments])


@pytest.mark.parametrize("name", NAMES)
def test_drill_proves_what_it_claims(name: str) -> None:
    """The drill ends by itself with exit code 0, and says how much it proved."""
    result = played(name)
    assert result.exit_code == 0, result.output
    assert f"{name}: proved " in result.output
    assert result.output.count("  proved: ") >= 5


@pytest.mark.parametrize("name", NAMES)
def test_drill_with_one_promise_broken_ends_with_1(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checks can fail: without one check of the product, the claim about it falls."""
    sabotage = SABOTAGES[name]
    monkeypatch.setattr(sabotage.module, sabotage.name, sabotage.replacement)
    result = played(name)
    assert result.exit_code == 1, result.output
    (line,) = (line for line in result.output.splitlines() if "DID NOT HOLD" in line)
    assert sabotage.claim in line


def test_drill_list_names_every_drill() -> None:
    """`--list` has a line for each, with what it proves."""
    result = played("--list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == NAMES
    for drill in DRILLS:
        assert drill.proves in result.output


def test_drill_page_tells_of_every_drill() -> None:
    """docs/ops/drills.md has one row for each, in the same order."""
    page = (Path(__file__).parents[2] / "docs" / "ops" / "drills.md").read_text("utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE) == NAMES


@pytest.mark.parametrize(
    ("arguments", "says"),
    [([], "name a drill"), (["earthquake"], "earthquake"), (["all", "--codes", "0"], "codes")],
    ids=["nothing", "unknown", "no codes"],
)
def test_drill_wrong_call_says_what_is_wrong(arguments: list[str], says: str) -> None:
    """Exit code 2, and nothing is played."""
    result = played(*arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_drill_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    """`--keep` takes an empty folder or none."""
    (tmp_path / "thesis.txt").write_text("mine")
    result = played(NAMES[0], "--keep", str(tmp_path))
    assert result.exit_code == 2
    assert "nothing was touched" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_drill_as_a_process_reads_no_setting_and_leaves_what_it_is_told_to(tmp_path: Path) -> None:
    """Broken settings of an installation do not reach it; `--keep` leaves the small world."""
    kept = tmp_path / "kept"
    done = subprocess.run(
        [sys.executable, "-m", "issuer.cli", "drill", NAMES[0], "--keep", str(kept)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={
            "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": "utf-8",
            "CELADON_KEYSTORE": "/nowhere", "CELADON_REGION": "nonsense",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (kept / NAMES[0] / "public" / "trust-list.cbor").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_drill_that_is_stopped_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    """Its private folder goes with it, and its exit code is not that of a broken promise."""
    with subprocess.Popen(
        [sys.executable, "-m", "issuer.cli", "drill", NAMES[0]],
        stdout=subprocess.PIPE, text=True,
        env={
            "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": "utf-8",
            "TMPDIR": str(tmp_path),
        },
    ) as playing:  # fmt: skip
        assert playing.stdout is not None
        assert any("proved:" in line for line in playing.stdout)
        assert [path.name.startswith("celadon-drill-") for path in tmp_path.iterdir()] == [True]
        playing.send_signal(number)
        playing.communicate()
    assert playing.returncode == 128 + number
    assert list(tmp_path.iterdir()) == []
