"""kill -9 while issuing: a few kills in every test run; `make kill` does a thousand."""

import subprocess
import sys

import pytest


def kill_tests(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.kill", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_issuing_killed_at_random_moments_keeps_its_promises() -> None:
    """Nothing acknowledged is lost, no code is without a log entry, no position comes twice."""
    done = kill_tests("--kills", "15", "--seed", "2020")
    assert done.returncode == 0, done.stderr
    assert " 0 failures" in done.stdout


@pytest.mark.parametrize("flag", ["--acknowledge-early"])
def test_kill_harness_finds_an_issuer_that_acknowledges_too_early(flag: str) -> None:
    """The harness can fail: an answer before both commits does not survive it."""
    done = kill_tests("--kills", "10", flag)
    assert done.returncode == 1
    assert "not in the log" in done.stderr
