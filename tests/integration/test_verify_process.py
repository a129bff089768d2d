"""`celadon-verify` as a process: signals, pipes, consoles, and a kill at any moment (C81, D1)."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.code_support import SHAANXI, World, paper_code
from tests.venue_support import Run, publish, published, venue
from verifier.cache import Cache
from verifier.claims import HOUR_S, Cti
from verifier.statuslist import Status
from verifier.transport import encode_text

COMMAND = (sys.executable, "-m", "verifier")


def environ(command: Run, **more: str) -> dict[str, str]:
    return {**os.environ, "CELADON_VERIFY_LISTS": str(command.folder), **more}


@pytest.fixture
def now() -> int:
    return int(time.time())


@pytest.fixture
def command(tmp_path: Path, now: int) -> Run:
    return venue(tmp_path, World.at(now))


@pytest.fixture
def code(now: int) -> str:
    return encode_text(paper_code(now=now))


def test_process_checks_a_code_and_exits_by_kind(command: Run, code: str) -> None:
    """The whole program, as a script calls it."""
    for text, status in ((code, 0), (code[:-1], 30)):
        done = subprocess.run(
            [*COMMAND, text], env=environ(command), capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (status, b"")
        assert len(done.stdout.decode().splitlines()) == 1


def test_process_answers_a_scanner_line_by_line(command: Run, code: str) -> None:
    """A verdict is out before the next code is scanned, also into a pipe."""
    with subprocess.Popen(
        [*COMMAND, "-"], env=environ(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("no pipes")
        for _ in range(3):
            process.stdin.write(code.encode() + b"\r")
            process.stdin.flush()
            assert process.stdout.readline().decode().startswith("√")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_process_stopped_by_ctrl_c_prints_no_traceback(command: Run) -> None:
    """Ctrl-C is how a shift ends."""
    with subprocess.Popen(
        [*COMMAND, "-"],
        env=environ(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise AssertionError("no pipes")
        process.stdin.write(b"x\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b""
        assert process.wait(10) == 130


def test_process_whose_reader_has_gone_ends_quietly(command: Run, code: str) -> None:
    """`celadon-verify - | head -1` ends without a traceback, and not as an admission."""
    script = f"{sys.executable} -m verifier - | head -n 1; echo ${{PIPESTATUS[0]}}"
    lines = "".join(f"{code}\n" for _ in range(5000))
    done = subprocess.run(
        ["bash", "-c", script],
        env=environ(command),
        input=lines.encode(),
        capture_output=True,
        check=True,
    )
    verdict, status = done.stdout.decode().splitlines()
    assert verdict.startswith("√")
    assert status == "141"
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("redirection", "status"),
    [(">/dev/full", 3), (">&-", 0), ("2>&-", 0), ("<&-", 0), (">&- <&-", 0)],
)
def test_process_with_a_closed_or_full_stream_prints_no_traceback(
    command: Run, code: str, redirection: str, status: int
) -> None:
    """A verdict that cannot be written is not given; a stream that is closed is nobody's error."""
    script = f'{sys.executable} -m verifier "$1" {redirection}'
    done = subprocess.run(
        ["bash", "-c", script, "-", code], env=environ(command), capture_output=True, check=False
    )
    assert done.returncode == status
    assert b"Traceback" not in done.stderr
    assert b"Error" not in done.stderr


@pytest.mark.parametrize("encoding", ["gbk", "latin-1", "ascii", "utf-8"])
def test_process_on_an_old_console_still_gives_its_verdict(
    command: Run, code: str, encoding: str
) -> None:
    """A console that lacks a character shows a question mark in its place, and the words."""
    for text, words in ((code, b" ADMIT"), (code[:-1], b" NOT A CODE")):
        done = subprocess.run(
            [*COMMAND, text],
            env=environ(command, PYTHONIOENCODING=encoding),
            capture_output=True,
            check=False,
        )
        assert words in done.stdout
        assert done.stderr == b""


def test_process_with_bytes_that_are_no_text_as_argument_is_not_a_code(command: Run) -> None:
    """A byte that is not UTF-8 on the command line is refused like any other."""
    done = subprocess.run(
        [*COMMAND, b"CE1:\xff\xfe"], env=environ(command), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (30, b"")


def test_update_killed_at_any_moment_leaves_old_or_new(
    tmp_path: Path, command: Run, now: int
) -> None:
    """C81: kill -9 during an update, again and again: the lists stay whole and usable."""
    chance = random.Random(81)  # noqa: S311 - moments, not secrets
    text = encode_text(paper_code(now=now, cti=Cti(1, 0)))
    start = time.monotonic()
    subprocess.run([*COMMAND, "update"], env=environ(command), capture_output=True, check=True)
    usual_s = time.monotonic() - start
    killed, versions = 0, set()
    world = replace(World.at(now), now=now - HOUR_S)
    for step in range(1, 31):
        world = replace(
            world.with_status(SHAANXI, 1, step, Status.WITHDRAWN),
            now=now + step,
            trust=replace(world.trust, version=7 + step, issued_at=world.trust.issued_at + 1),
        )
        public = publish(tmp_path / f"public-{step}", published(world))
        process = subprocess.Popen(
            [*COMMAND, "update", str(public)],
            env=environ(command),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(usual_s * chance.uniform(0.2, 1.5))
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        process.wait()
        command.now = now + step
        assert command(text).status == 0
        trust = Cache(str(command.folder)).trust()
        versions.add(0 if trust is None else trust.version)
        taken = [
            command(encode_text(paper_code(now=now, cti=Cti(1, i)))).status
            for i in range(1, step + 1)
        ]
        assert sorted(taken, reverse=True) == taken
    assert killed
    assert len(versions) > 1
