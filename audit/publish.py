"""What the public gets of the log: its newest checkpoint, its key, and a few proofs. Shell.

docs/spec/log.md gives the format of proofs.json, and how to verify it with SHA-256 and Ed25519
and nothing else. Entries are commitments; nothing here opens one.
"""

import base64
import json
from pathlib import Path
from typing import Any, Final

from audit.errors import CheckpointError, LogForkError
from audit.logreader import LogReader
from audit.tlog.checkpoint import verify_checkpoint
from keys.files import replace_public

__all__ = ["write_public"]

FORMAT: Final = "celadon-log-proofs-1"
_INCLUSIONS: Final = 8


def write_public(log: LogReader, folder: Path) -> None:
    """Write log/checkpoint, log/vkey and log/proofs.json below *folder*.

    Where an older checkpoint of this log was published there, one of the proofs shows that the
    new one extends it.

    Raises:
        EmptyLogError: Nothing was appended yet.
        LogForkError: What was published there is not a beginning of this log.
    """
    target = folder / "log"
    target.mkdir(parents=True, exist_ok=True)
    checkpoint = log.checkpoint()
    proofs = json.dumps(_proofs(log, checkpoint, _published_size(log, target)), indent=1)
    # The checkpoint comes last: whoever sees it finds the proofs that belong to it.
    replace_public(target / "vkey", f"{log.key.vkey()}\n".encode())
    replace_public(target / "proofs.json", f"{proofs}\n".encode())
    replace_public(target / "checkpoint", checkpoint)


def _proofs(log: LogReader, note: bytes, published: int) -> dict[str, Any]:
    head = verify_checkpoint(note, log.key).checkpoint
    size = head.tree_size
    chosen = sorted({*range(0, size, -(-size // _INCLUSIONS)), size - 1})
    older = sorted({published, 1, size // 2, size - 1} - {0, size})
    return {
        "format": FORMAT,
        "origin": head.origin,
        "tree_size": size,
        "root_hash": _base64(head.root_hash),
        "inclusion": [
            {
                "leaf_index": index,
                "entry": _base64(log.entry(index)),
                "proof": [_base64(item) for item in log.inclusion_hashes(index, size)],
            }
            for index in chosen
        ],
        "consistency": [
            {
                "tree_size": old,
                "root_hash": _base64(log.root(old)),
                "proof": [_base64(item) for item in log.consistency(old, size)],
            }
            for old in older
        ],
    }


def _published_size(log: LogReader, target: Path) -> int:
    """The size of the checkpoint that the public has; 0 where it has none of this log."""
    try:
        published = verify_checkpoint((target / "checkpoint").read_bytes(), log.key).checkpoint
    except (FileNotFoundError, CheckpointError):
        return 0
    size = published.tree_size
    if size > log.size() or log.root(size) != published.root_hash:
        raise LogForkError(f"the published checkpoint over {size} entries is not of this log")
    return size


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
