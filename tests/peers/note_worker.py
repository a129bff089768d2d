"""Sigstore's reader of checkpoints and inclusion proofs, answering over pipes in .venv-peers.

One JSON object a line in, one out. The signature itself is checked by the library `cryptography`.
"""

import base64
import json
import sys
from types import SimpleNamespace
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import SignedCheckpoint, verify_checkpoint
from sigstore.errors import VerificationError


class Keyring:
    """One log's key, as its verifier key text gives it."""

    def __init__(self, vkey: str) -> None:
        _, key_id, key = vkey.split("+", 2)
        self.key_id = bytes.fromhex(key_id)
        self._key = Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:])

    def verify(self, *, key_id: bytes, signature: bytes, data: bytes) -> None:
        if key_id != self.key_id:
            raise VerificationError("unknown key")
        try:
            self._key.verify(signature, data)
        except InvalidSignature as error:
            raise VerificationError("bad signature") from error


def read(request: dict[str, Any]) -> dict[str, object]:
    """Verify a checkpoint, and one entry under it."""
    keyring = Keyring(request["vkey"])
    proof = SimpleNamespace(
        checkpoint=SimpleNamespace(envelope=request["checkpoint"]),
        log_index=request["leaf_index"],
        tree_size=request["tree_size"],
        hashes=[base64.b64decode(item) for item in request["proof"]],
        root_hash=base64.b64decode(request["root_hash"]),
    )
    inner = SimpleNamespace(
        inclusion_proof=proof,
        log_id=SimpleNamespace(key_id=keyring.key_id),
        canonicalized_body=base64.b64decode(request["entry"]),
    )
    try:
        verify_checkpoint(keyring, SimpleNamespace(_inner=inner))
        verify_merkle_inclusion(SimpleNamespace(_inner=inner))
    except VerificationError as error:
        return {"refused": str(error)}
    found = SignedCheckpoint.from_text(request["checkpoint"]).checkpoint
    return {"origin": found.origin, "tree_size": found.log_size, "root_hash": found.log_hash}


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(read(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
