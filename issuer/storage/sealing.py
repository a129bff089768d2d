"""Keys per person, and what is sealed under them. Pure: nonces are passed in.

Everything is XChaCha20-Poly1305 with associated data, so a sealed value opens only in the row it
was made for. Destroying a person's wrapped key makes all of it unreadable for ever.
"""

import hashlib
from collections.abc import Iterable
from struct import Struct
from typing import Final

from nacl import bindings
from nacl.exceptions import CryptoError

from issuer.errors import SealError

__all__ = [
    "KEY_BYTES", "NONCE_BYTES", "SEALED_MORE_BYTES", "associated", "mac", "seal", "unseal",
    "unwrap", "wrap",
]  # fmt: skip

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 24
MAC_BYTES: Final = 16
#: What is sealed is so much longer than before.
SEALED_MORE_BYTES: Final = NONCE_BYTES + 16
_NUMBER: Final = Struct(">cq")
_LENGTH: Final = Struct(">cI")


def seal(data: bytes, *, key: bytes, context: bytes, nonce: bytes) -> bytes:
    """Nonce, ciphertext and tag: 40 bytes more than *data*.

    Args:
        data: What to seal.
        key: 32 bytes, a person's key.
        context: Says what this is and where it stands; the same is needed to unseal.
        nonce: 24 random bytes.
    """
    return nonce + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(data, context, nonce, key)


def unseal(sealed: bytes, *, key: bytes, context: bytes) -> bytes:
    """What was sealed.

    Raises:
        SealError: Another key, another context, or a changed byte.
    """
    try:
        opened: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed[NONCE_BYTES:], context, sealed[:NONCE_BYTES], key
        )
    except (CryptoError, ValueError) as error:
        raise SealError("a sealed value does not open") from error
    return opened


def wrap(key: bytes, *, kek: bytes, subject: bytes, created_at: int, nonce: bytes) -> bytes:
    """A person's key, sealed under the issuer's key: 72 bytes."""
    return seal(key, key=kek, context=_key_context(subject, created_at), nonce=nonce)


def unwrap(wrapped: bytes, *, kek: bytes, subject: bytes, created_at: int) -> bytes:
    """The person's key, 32 bytes.

    Raises:
        SealError: It was wrapped for another subject or under another key, or was destroyed.
    """
    return unseal(wrapped, key=kek, context=_key_context(subject, created_at))


def _key_context(subject: bytes, created_at: int) -> bytes:
    return b"celadon person key" + subject + created_at.to_bytes(8, "big")


def associated(label: str, values: Iterable[int | str | bytes | None]) -> bytes:
    """Bytes that name a row's other columns, one text for one row."""
    parts = [label.encode()]
    for value in values:
        if isinstance(value, bytes):
            parts += (_LENGTH.pack(b"b", len(value)), value)
        elif isinstance(value, int):
            parts.append(_NUMBER.pack(b"i", value))
        elif isinstance(value, str):
            encoded = value.encode()
            parts += (_LENGTH.pack(b"s", len(encoded)), encoded)
        elif value is None:
            parts.append(b"n")
    return b"".join(parts)


def mac(key: bytes, label: str, values: Iterable[int | str | bytes | None]) -> bytes:
    """16 bytes over one row. Who writes to the database without *key* (32 bytes) cannot make it."""
    return hashlib.blake2b(associated(label, values), key=key, digest_size=MAC_BYTES).digest()
