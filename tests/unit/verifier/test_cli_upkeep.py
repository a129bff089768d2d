"""`celadon-verify setup`, `update`, `lists` and `--help`: what a technician meets."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from keys.trusttext import digest_text
from tests.code_support import DAY_S, HEILONGJIANG, NOW, SHAANXI, World, paper_code
from tests.venue_support import Run, publish, published, roots_of, signed, venue
from verifier.claims import HOUR_S
from verifier.transport import encode_text

CODE = encode_text(paper_code())


@pytest.fixture
def public(tmp_path: Path) -> Path:
    return publish(tmp_path / "public", {**published(World()), "roots.cbor": roots_of(World())})


def new(tmp_path: Path) -> Run:
    return Run(tmp_path / "venue", NOW)


def test_setup_then_check_works(tmp_path: Path, public: Path) -> None:
    """From roots and a source to the first verdict it is one command."""
    command = new(tmp_path)
    result = command("setup", "--roots", str(public / "roots.cbor"), "--source", str(public))
    assert result.status == 0, result
    assert f"  SHA-256: {digest_text(roots_of(World()))}\n" in result.out
    assert "2 of 2 regions" in result.out
    assert command(CODE).status == 0


@pytest.mark.usefixtures("public")
def test_setup_with_a_relative_folder_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timer runs an update from another folder than the technician did."""
    command = new(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert command("setup", "--roots", "public/roots.cbor", "--source", "public").status == 0
    monkeypatch.chdir("/")
    assert command("update").status == 0
    for name in ("pub\nlic", "\x1b[2J"):
        assert command("setup", "--source", name).status == 3


def test_setup_again_changes_the_source_and_keeps_the_roots(tmp_path: Path, public: Path) -> None:
    """Moving to another mirror needs no roots file."""
    command = venue(tmp_path, World(), sources=[str(public)])
    moved = publish(tmp_path / "moved", published(World()))
    assert command("setup", "--source", str(moved)).status == 0
    for path in public.rglob("*"):
        if path.is_file():
            path.unlink()
    assert command("update").status == 0


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        (["setup", "--source", "PUBLIC"], 3, "not set up"),
        (["setup", "--roots", "PUBLIC/none", "--source", "PUBLIC"], 3, "none: No such file"),
        (
            ["setup", "--roots", "PUBLIC/trust-list.cbor", "--source", "PUBLIC"],
            3,
            "trust-list.cbor: not a file of roots: ",
        ),
        (["setup", "--roots", "PUBLIC/roots.cbor", "--source", "http://example.com"], 3, "https"),
        (["setup", "--roots", "PUBLIC/roots.cbor", "--source", "PUBLIC/none"], 3, "no such folder"),
        (["update"], 3, "setup"),
        (["update", "PUBLIC"], 3, "setup"),
        (["lists"], 3, "setup"),
        ([CODE], 3, "setup"),
        (["-"], 3, "setup"),
    ],
)
def test_command_before_or_with_a_bad_setup_says_what_to_do(
    tmp_path: Path, public: Path, argv: list[str], status: int, words: str
) -> None:
    """Nothing is created that would be trusted, and the message says what is missing."""
    result = new(tmp_path)(*(part.replace("PUBLIC", str(public)) for part in argv))
    assert (result.status, result.out) == (status, "")
    assert words in result.err
    assert result.err.startswith("celadon-verify: ")
    assert len(result.err.splitlines()) == 1


def test_check_between_setup_and_update_says_update(tmp_path: Path, public: Path) -> None:
    """A venue that trusts roots and has no lists yet is told which command fetches them."""
    command = new(tmp_path)
    argv = ["setup", "--roots", str(public / "roots.cbor"), "--source", str(public)]
    (public / "trust-list.cbor").unlink()
    assert command(*argv).status == 3
    for arguments in ([CODE], ["lists"]):
        result = command(*arguments)
        assert result.status == 3
        assert "celadon-verify update" in result.err


