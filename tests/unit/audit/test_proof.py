"""Proofs as texts: every vector file, and the round trip."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import CheckpointError, ProofError
from audit.tlog.note import parse_vkey
from audit.tlog.proof import Proof, encode_proof, parse_proof, verify_proof
from tests.vectors.cases import FOLDER, case_folders, expected
from tests.vectors.ours import answer

GOOD = FOLDER / "log-proof" / "good"


@pytest.mark.parametrize("case", case_folders("log-proof"), ids=lambda case: case.name)
def test_verify_proof_case_has_the_answer_that_it_states(case: Path) -> None:
    """C92: each proof in tests/vectors/log-proof is accepted or refused as it says."""
    assert answer(case) == expected(case)


def test_verify_proof_every_changed_byte_is_refused() -> None:
    """No byte of a proof can be changed, except in what it says beside the point."""
    entry, key = (GOOD / "entry").read_bytes(), parse_vkey((GOOD / "vkey").read_text())
    data = (GOOD / "proof.tlog-proof").read_bytes()
    timestamp_line = data.rindex(b"\n\xe2\x80\x94")
    for at in range(timestamp_line):
        changed = data[:at] + bytes((data[at] ^ 0x01,)) + data[at + 1 :]
        with pytest.raises((ProofError, CheckpointError)):
            verify_proof(parse_proof(changed), entry, key)


@given(
    st.integers(0, 2**62),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.binary(max_size=200),
    st.none() | st.binary(max_size=200),
)
def test_proof_text_round_trips(
    index: int, hashes: list[bytes], checkpoint: bytes, extra: bytes | None
) -> None:
    """encode and parse are a pair."""
    proof = Proof(index, tuple(hashes), checkpoint, extra)
    assert parse_proof(encode_proof(proof)) == proof


def test_parse_proof_too_long_is_refused_unread() -> None:
    """A proof has at most a million bytes."""
    with pytest.raises(ProofError, match="1000001 bytes"):
        parse_proof(bytes(1_000_001))
