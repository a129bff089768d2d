"""A proof that one entry is in a log, as a text that stands alone (c2sp.org/tlog-proof). Pure.

c2sp.org/tlog-proof@v1
extra BASE64            what opens the entry, where there is any
index N
BASE64 ...              inclusion proof, from the leaf up
                        (an empty line)
the signed checkpoint
"""

import base64
import re
from dataclasses import dataclass
from typing import Final

from audit.errors import ProofError
from audit.tlog.checkpoint import SignedCheckpoint, verify_checkpoint
from audit.tlog.merkle import HASH_BYTES, MAX_PROOF_HASHES, leaf_hash, verify_inclusion
from audit.tlog.note import NoteKey

__all__ = ["Proof", "encode_proof", "parse_proof", "verify_proof"]

_HEADER: Final = "c2sp.org/tlog-proof@v1"
_MAX_BYTES: Final = 1_000_000
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof as parsed. Says nothing before `verify_proof`."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None


def encode_proof(proof: Proof) -> bytes:
    """The text form."""
    lines = [_HEADER]
    if proof.extra is not None:
        lines.append(f"extra {_base64(proof.extra)}")
    lines += [f"index {proof.index}", *map(_base64, proof.hashes), "", ""]
    return "\n".join(lines).encode() + proof.checkpoint


def parse_proof(data: bytes) -> Proof:
    """The parts of a proof's text. Verifies nothing.

    Raises:
        ProofError: Not that text, more than 63 hashes, or a hash that is not 32 bytes.
    """
    if len(data) > _MAX_BYTES:
        raise ProofError(f"a proof of {len(data)} bytes, at most {_MAX_BYTES} are allowed")
    head, blank, checkpoint = data.partition(b"\n\n")
    try:
        header, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise ProofError("the proof's lines are not ASCII") from error
    if header != _HEADER or not blank:
        raise ProofError("not a tlog-proof@v1")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = _from_base64(lines.pop(0).removeprefix("extra "))
    match = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if match is None:
        raise ProofError("the proof names no index")
    hashes = tuple(map(_from_base64, lines))
    if len(hashes) > MAX_PROOF_HASHES:
        raise ProofError(f"{len(hashes)} hashes, at most {MAX_PROOF_HASHES} are allowed")
    if any(len(item) != HASH_BYTES for item in hashes):
        raise ProofError("a hash has 32 bytes")
    return Proof(int(match[1]), hashes, checkpoint, extra)


def verify_proof(proof: Proof, entry: bytes, key: NoteKey) -> SignedCheckpoint:
    """The checkpoint under which *entry* is in the log that signs with *key*.

    Args:
        proof: As parsed.
        entry: What was logged; in Celadon's log the 32 bytes of a commitment.
        key: The log's key.

    Raises:
        CheckpointError: The checkpoint is not that log's.
        ProofError: The entry is not there.
    """
    signed = verify_checkpoint(proof.checkpoint, key)
    head = signed.checkpoint
    verify_inclusion(leaf_hash(entry), proof.index, head.tree_size, proof.hashes, head.root_hash)
    return signed


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ProofError("not base64") from error
    if _base64(data) != text:
        raise ProofError("not the one base64 text of its bytes")
    return data