def test_update_reports_refusals_apart_from_absences(tmp_path: Path) -> None:
    """A server that is down is waited for; a list that must not be taken is somebody's business."""
    command = venue(tmp_path, World())
    files = published(World())
    del files["status/230000.snapshot"]
    files["trust-list.cbor"] = signed(replace(World().trust, version=6))
    result = command("update", str(publish(tmp_path / "bad", files)))
    assert result.status == 3
    kinds = [line.split(":")[0] for line in result.lines]
    assert "REFUSED" in kinds
    assert "not fetched" in kinds
    assert "tell your region" in result.out
    assert command(CODE).status == 0


@pytest.mark.parametrize("command", ["update", "lists", "setup", "check"])
def test_option_before_the_command_is_refused(tmp_path: Path, command: str) -> None:
    """The command's name is not checked like a code: an hourly update would never update."""
    run = venue(tmp_path, World())
    result = run("--lists", str(run.folder), command)
    assert (result.status, result.out) == (2, "")


@pytest.mark.parametrize(("days", "said"), [(-3, "2020-12-10"), (3, "2020-12-16")])
def test_update_by_a_wrong_clock_asks_for_it_first(tmp_path: Path, days: int, said: str) -> None:
    """C64: a machine that lost its time refuses good lists; that is not its region's business."""
    command = venue(tmp_path, World())
    command.now += days * DAY_S
    result = command("update")
    assert result.status == 3
    assert f"By this machine's clock it is {said}" in result.out
    assert result.out.index("machine's clock") < result.out.index("tell your region")
    command.folder = tmp_path / "new"
    roots = publish(tmp_path / "given", {"roots.cbor": roots_of(World())}) / "roots.cbor"
    result = command("setup", "--roots", str(roots), "--source", str(tmp_path / "public"))
    assert f"this machine's clock says {said}" in result.err + result.out


def test_update_without_the_stick_takes_what_the_others_have(tmp_path: Path) -> None:
    """A source that is not plugged in keeps a venue from nothing that another one has."""
    command = venue(tmp_path, World())
    stick, public = tmp_path / "stick", tmp_path / "public"
    stick.mkdir()
    assert command("setup", "--source", str(stick), "--source", str(public)).status == 3
    stick.rmdir()
    result = command("update")
    assert "up to date: 2 of 2 regions" in result.lines[0]
    assert [line.split(":")[0] for line in result.lines[1:-1]] == ["not fetched"]
    assert f"{stick}: no such folder" in result.out


def test_option_that_an_unset_variable_left_empty_is_refused(tmp_path: Path) -> None:
    """C124: like an empty setting, an empty --lists does not stand for some other folder."""
    command = venue(tmp_path, World())
    for argv in (("lists", "--lists", ""), ("check", "--lists", "", CODE)):
        result = command(*argv)
        assert (result.status, result.out) == (2, "")
        assert "--lists" in result.err


@pytest.mark.parametrize("name", ["current", "roots.cbor", "trust-list.cbor", "seen.cbor"])
def test_damaged_folder_says_what_sets_it_up_again(tmp_path: Path, public: Path, name: str) -> None:
    """What may not be forgotten is not made anew in place, so the folder goes first."""
    command = new(tmp_path)
    argv = ["setup", "--roots", str(public / "roots.cbor"), "--source", str(public)]
    assert command(*argv).status == 0
    current = command.folder / (command.folder / "current").read_text().strip()
    path = command.folder / name if name == "current" else current / name
    path.write_bytes(b"damaged")
    result = command(CODE)
    assert result.status == 3
    assert f"damaged; remove {command.folder} and set up again" in result.err
    shutil.rmtree(command.folder)
    assert command(*argv).status == 0


def test_lists_shows_each_age_apart(tmp_path: Path) -> None:
    """The trust list, since an issuer named it, and each region's lists age in the open."""
    command = venue(tmp_path, World())
    result = command("lists")
    assert result.status == 0
    assert "trust list 7" in result.lines[1]
    assert all("age 1 h 00 min, stops in 23 h 00 min" in line for line in result.lines[1:4])
    assert SHAANXI.name_zh in result.out
    assert HEILONGJIANG.name_en in result.out


