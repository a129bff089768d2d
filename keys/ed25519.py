"""Ed25519 through libsodium: which keys may be trusted, and one way to verify. Pure."""

from typing import Final, NewType

from nacl import bindings
from nacl.exceptions import BadSignatureError, CryptoError

from keys.errors import PublicKeyError, SignatureError

__all__ = ["PUBLIC_KEY_BYTES", "SIGNATURE_BYTES", "PublicKey", "parse_public_key", "verify"]

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
    if not bindings.crypto_core_ed25519_is_valid_point(data):
        raise PublicKeyError("not a point of the main subgroup")
    return PublicKey(data)


def verify(signature: bytes, message: bytes, public_key: PublicKey) -> None:
    """Raise unless *signature* (64 bytes) over *message* is valid. Source: RFC 8032 §5.1.7.

    Raises:
        SignatureError: It is not.
    """
    try:
        bindings.crypto_sign_open(signature + message, public_key)
    except (BadSignatureError, CryptoError) as error:
        raise SignatureError("the signature does not verify") from error
