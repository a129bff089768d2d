"""What can be wrong with bytes, keys and lists. Messages carry sizes, kids and reasons only."""


class KeysError(Exception):
    """Base of every error of this package."""


class CborError(KeysError):
    """Bytes are not the one deterministic CBOR encoding of an allowed value."""


class Sign1Error(KeysError):
    """Bytes are not a COSE_Sign1 of our profile."""


class SignatureError(KeysError):
    """A signature does not verify under the key."""


class PublicKeyError(KeysError):
    """32 bytes are not an Ed25519 key that may be trusted."""
