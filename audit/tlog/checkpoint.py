"""Checkpoints (c2sp.org/tlog-checkpoint): the signed head of a log. Pure.

    origin LF tree_size LF base64(root_hash) LF ... LF signature lines

A log signs its checkpoint twice with its one key: type 0x01 for every reader, and type 0x04 with
the time, so that the time cannot be changed behind the log's back and readers see how old it is.
"""

import base64
import re
from dataclasses import dataclass
from typing import Final

from audit.errors import CheckpointError, NoteError
from audit.tlog.merkle import HASH_BYTES
from audit.tlog.note import (
    KeyType,
    NoteKey,
    cosign_line,
    parse_note,
    sign_line,
    verify_note,
)
from keys.cose import MessageSigner

__all__ = [
    "Checkpoint", "SignedCheckpoint", "encode_checkpoint", "parse_checkpoint", "sign_checkpoint",
    "verify_checkpoint",
]  # fmt: skip

MAX_SIZE: Final = 2**63 - 1
_MIN_LINES: Final = 3
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head. `extension` holds further lines, which nobody vouches for."""

    origin: str
    tree_size: int
    root_hash: bytes
    extension: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose signature was verified, with its time where the log gave one."""

    checkpoint: Checkpoint
    time: int | None


def encode_checkpoint(checkpoint: Checkpoint) -> str:
    """The note's text."""
    root = base64.b64encode(checkpoint.root_hash).decode()
    lines = (checkpoint.origin, str(checkpoint.tree_size), root, *checkpoint.extension)
    return "".join(f"{line}\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint of a note's text. Verifies no signature.

    Raises:
        CheckpointError: Not three lines, an empty origin, a size with a leading zero or beyond
            2**63 - 1, a root that is not 32 bytes, or an empty line.
    """
    lines = text.split("\n")
    if lines.pop() != "" or len(lines) < _MIN_LINES or not all(lines):
        raise CheckpointError("not three or more lines, each ended and none empty")
    origin, size, root, *extension = lines
    if not _SIZE.fullmatch(size) or int(size) > MAX_SIZE:
        raise CheckpointError("the tree size is not a plain number below 2**63")
    try:
        root_hash = base64.b64decode(root.encode(), validate=True)
    except ValueError as error:
        raise CheckpointError("the root hash is not base64") from error
    if len(root_hash) != HASH_BYTES or base64.b64encode(root_hash).decode() != root:
        raise CheckpointError("the root hash is not 32 bytes in plain base64")
    return Checkpoint(origin, int(size), root_hash, tuple(extension))


def sign_checkpoint(checkpoint: Checkpoint, signer: MessageSigner, *, now: int) -> bytes:
    """The signed note: signature, then timestamp.

    Does not check that the tree extends what was signed before: that is the log's duty.
    """
    text = encode_checkpoint(checkpoint)
    plain = NoteKey(checkpoint.origin, signer.public_key)
    timed = NoteKey(checkpoint.origin, signer.public_key, KeyType.COSIGNATURE)
    lines = sign_line(text, plain, signer) + cosign_line(text, timed, signer, now=now)
    return f"{text}\n{lines}".encode()


def verify_checkpoint(
    data: bytes, key: NoteKey, *, timestamp: NoteKey | None = None
) -> SignedCheckpoint:
    """The checkpoint of the log that signs with *key*.

    Does not check that it extends an earlier one.

    Args:
        data: The signed note.
        key: The log's key; its name is the origin.
        timestamp: The log's cosignature key, where the time must be there and be right.

    Raises:
        CheckpointError: Another origin, a bad signature, no timestamp, or not a checkpoint.
    """
    try:
        note = parse_note(data)
        signed = verify_note(note, [key] if timestamp is None else [key, timestamp])
    except NoteError as error:
        raise CheckpointError(str(error)) from error
    times = {item.key: item.time for item in signed}
    if key not in times or (timestamp is not None and timestamp not in times):
        raise CheckpointError("the log has not signed, or has not said when")
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != key.name:
        raise CheckpointError("a checkpoint of another log")
    return SignedCheckpoint(checkpoint, None if timestamp is None else times[timestamp])
