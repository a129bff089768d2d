"""Ed25519 through libsodium: which keys may be trusted, and one way to verify. Pure."""

from typing import Final, NewType

from keys import sodium
from keys.errors import PublicKeyError, SignatureError

__all__ = [
    "PUBLIC_KEY_BYTES",
    "SIGNATURE_BYTES",
    "PublicKey",
    "parse_public_key",
    "verify",
    "verify_signed",
]

PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

#: 32 bytes that `parse_public_key` has seen.
PublicKey = NewType("PublicKey", bytes)


def parse_public_key(data: bytes) -> PublicKey:
    """Admit only canonical points of the main subgroup.

    A key of small or mixed order would let its owner make signatures on which two versions of
    libsodium disagree.

    Raises:
        PublicKeyError: Wrong length, not canonical, or not of the main subgroup.
    """
    if len(data) != PUBLIC_KEY_BYTES:
        raise PublicKeyError(f"a public key has 32 bytes, not {len(data)}")
    if not sodium.is_valid_point(data):
        raise PublicKeyError("not a point of the main subgroup")
    return PublicKey(data)


def verify(signature: bytes, message: bytes, public_key: PublicKey) -> None:
    """Raise unless *signature* over *message* is valid. Source: RFC 8032 §5.1.7.

    Never take a signature for a name: who owns the key can make a second one for the same
    message. Name the message by its hash instead.

    Raises:
        SignatureError: It is not valid, or has not 64 bytes.
    """
    # libsodium takes the two joined: a short signature would borrow the message's first bytes.
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(f"a signature has 64 bytes, not {len(signature)}")
    verify_signed(signature + message, public_key)


def verify_signed(signed: bytes, public_key: PublicKey) -> None:
    """The same for a signature with its message behind it, for callers who have them in one.

    Raises:
        SignatureError: The first 64 bytes are no valid signature over the others.
    """
    if not sodium.verifies(signed, public_key):
        raise SignatureError("the signature does not verify")
