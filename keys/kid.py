"""Names of keys: the COSE Key Thumbprint (RFC 9679) and its first bytes. Pure."""

from typing import Final

from keys.sodium import sha256

__all__ = ["KID_BYTES", "cose_key", "kid", "thumbprint"]

KID_BYTES: Final = 4

# {1: 1 (kty OKP), -1: 6 (crv Ed25519), -2: 32 bytes (x)}, RFC 9053 §7.2. The required members
# in deterministic order are both the published COSE_Key and the thumbprint's input.
_PREFIX: Final = bytes.fromhex("a301012006215820")


def cose_key(public_key: bytes) -> bytes:
    """The public COSE_Key of 32 bytes Ed25519 public key. Source: RFC 9053 §7.2."""
    return _PREFIX + public_key


def thumbprint(public_key: bytes) -> bytes:
    """32 bytes, SHA-256 over the key's required members. Source: RFC 9679 §3."""
    return sha256(cose_key(public_key))


def kid(public_key: bytes) -> bytes:
    """4 bytes. Not unique by itself: a trust list is refused when two of its keys share one."""
    return thumbprint(public_key)[:KID_BYTES]
