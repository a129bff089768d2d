"""The list of whom we erased, which outlives the databases."""

import stat
from pathlib import Path

import pytest

from issuer.errors import IntegrityError
from issuer.people.erasures import Erasures
from tests.issuing_support import SECRETS, subject


@pytest.fixture
def erasures(tmp_path: Path) -> Erasures:
    return Erasures.beside(tmp_path / "keystore", SECRETS.rows)


def test_erasures_remembers_whom_it_was_told(erasures: Erasures) -> None:
    """Each once, however often; and nobody else."""
    assert erasures.marks() == frozenset()
    for number in (0, 1, 0):
        erasures.note(subject(number))
    assert erasures.marks() == {erasures.mark(subject(0)), erasures.mark(subject(1))}


def test_erasures_file_is_private_and_names_nobody(erasures: Erasures, tmp_path: Path) -> None:
    """Without the keystore's secret a line fits no subject."""
    erasures.note(subject(0))
    path = tmp_path / "keystore.erased"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert subject(0).hex() not in path.read_text()
    other = Erasures(path, b"another secret".ljust(32))
    assert other.mark(subject(0)) not in other.marks()


@pytest.mark.parametrize("kept", range(34))
def test_erasures_a_torn_line_loses_nobody_else(
    erasures: Erasures, tmp_path: Path, kept: int
) -> None:
    """A crash while one is noted leaves those before and those after."""
    erasures.note(subject(0))
    path = tmp_path / "keystore.erased"
    before = path.read_bytes()
    erasures.note(subject(1))
    path.write_bytes(path.read_bytes()[: len(before) + kept])
    erasures.note(subject(2))
    assert {erasures.mark(subject(0)), erasures.mark(subject(2))} <= erasures.marks()


@pytest.mark.parametrize("text", ["x" * 32, "0" * 33, "G\n", "müll"])
def test_erasures_damaged_file_is_refused(erasures: Erasures, tmp_path: Path, text: str) -> None:
    """Nobody is taken for not erased because a line cannot be read."""
    (tmp_path / "keystore.erased").write_text(text)
    with pytest.raises(IntegrityError, match=r"keystore\.erased"):
        erasures.marks()