@pytest.mark.parametrize(
    ("hours", "states", "status"),
    [
        (0, ["fresh", "fresh", "fresh"], 0),
        (10, ["fresh"] * 3, 0),
        (11, ["update due"] * 3, 0),
        (22, ["update due"] * 3, 0),
        (24, ["STOPPED: UPDATE"] * 3, 3),
        (-7, ["CHECK THE CLOCK"] * 3, 3),
    ],
)
def test_lists_warns_early_and_fails_when_lists_stopped(
    tmp_path: Path, hours: int, states: list[str], status: int
) -> None:
    """C88: from 12 hours on an update is due, at 24 hours a list stops; scripts see the status."""
    command = venue(tmp_path, World())
    command.now = NOW + hours * HOUR_S
    result = command("lists", "--json")
    assert [json.loads(line)["state"] for line in result.lines] == states
    assert result.status == status


def test_lists_names_a_region_without_lists(tmp_path: Path) -> None:
    """A region that is trusted and whose lists never came is shown, not left out."""
    files = published(World())
    del files["status/230000.snapshot"]
    command = new(tmp_path)
    public = publish(tmp_path / "public", {**files, "roots.cbor": roots_of(World())})
    command("setup", "--roots", str(public / "roots.cbor"), "--source", str(public))
    result = command("lists")
    assert result.status == 3
    assert any(line.startswith("NONE HELD") and "230000" in line for line in result.lines)


@pytest.mark.parametrize("argv", [["--help"], ["-h"]])
def test_help_names_every_way_and_every_status(
    tmp_path: Path, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One screen says how to check, how to keep lists fresh, and what the status means."""
    assert new(tmp_path)(*argv).status == 0
    out = capsys.readouterr().out
    for word in (
        "'CE1:...'", "photo.png", "celadon-verify -", "update", "lists", "setup", "--json",
        "--profile", "0 admit", "10 do not admit", "20 check again", "30 not a code", "核验",
    ):  # fmt: skip
        assert word in out
    assert max(len(line) for line in out.splitlines()) <= 100
    assert len(out.splitlines()) <= 45


def test_no_arguments_shows_the_help_as_an_error(tmp_path: Path) -> None:
    """Nothing asked is nothing admitted: status 2, and how to ask."""
    result = new(tmp_path)()
    assert (result.status, result.out) == (2, "")
    assert "Check 核验" in result.err


@pytest.mark.parametrize(
    "argv",
    [
        ["check", "--profile", "police", CODE],
        ["--colour", CODE],
        ["setup"],
        ["lists", "extra"],
        ["update", "--profile", "venue"],
        ["--js", CODE],
    ],
)
def test_wrong_command_line_is_status_2_and_points_to_help(
    tmp_path: Path, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped option is never skipped, and one line says where help is."""
    assert new(tmp_path)(*argv).status == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "celadon-verify --help" in captured.err


@pytest.mark.parametrize("command_name", ["check", "update", "lists", "setup"])
def test_help_of_each_command_explains_each_option(
    tmp_path: Path, command_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`celadon-verify COMMAND --help` leaves no option without a word."""
    assert new(tmp_path)(command_name, "--help").status == 0
    out = capsys.readouterr().out
    assert "--lists FOLDER" in out
    assert "where the lists are kept" in out


def test_version_is_that_of_the_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a technician reads on the telephone is what is installed."""
    assert new(tmp_path)("--version").status == 0
    assert capsys.readouterr().out.startswith("celadon-verify 0.")


def test_wrong_setting_is_status_2(tmp_path: Path) -> None:
    """C124: a mistyped environment variable stops the command."""
    command = new(tmp_path)
    command.environ["CELADON_VERIFY_PROFILE"] = "polize"
    result = command(CODE)
    assert (result.status, result.out) == (2, "")
    assert "venue, hospital, checkpoint" in result.err
