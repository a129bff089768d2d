"""Sealed boxes for an Ed25519 key: whoever has the public key seals, one key opens. Pure.

libsodium's `crypto_box_seal` over the key converted to X25519. The sender stays unnamed, and a box
says nothing of its content but the length; whoever has to know the sender puts a signature inside.
Each box has an ephemeral key of its own, drawn inside libsodium.
"""

from typing import Final

from nacl import bindings
from nacl.exceptions import CryptoError

from keys.ed25519 import PublicKey, parse_public_key
from keys.errors import BoxError
from keys.kid import kid

__all__ = ["OVERHEAD_BYTES", "BoxOpener", "seal_for"]

OVERHEAD_BYTES: Final[int] = bindings.crypto_box_SEALBYTES


def seal_for(public_key: PublicKey, data: bytes) -> bytes:
    """A box around *data*, 48 bytes longer."""
    # An admitted key is of the main subgroup, so its conversion is never of low order.
    converted = bindings.crypto_sign_ed25519_pk_to_curve25519(public_key)
    sealed: bytes = bindings.crypto_box_seal(data, converted)
    return sealed


class BoxOpener:
    """Opens with the key of one seed. Never shows the seed."""

    __slots__ = ("_public", "_secret", "kid", "public_key")

    def __init__(self, seed: bytes) -> None:
        public_key, secret_key = bindings.crypto_sign_seed_keypair(seed)
        self.public_key: PublicKey = parse_public_key(public_key)
        self.kid: bytes = kid(public_key)
        self._public = bindings.crypto_sign_ed25519_pk_to_curve25519(public_key)
        self._secret = bindings.crypto_sign_ed25519_sk_to_curve25519(secret_key)

    def open(self, sealed: bytes) -> bytes:
        """What is in the box.

        Raises:
            BoxError: For another key, changed, or no box.
        """
        if len(sealed) < OVERHEAD_BYTES:
            raise BoxError(f"a box of {len(sealed)} bytes")
        try:
            opened: bytes = bindings.crypto_box_seal_open(sealed, self._public, self._secret)
        except CryptoError as error:
            raise BoxError("a box does not open") from error
        return opened

    def __repr__(self) -> str:
        return f"BoxOpener(kid={self.kid.hex()})"
