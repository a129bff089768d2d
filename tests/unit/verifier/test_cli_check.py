"""`celadon-verify` on codes and scanner lines: verdicts, exit status, and nothing else."""

import io
import json
import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.code_support import (
    HEILONGJIANG,
    NOW,
    SHAANXI,
    YANAN,
    World,
    paper_code,
    phone_code,
    presentation,
)
from tests.venue_support import Run, publish, published, signed, venue
from verifier import check as check_module
from verifier import door as door_module
from verifier import repeats as repeats_module
from verifier import verdicts
from verifier.check import HOSPITAL, VENUE
from verifier.claims import HOUR_S, Claims, Colour, Cti, sign_code
from verifier.door import scanned_lines
from verifier.folder import Folder
from verifier.sources import FolderSource
from verifier.statuslist import Status
from verifier.transport import encode_text
from verifier.update import update

GREEN = encode_text(paper_code())
YELLOW = encode_text(paper_code(colour=Colour.YELLOW))
RED = encode_text(paper_code(colour=Colour.RED))
SHOWN = presentation(phone_code())
EXPIRED = encode_text(
    sign_code(Claims(NOW // HOUR_S * HOUR_S, Cti(1, 1), Colour.GREEN), SHAANXI.code_signer)
)
FORGED = encode_text(paper_code()[:-1] + bytes((paper_code()[-1] ^ 1,)))
UNKNOWN = encode_text(
    sign_code(
        Claims(NOW // HOUR_S * HOUR_S + HOUR_S, Cti(1, 1), Colour.GREEN), SHAANXI.status_signer
    )
)


@pytest.fixture
def command(tmp_path: Path) -> Run:
    world = (
        World()
        .with_status(SHAANXI, 1, 100, Status.WITHDRAWN)
        .with_status(SHAANXI, 1, 101, Status.SUPERSEDED)
    )
    return venue(tmp_path, world)


def code(index: int) -> str:
    return encode_text(paper_code(cti=Cti(1, index)))


VERDICTS = {
    "green": (GREEN, 0, "√ 可以通行 ADMIT"),
    "phone": (SHOWN, 0, "√ 可以通行 ADMIT"),
    "other province": (encode_text(paper_code(HEILONGJIANG)), 0, "√ 可以通行 ADMIT"),
    "red": (RED, 10, "\u00d7 不予通行 DO NOT ADMIT"),
    "withdrawn": (code(100), 10, "\u00d7 不予通行 DO NOT ADMIT"),
    "forged": (FORGED, 10, "\u00d7 不予通行 DO NOT ADMIT"),
    "status key": (UNKNOWN, 10, "\u00d7 不予通行 DO NOT ADMIT"),
    "superseded": (code(101), 20, "? 请再核验 CHECK AGAIN"),
    "expired": (EXPIRED, 20, "? 请再核验 CHECK AGAIN"),
    "link": ("https://example.com", 30, "! 不是健康码 NOT A CODE"),
    "nothing": ("", 30, "! 不是健康码 NOT A CODE"),
    "snapshot": (
        encode_text(published(World())["status/610000.snapshot"]), 30, "! 不是健康码 NOT A CODE",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VERDICTS)
@pytest.mark.parametrize("way", ["argument", "check", "stdin"])
def test_check_prints_one_line_and_exits_by_kind(command: Run, name: str, way: str) -> None:
    """Each kind has its line and its status, whichever way the code arrives."""
    text, status, head = VERDICTS[name]
    if way == "stdin":
        result = command("-", stdin=text.encode() + b"\r\n")
    else:
        result = command(*(["check"] if way == "check" else []), text)
    assert (result.status, len(result.lines), result.err) == (status, 1, "")
    assert result.out.startswith(head + "  ")


def test_venue_cannot_tell_yellow_from_red_from_withdrawn(command: Run) -> None:
    """B1: what an ordinary venue reads is the same for every person it does not admit."""
    lines = {command(text).out for text in (YELLOW, RED, code(100))}
    assert len(lines) == 1
    objects = [json.loads(command("--json", text).out) for text in (YELLOW, RED)]
    assert objects[0] == objects[1]


@pytest.mark.parametrize("profile", ["venue", "hospital", "checkpoint"])
@pytest.mark.parametrize("colour", Colour)
def test_json_holds_what_the_profile_shows_and_no_more(
    command: Run, profile: str, colour: Colour
) -> None:
    """An object has exactly its documented members; a colour only where the profile shows it."""
    text = encode_text(paper_code(colour=colour, cti=Cti(1, 77_777)))
    result = command("check", "--json", "--profile", profile, text)
    line = json.loads(result.out)
    shown = {"colour"} if profile != "venue" else set()
    assert set(line) == {"kind", "reason", "zh", "en", "ages_s"} | shown
    assert line["ages_s"] == {"trust_list": HOUR_S, "status_list": HOUR_S}
    assert line.get("colour", colour.name.lower()) == colour.name.lower()
    assert "77777" not in result.out
    assert text not in result.out


def test_hospital_never_denies_and_says_that_care_comes_first(command: Run) -> None:
    """N5: at a hospital no code is a refusal, and a colour is not a diagnosis."""
    for text in (RED, code(100), FORGED, EXPIRED, "https://example.com"):
        result = command("check", "--profile", "hospital", text)
        assert result.status in (0, 20, 30)
        assert "not a diagnosis" in result.out or "Care comes first" in result.out
    assert "DO NOT ADMIT" not in command("check", "--profile", "hospital", code(100)).out


def test_checkpoint_says_that_red_is_not_a_diagnosis(command: Run) -> None:
    """Where a colour is shown to be acted upon, it says what it is not."""
    out = command("check", "--profile", "checkpoint", RED).out
    assert "红码" in out
    assert "健康码颜色不是诊断结论" in out
    assert "not a diagnosis" not in command("check", "--profile", "checkpoint", GREEN).out


def test_profile_from_the_environment_is_used(tmp_path: Path) -> None:
    """A desk is set up once; its staff type no options."""
    command = venue(tmp_path, World())
    command.environ["CELADON_VERIFY_PROFILE"] = "checkpoint"
    assert "Green." in command(GREEN).out


# --- a handheld scanner -------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_scanner_line_ends_belong_to_the_scanner(command: Run, end: bytes) -> None:
    """Whichever way a scanner ends its lines, each code is one verdict."""
    result = command("-", stdin=end.join([GREEN.encode(), RED.encode(), SHOWN.encode(), b""]))
    assert [line[0] for line in result.lines] == ["√", "\u00d7", "√"]
    assert result.status == 10


AROUND = (b" ", b"\t", b"\0", b"\v", b"\f", b"\x1c", b"\xc2\x85", b"\xe2\x80\xa8")


@pytest.mark.parametrize("extra", AROUND)
@pytest.mark.parametrize("before", [True, False])
def test_scanner_line_with_anything_else_around_is_not_trimmed(
    command: Run,
    extra: bytes,
    before: bool,  # noqa: FBT001 - a case
) -> None:
    """C6, C13: only CR and LF are the scanner's; one code has one text."""
    line = extra + GREEN.encode() if before else GREEN.encode() + extra
    result = command("-", stdin=line + b"\r\n")
    assert (result.status, len(result.lines)) == (30, 1)


def test_scanner_line_garbled_by_an_input_method_says_which_key_to_press(command: Run) -> None:
    """C8: full-width characters, GBK bytes and the wrong case are refused with the remedy."""
    for line in (
        GREEN.replace("CE1:", "CE1：").encode(),
        GREEN.translate({c: c + 0xFEE0 for c in range(0x21, 0x7F)}).encode(),
        "健康码".encode("gbk"),
    ):
        result = command("-", stdin=line + b"\r")
        assert result.status == 30
        assert "switch the keyboard to english" in result.out.lower()
    assert "Caps Lock" in command("-", stdin=GREEN.swapcase().encode() + b"\n").out


@pytest.mark.parametrize("line", ["]Q1{}", "]C1\x1d{}", "\x02{}\x03", "{}\t", "A{}"])
def test_scanner_that_adds_something_says_what_to_switch_off(command: Run, line: str) -> None:
    """An identifier of the symbology, a GS1 separator or a tab makes no code of any of them."""
    result = command("-", stdin=line.format(GREEN).encode() + b"\r\n")
    assert result.status == 30
    assert "switch its prefix and suffix off" in result.out


def test_scanner_blank_line_is_not_a_code(command: Run) -> None:
    """C1: a line each way: the person at the keyboard sees that something arrived."""
    assert [line[0] for line in command("-", stdin=b"\n\n").lines] == ["!", "!"]


def test_scanner_without_any_line_admits_nobody(command: Run) -> None:
    """A script that asks the exit status does not open the door for a scanner that is unplugged."""
    result = command("-", stdin=b"")
    assert (result.status, result.out) == (20, "")
    assert "nothing was checked" in result.err
    assert command("check").status == 20


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 10_000])
def test_scanned_lines_do_not_depend_on_how_bytes_arrive(chunk: int) -> None:
    """Bytes may come one by one or all at once: CR LF is one end either way."""

    class Slow(io.BytesIO):
        def read1(self, _: int | None = -1, /) -> bytes:
            return self.read(chunk)

    data = b"a\r\nb\rc\n\r\n\rd\n\ne"
    assert list(scanned_lines(Slow(data))) == ["a", "b", "c", "", "", "d", "", "e"]


def test_scanned_lines_of_any_length_take_bounded_memory() -> None:
    """C9, C77: a flood without line ends is one line that is no code, in a few kilobytes."""

    class Flood:
        def __init__(self) -> None:
            self.left = 2_000

        def read1(self, size: int, /) -> bytes:
            self.left -= 1
            return b"C" * size if self.left > 0 else b"\nCE1:\n"[: 6 * (self.left == 0)]

    tracemalloc.start()
    lines = list(scanned_lines(Flood()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(line) for line in lines] == [1024, 4]
    assert peak < 2_000_000


def test_scanner_of_a_thousand_lines_answers_each(command: Run) -> None:
    """A queue at the door is answered line by line, in order."""
    lines = [GREEN, RED, "x"] * 334
    result = command("-", stdin="\r\n".join(lines).encode())
    expected = {GREEN: "√", RED: "\u00d7", "x": "!"}
    assert [line[0] for line in result.lines] == [expected[line] for line in lines]


def test_scanner_of_noise_gets_one_refusal_a_line(command: Run) -> None:
    """Whatever bytes arrive, each line is one verdict, none of them an admission or an error."""
    chance = random.Random(45)  # noqa: S311 - noise, not secrets
    good = GREEN.encode()
    for _ in range(200):
        noise = bytearray(chance.choice((good, chance.randbytes(chance.randrange(400)))))
        for _ in range(chance.randrange(1, 4)):
            noise.insert(
                chance.randrange(len(noise) + 1), chance.choice(b"CE1:\0\xff\xef\xbc \t%*")
            )
        line = bytes(noise).translate(None, b"\r\n")
        result = command("-", stdin=line + b"\n")
        assert (result.status, len(result.lines), result.err) == (30, 1, "")


def test_scanner_at_work_uses_newer_lists_as_soon_as_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update by another process takes effect at the next scan."""
    command = venue(tmp_path, World())
    world = World().with_status(SHAANXI, 1, 4711, Status.WITHDRAWN)
    files = published(World(now=NOW + HOUR_S, trust=world.trust, statuses=world.statuses))
    source = FolderSource(str(publish(tmp_path / "newer", files)))
    command.now = NOW + HOUR_S

    def lines(_: object) -> Iterator[str]:
        yield GREEN
        assert update(str(command.folder), [source], now=NOW + HOUR_S).problems == ()
        yield GREEN

    monkeypatch.setattr("verifier.cli.scanned_lines", lines)
    assert [line[0] for line in command("-").lines] == ["√", "\u00d7"]


def test_scanner_whose_folder_vanishes_hands_over_to_people(
    command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists that become unreadable while scanning are "check again", never the last verdict."""

    def lines(_: object) -> Iterator[str]:
        yield GREEN
        (command.folder / "current").write_bytes(b"broken")
        yield GREEN

    monkeypatch.setattr("verifier.cli.scanned_lines", lines)
    result = command("-")
    assert [line[0] for line in result.lines] == ["√", "?"]
    assert "Staff decide" in result.out


@pytest.mark.parametrize("name", ["roots.cbor", "trust-list.cbor", "seen.cbor"])
def test_scanner_with_a_damaged_update_stays_undecided(
    command: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The lists from before a change that cannot be read never decide again, scan after scan."""

    def lines(_: object) -> Iterator[str]:
        yield GREEN
        folder = Folder(str(command.folder))
        folder.change({name: b"damaged"}, dropped=frozenset())
        yield GREEN
        yield GREEN

    monkeypatch.setattr("verifier.cli.scanned_lines", lines)
    assert [line[0] for line in command("-").lines] == ["√", "?", "?"]


@pytest.mark.parametrize(
    "text", ["-h", "--version", "lists", "update", "-", "--", "--json", "x.png", __file__, "/"]
)
def test_argument_after_two_dashes_is_a_code_and_nothing_else(command: Run, text: str) -> None:
    """A stranger's QR code may say what is a command, a file or the scanner: it stays a text.

    Above all it takes no line from whatever the script that hands it on has as its own input.
    """
    result = command("check", "--json", "--", text, GREEN, stdin=f"{GREEN}\n".encode())
    assert result.status == 30
    assert [json.loads(line)["kind"] for line in result.lines] == ["not-a-code", "admit"]


# --- clocks, ages, errors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "reason"),
    [
        (-24 * 365 * 10, "clock"),
        (-2, "clock"),
        (0, "admitted"),
        (22, "admitted"),
        (24, "stale-trust"),
        (24 * 365 * 10, "stale-trust"),
    ],
)
def test_wrong_clock_never_admits_and_is_named(command: Run, hours: int, reason: str) -> None:
    """C64, D9: a clock ten years off either way is "check again" with what to set right."""
    command.now = NOW + hours * HOUR_S
    result = command("--json", GREEN)
    assert json.loads(result.out)["reason"] == reason
    assert result.status == (0 if reason == "admitted" else 20)


def test_old_lists_warn_from_12_hours_on(command: Run) -> None:
    """Staff hear that an update is due long before the lists stop counting."""
    command.now = NOW + 10 * HOUR_S
    assert command(GREEN).err == ""
    command.now = NOW + 11 * HOUR_S
    result = command("-", stdin=f"{GREEN}\n{GREEN}\n".encode())
    assert result.status == 0
    assert result.err.count("12 h old") == 1
    assert "12 小时" in result.err


def test_damaged_list_warns_and_does_not_admit(command: Run) -> None:
    """D12: a list that rotted on the disk is named."""
    for path in command.folder.glob("lists-*/status/1.cwt"):
        path.write_bytes(path.read_bytes()[:-1])
    result = command(GREEN)
    assert result.status == 20
    assert "名单 1 已损坏" in result.err


@pytest.mark.parametrize("name", ["1.cwt", "610000.delta"])
def test_list_that_the_disk_does_not_give_is_damaged_and_the_next_scan_works(
    command: Run, name: str
) -> None:
    """D12: a card with a bad block costs the codes of one list, not the scanner's day."""
    for path in command.folder.glob(f"lists-*/status/{name}"):
        path.unlink()
        path.mkdir()
    lines = [GREEN, encode_text(paper_code(HEILONGJIANG))]
    result = command("-", stdin="".join(f"{line}\n" for line in lines).encode())
    assert [line[0] for line in result.lines] == ["?", "√"]
    assert "名单 1 已损坏" in result.err


def test_bug_in_a_check_is_check_again_and_the_next_scan_works(
    command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not foreseen is "cannot check": no traceback, no admission, no end of work."""
    check = check_module.check

    def buggy(text: str, *args: object, **kwargs: object) -> object:
        if text == RED:
            raise ZeroDivisionError("secret 7")
        return check(text, *args, **kwargs)  # type: ignore[arg-type] # passed through

    monkeypatch.setattr(repeats_module, "check", buggy)
    result = command("-", stdin=f"{RED}\n{GREEN}\n".encode())
    assert [line[0] for line in result.lines] == ["?", "√"]
    assert "secret" not in result.out + result.err


def test_bug_before_any_check_is_status_3(command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outermost net says that it is this program's error, and does not say more."""

    def buggy(*_: object) -> None:
        raise ZeroDivisionError("secret 7")

    monkeypatch.setattr("verifier.cli.Door", buggy)
    result = command(GREEN)
    assert (result.status, result.out) == (3, "")
    assert "cannot check" in result.err
    assert "secret" not in result.err


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
def test_ctrl_c_and_a_closed_pipe_reach_main(
    command: Run, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """Neither is taken for a bug in a check."""

    def stopped(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("verifier.cli.as_line", stopped)
    with pytest.raises(error):
        command(GREEN)


def test_trial_time_is_said_loudly(command: Run) -> None:
    """--at is for trials: it checks as of then, and nobody can miss it."""
    command.now = 0
    result = command("--at", "2020-12-13T12:00+08:00", GREEN)
    assert result.status == 0
    assert "trial" in result.err


@pytest.mark.parametrize("time", ["2020-12-13", "2020-12-13T12:00", "noon", "1607832000", ""])
def test_trial_time_without_an_offset_is_a_usage_error(
    command: Run, time: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A time without its offset could be eight hours off, so it is not guessed."""
    assert command("--at", time, GREEN).status == 2
    assert "--at needs" in capsys.readouterr().err


# --- how it looks -------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "painted"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_colour_is_used_on_a_terminal_that_has_it(
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    painted: bool,  # noqa: FBT001
) -> None:
    """Colour only where it shows as colour, and never to a file or another program."""
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert verdicts.can_paint(Terminal()) is painted
    assert not verdicts.can_paint(io.StringIO())


def test_painted_line_has_the_same_words(command: Run) -> None:
    """Colour adds nothing that the words do not say."""
    door = door_module.Door(str(command.folder), VENUE, lambda: NOW)
    verdict = door.check_text(RED)
    plain = verdicts.as_line(verdict, HOSPITAL, photo=None, paint=False)
    painted = verdicts.as_line(verdict, HOSPITAL, photo=None, paint=True)
    head, tail = plain.split("  ", 1)
    assert head in painted
    assert painted.endswith(tail)
    assert "\x1b" not in plain


def test_future_trust_list_version_is_not_needed_to_check(tmp_path: Path) -> None:
    """A venue without a new trust list goes on with the one held until it is 24 hours old."""
    command = venue(tmp_path, World())
    public = publish(tmp_path / "broken", {"trust-list.cbor": signed(World().trust)[:-5]})
    assert command("update", str(public)).status == 3
    assert command(GREEN).status == 0


def test_code_of_a_city_that_ended_names_whose_to_get(tmp_path: Path) -> None:
    """N6: Yan'an's old code is not turned away: it says that Shaanxi's counts now."""
    world = World()
    issuers = (*world.trust.issuers, YANAN.listed())
    command = venue(
        tmp_path, replace(world, trust=replace(world.trust, issuers=issuers)), strict=False
    )
    old = encode_text(paper_code(YANAN))
    said = command(old)
    assert said.out == (
        "? 请再核验 CHECK AGAIN  "
        "该地健康码已停用。请改用新启用的健康码，或到人工通道办理。请申领陕西健康码。 "
        "This city's code has ended. Ask for a code of its successor, or use the staffed desk. "
        "Get a code of Shaanxi.\n"
    )
    assert command(GREEN).lines[0].startswith("√")
    door = door_module.Door(str(command.folder), VENUE, lambda: NOW)
    told = json.loads(command("check", "--json", old).out)
    assert (told["kind"], told["reason"], told["successor"]) == (
        "check-again",
        "issuer-ended",
        "610000",
    )
    assert "successor" not in json.loads(command("check", "--json", GREEN).out)
    assert door.check_text(old).hint == ("请申领陕西健康码。", "Get a code of Shaanxi.")
