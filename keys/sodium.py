"""The three calls of libsodium that a check needs, as PyNaCl's own modules make them. Pure.

`nacl.bindings` is the public way to them. It loads fifteen modules more, a seventh of a cold start
at a door, and copies each message that it verified, a fortieth of a check. `nacl._sodium` beneath
it is private to PyNaCl: ADR 0016. Whatever else we need of libsodium goes the public way.
"""

from typing import Final

from nacl._sodium import ffi, lib  # type: ignore[import-not-found]

__all__ = ["is_valid_point", "sha256", "verifies"]

_SHA256_BYTES: Final = 32

# Chooses the code for this processor. A minimal build of libsodium cannot tell a key's subgroup.
if lib.sodium_init() < 0 or not lib.PYNACL_HAS_CRYPTO_CORE_ED25519:
    raise ImportError("this libsodium does not start, or is a minimal build")


def verifies(signed: bytes, public_key: bytes) -> bool:
    """Whether the first 64 bytes are an Ed25519 signature over the others.

    libsodium reads 32 bytes of *public_key*, however many there are: never call it with fewer.
    """
    # Nowhere to write the message to: the caller has it.
    rc: int = lib.crypto_sign_open(ffi.NULL, ffi.NULL, signed, len(signed), public_key)
    return rc == 0


def is_valid_point(point: bytes) -> bool:
    """Whether 32 bytes are a canonical point of Ed25519's main subgroup, not of small order."""
    rc: int = lib.crypto_core_ed25519_is_valid_point(point)
    return rc == 1


def sha256(data: bytes) -> bytes:
    """32 bytes. `hashlib` would load OpenSSL for it."""
    digest = ffi.new("unsigned char[]", _SHA256_BYTES)
    lib.crypto_hash_sha256(digest, data, len(data))
    return bytes(ffi.buffer(digest))
