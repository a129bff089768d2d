"""A signer over a seed in memory. The keystore opens to these; tests and benches make them."""

from typing import Final

from nacl import bindings

from keys.ed25519 import SIGNATURE_BYTES, PublicKey, parse_public_key
from keys.kid import kid

__all__ = ["SEED_BYTES", "SeedSigner"]

SEED_BYTES: Final = 32


class SeedSigner:
    """Signs with one Ed25519 seed. Never shows the seed."""

    __slots__ = ("_secret", "kid", "public_key")
    #: A seed in memory signs faster than anybody checks.
    slow: Final = False

    def __init__(self, seed: bytes) -> None:
        public_key, self._secret = bindings.crypto_sign_seed_keypair(seed)
        self.public_key: PublicKey = parse_public_key(public_key)
        self.kid: bytes = kid(public_key)

    def sign(self, message: bytes) -> bytes:
        """64 bytes, deterministic. Source: RFC 8032 §5.1.6."""
        signed: bytes = bindings.crypto_sign(message, self._secret)
        return signed[:SIGNATURE_BYTES]

    def may_sign(self, now: int) -> bool:  # noqa: ARG002 - as keys.recorded.KeySigner has it
        """A bare seed has no record that could forbid it."""
        return True

    def __repr__(self) -> str:
        return f"SeedSigner(kid={self.kid.hex()})"
