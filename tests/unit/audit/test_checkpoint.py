"""Checkpoints: every vector file, and every changed byte."""

from pathlib import Path
from typing import Any

import pytest

from audit.errors import CheckpointError
from audit.tlog.checkpoint import (
    Checkpoint,
    encode_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from audit.tlog.merkle import EMPTY_ROOT
from audit.tlog.note import KeyType, NoteKey, parse_vkey
from tests.log_support import NOW, ORIGIN, SIGNER
from tests.shared_vectors import read_json, vector_path
from tests.vectors import generate_log as generate
from tests.vectors.cases import case_folders, expected, files, found
from tests.vectors.ours import answer

KEY = NoteKey(ORIGIN, SIGNER.public_key)
TIMESTAMP = NoteKey(ORIGIN, SIGNER.public_key, KeyType.COSIGNATURE)
CHECKPOINT = Checkpoint(ORIGIN, 3, EMPTY_ROOT)


@pytest.mark.parametrize("case", case_folders("checkpoint"), ids=lambda case: case.name)
def test_verify_checkpoint_case_has_the_answer_that_it_states(case: Path) -> None:
    """C91: each checkpoint in tests/vectors/checkpoint is accepted or refused as it says."""
    assert answer(case) == expected(case)


@pytest.mark.parametrize("area", ["checkpoint", "log-proof"])
def test_cases_are_what_the_generator_writes(area: str) -> None:
    """The cases can be made again from fixed keys, byte for byte."""
    assert found(area) == files(generate.cases(area))


@pytest.mark.parametrize(
    "case", read_json("notes/checkpoint_parse.json")["cases"], ids=lambda case: case["name"]
)
def test_parse_checkpoint_published_case_is_refused(case: dict[str, Any]) -> None:
    """The invalid published cases are refused; the valid ones are, for their root of odd length."""
    with pytest.raises(CheckpointError, match="32 bytes" if case["valid"] else None):
        parse_checkpoint(case["text"])


@pytest.mark.parametrize("size", range(8))
def test_verify_checkpoint_published_log_verifies(size: int) -> None:
    """The checkpoints of a log that other software wrote verify, with the size they are named."""
    key = parse_vkey(vector_path("tlog/tessera-log/vkey.txt").read_text().strip())
    data = vector_path(f"tlog/tessera-log/checkpoint.{size}").read_bytes()
    assert verify_checkpoint(data, key).checkpoint.tree_size == size


def test_sign_checkpoint_verifies_with_its_time() -> None:
    """What the log signs, its key and its timestamp key verify."""
    data = sign_checkpoint(CHECKPOINT, SIGNER, now=NOW)
    assert verify_checkpoint(data, KEY).checkpoint == CHECKPOINT
    assert verify_checkpoint(data, KEY, timestamp=TIMESTAMP).time == NOW


def test_verify_checkpoint_every_changed_byte_is_refused() -> None:
    """No byte of a checkpoint with a timestamp can be changed, the time's own bytes included."""
    data = sign_checkpoint(CHECKPOINT, SIGNER, now=NOW)
    for at in range(len(data)):
        for flip in (0x01, 0x20, 0x80):
            changed = data[:at] + bytes((data[at] ^ flip,)) + data[at + 1 :]
            with pytest.raises(CheckpointError):
                verify_checkpoint(changed, KEY, timestamp=TIMESTAMP)


def test_verify_checkpoint_truncated_anywhere_is_refused() -> None:
    """C34: half a checkpoint is none."""
    data = sign_checkpoint(CHECKPOINT, SIGNER, now=NOW)
    for end in range(len(data)):
        with pytest.raises(CheckpointError):
            verify_checkpoint(data[:end], KEY, timestamp=TIMESTAMP)


def test_verify_checkpoint_without_timestamp_is_refused_where_the_time_matters() -> None:
    """Whoever asks for the time gets it signed or gets nothing."""
    text = encode_checkpoint(CHECKPOINT)
    with pytest.raises(CheckpointError, match="has not said when"):
        verify_checkpoint(generate_signed(text), KEY, timestamp=TIMESTAMP)


def test_checkpoint_text_round_trips_up_to_the_largest_size() -> None:
    """encode and parse are a pair, with and without extension lines."""
    for checkpoint in (
        CHECKPOINT,
        Checkpoint("a", 0, EMPTY_ROOT),
        Checkpoint("go.sum database tree", 2**63 - 1, EMPTY_ROOT, ("more", "and more")),
    ):
        assert parse_checkpoint(encode_checkpoint(checkpoint)) == checkpoint


def generate_signed(text: str) -> bytes:
    """*text* with the plain signature line alone."""
    lines = sign_checkpoint(parse_checkpoint(text), SIGNER, now=NOW).decode().split("\n")
    return "\n".join([*lines[:-2], ""]).encode()
