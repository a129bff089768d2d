"""A key's record as it stands in a keystore file. Pure."""

from dataclasses import dataclass, field
from typing import Final

from keys import cbor
from keys.ed25519 import parse_public_key
from keys.errors import KeysError, KeystoreDamagedError
from keys.lifecycle import Environment, KeyInfo, KeyState, Moved, Purpose
from keys.signer import SEED_BYTES

__all__ = ["StoredKey", "decode_stored_key", "encode_stored_key"]

MAX_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A record, and where the private half is.

    Attributes:
        seed: None once the key is destroyed, and where a token holds it.
        token: Serial number of the token in which the key was made, also when it is destroyed.
    """

    info: KeyInfo
    seed: bytes | None = field(repr=False)
    token: str | None = None


def encode_stored_key(stored: StoredKey) -> bytes:
    """The content of a key's file, before it is sealed."""
    info = stored.info
    return cbor.encode(
        [
            info.public_key,
            info.purpose.value,
            info.environment.value,
            info.region,
            info.not_before,
            info.not_after,
            [[moved.state.value, moved.at] for moved in info.history],
            info.published_at,
            stored.seed if stored.token is None else stored.token,
        ]
    )


def decode_stored_key(content: bytes) -> StoredKey:
    """The record in an unsealed file, with its seed or its token.

    Raises:
        KeystoreDamagedError: Written by something else.
    """
    try:
        match cbor.decode(content, max_bytes=MAX_BYTES):
            case [
                bytes(public_key),
                str(purpose),
                str(environment),
                str(region),
                int(not_before),
                int(not_after),
                [_, *_] as history,
                None | int() as published_at,
                None | bytes() | str() as place,
            ] if not isinstance(place, bytes) or len(place) == SEED_BYTES:
                info = KeyInfo(
                    parse_public_key(public_key),
                    Purpose(purpose),
                    Environment(environment),
                    region,
                    not_before,
                    not_after,
                    tuple(_moved(entry) for entry in history),
                    published_at,
                )
                if isinstance(place, str):
                    return StoredKey(info, None, place)
                # A destroyed key has no seed, and every other has one.
                if (info.state is KeyState.DESTROYED) is not (place is None):
                    raise KeystoreDamagedError("a key's seed does not go with its state")
                return StoredKey(info, place)
            case _:
                raise KeystoreDamagedError("a key's record has another shape")
    except (KeysError, ValueError) as error:
        raise KeystoreDamagedError(f"a key's record cannot be read: {error}") from error


def _moved(entry: cbor.Value) -> Moved:
    match entry:
        case [str(state), int(at)]:
            return Moved(KeyState(state), at)
        case _:
            raise KeystoreDamagedError("a key's history has another shape")
