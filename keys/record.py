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
    """A record and its seed; None once the key is destroyed."""

    info: KeyInfo
    seed: bytes | None = field(repr=False)


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
            stored.seed,
        ]
    )


def decode_stored_key(content: bytes) -> StoredKey:
    """The record and seed in an unsealed file.

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
                None | bytes() as seed,
            ] if seed is None or len(seed) == SEED_BYTES:
                info = KeyInfo(
                    parse_public_key(public_key),
                    Purpose(purpose),
                    Environment(environment),
                    region,
                    not_before,
                    not_after,
                    tuple(_moved(entry) for entry in history),
                )
                # A destroyed key has no seed, and every other has one.
                if (info.state is KeyState.DESTROYED) is not (seed is None):
                    raise KeystoreDamagedError("a key's seed does not go with its state")
                return StoredKey(info, seed)
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
