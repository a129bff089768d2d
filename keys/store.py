"""A folder of keys, encrypted at rest. Shell: files and randomness.

    master            opens with the passphrase (Argon2id, once per `open`), holds the master key
    <kid>.key         one key: its record and, until it is destroyed, its seed; of a key that a
                      token holds, the token's serial number in the seed's place
    <name>.secret     32 random bytes for the issuer's symmetric uses

Every byte of every file counts: a changed one is noticed when the folder is opened. What is not
noticed: a whole file put back from an older copy, or taken away. Nothing is cached but the
master key, and records until their files change: a key that another process marks as compromised
signs nothing here from then on.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from keys import files
from keys.errors import (
    KeystoreDamagedError,
    KeystoreExistsError,
    KeystoreMissingError,
    TokenMissingError,
)
from keys.lifecycle import Environment, KeyInfo, KeyState, Purpose, new_key
from keys.record import StoredKey, decode_stored_key, encode_stored_key
from keys.recorded import RecordedSigner
from keys.sealedbox import BoxOpener
from keys.sealing import (
    KEY_BYTES,
    MODERATE_MEM,
    MODERATE_OPS,
    Master,
    open_master,
    seal,
    seal_master,
    unseal,
)
from keys.signer import SEED_BYTES, SeedSigner

__all__ = ["Keystore"]

_MASTER: Final = "master"
#: States in which a receiving key opens.
_OPENING: Final = (KeyState.ACTIVE, KeyState.SUSPENDED, KeyState.DEACTIVATED)
_KEY: Final = re.compile(r"[0-9a-f]{8}\.key", re.ASCII)
_SECRET: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\.secret", re.ASCII)


class _Record(NamedTuple):
    """A key's record as it was read from a file with these marks. Never a seed."""

    marks: tuple[int, int, int]
    info: KeyInfo
    token: str | None


class Keystore:
    """An opened keystore. Make one with `create` or `open`."""

    __slots__ = ("_folder", "_master", "_randomness", "_seen")

    def __init__(
        self, folder: Path, master: Master, randomness: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._folder = folder
        self._master = master
        self._randomness = randomness
        self._seen: dict[str, _Record] = {}

    @classmethod
    def create(  # noqa: PLR0913 - two Argon2id limits, randomness and environment are separate
        cls,
        folder: Path,
        passphrase: str,
        *,
        environment: Environment = Environment.PRODUCTION,
        ops: int = MODERATE_OPS,
        mem: int = MODERATE_MEM,
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> "Keystore":
        """Make an empty keystore in *folder*, which must be absent or empty.

        Raises:
            KeystoreExistsError: There is something in *folder*.
            KeystorePermissionError: Other users can look into *folder*.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.require_private_folder(folder)
        master = Master(randomness(KEY_BYTES), environment)
        sealed = seal_master(master, passphrase, ops=ops, mem=mem, randomness=randomness)
        store = cls(folder, master, randomness)
        with files.locked(folder):
            # Argon2id takes its time, and two may be making a keystore here.
            # What a crash of an earlier try left is nothing.
            if any(not path.name.startswith(files.TEMPORARY) for path in folder.iterdir()):
                raise KeystoreExistsError(f"{folder} is not empty")
            store._write(_MASTER, sealed)
        return store

    @classmethod
    def open(cls, folder: Path, passphrase: str) -> "Keystore":
        """Open the keystore in *folder* and check every file in it.

        Raises:
            KeystorePassphraseError: The passphrase is wrong.
            KeystoreError: Any other leaf names the file and what is wrong with it.
        """
        files.require_private_folder(folder)
        master = open_master(files.read_private(folder / _MASTER), passphrase)
        store = cls(folder, master)
        store._check_all()
        return store

    @property
    def environment(self) -> Environment:
        return self._master.environment

    def new(
        self, purpose: Purpose, region: str, not_before: int, not_after: int, *, now: int
    ) -> KeyInfo:
        """Make a key; it signs nothing before it is moved to ACTIVE."""
        seed = self._randomness(SEED_BYTES)
        info = new_key(
            SeedSigner(seed).public_key,
            purpose=purpose,
            environment=self.environment,
            region=region,
            not_before=not_before,
            not_after=not_after,
            now=now,
        )
        self._create(_key_file(info.kid), encode_stored_key(StoredKey(info, seed)))
        return info

    def add(self, info: KeyInfo, *, token: str) -> None:
        """Keep the record of a key that was made in the token of this serial number.

        Raises:
            KeystoreExistsError: There is a key of that kid.
        """
        self._create(_key_file(info.kid), encode_stored_key(StoredKey(info, None, token)))

    def keys(self) -> tuple[KeyInfo, ...]:
        """The record of every key, destroyed ones and those in tokens too, by their beginning."""
        return tuple(sorted((record.info for record in self._records()), key=_by_time))

    def held(self) -> tuple[KeyInfo, ...]:
        """The record of every key that is, or was, in this folder and in no token."""
        return self.keys_in(None)

    def keys_in(self, token: str | None) -> tuple[KeyInfo, ...]:
        """The record of every key that was made in the token of this serial number."""
        infos = (record.info for record in self._records() if record.token == token)
        return tuple(sorted(infos, key=_by_time))

    def info(self, kid: bytes) -> KeyInfo:
        """The record of one key.

        Raises:
            KeystoreMissingError: No such key.
        """
        return self._read_key(_key_file(kid)).info

    def info_in(self, kid: bytes, token: str) -> KeyInfo:
        """The record of one key that was made in the token of this serial number.

        Raises:
            KeystoreMissingError: No such key.
        """
        stored = self._read_key(_key_file(kid))
        if stored.token != token:
            raise KeystoreMissingError(f"key {kid.hex()} is not of the token {token}")
        return stored.info

    def watch(self, kid: bytes) -> Callable[[], KeyInfo]:
        """What gives the present record of one key, and opens its file only when that changed.

        A move puts a new file there while the old one is still open, so its inode is another one;
        nobody can set a file's time of change back.
        """
        path = os.path.join(self._folder, _key_file(kid))  # noqa: PTH118 - as `os.stat` wants it
        return lambda: self._record(path).info

    def signer(
        self, kid: bytes, *, purpose: Purpose, region: str, clock: Callable[[], int]
    ) -> RecordedSigner:
        """A signer that obeys the key's record, now and before each signature.

        It can be opened before the key's window begins, and signs from then on.

        Raises:
            KeyLifecycleError: Wrong purpose, region or state, or the window is over.
            KeystoreMissingError: No such key.
            TokenMissingError: A token holds it: ask its keyring.
        """
        stored = self._read_key(_key_file(kid))
        if stored.seed is None:
            stored.info.require_signing(purpose, region, max(clock(), stored.info.not_before))
            raise _in_token(stored)
        return RecordedSigner(
            SeedSigner(stored.seed),
            self.watch(kid),
            purpose=purpose,
            region=region,
            clock=clock,
            slow=False,
        )

    def openers(self) -> tuple[BoxOpener, ...]:
        """What opens boxes sealed for our receiving keys, the newest first.

        A key that is retired still opens what was on its way; a compromised or destroyed one
        opens nothing any more.
        """
        kids = [
            info.kid
            for info in reversed(self.keys())
            if info.purpose is Purpose.RECEIVING and info.state in _OPENING
        ]
        seeds = (self._read_key(_key_file(kid)).seed for kid in kids)
        return tuple(BoxOpener(seed) for seed in seeds if seed is not None)

    def move(
        self,
        kid: bytes,
        state: KeyState,
        now: int,
        *,
        erase: Callable[[KeyInfo], None] | None = None,
    ) -> KeyInfo:
        """Write the key's new state down. A destroyed key's private half is gone on return.

        Without its token, a key can still be stopped, but not destroyed.

        Args:
            kid: Of the key.
            state: The new one.
            now: UNIX seconds.
            erase: Destroys a key in the token that holds it, or does nothing if it is gone.

        Raises:
            KeyTransitionError: That move is not allowed.
            KeystoreMissingError: No such key.
            TokenMissingError: A token holds the key to be destroyed, and there is no *erase*.
        """
        name = _key_file(kid)
        destroyed = state is KeyState.DESTROYED
        with files.locked(self._folder):
            stored = self._read_key(name)
            info = stored.info.moved(state, now)
            if destroyed and stored.token is not None:
                # First the key, then its record: no record may say too early that it is gone.
                if erase is None:
                    raise _in_token(stored)
                erase(info)
            seed = None if destroyed else stored.seed
            self._seal(name, encode_stored_key(StoredKey(info, seed, stored.token)))
        return info

    def published(self, kid: bytes, at: int) -> KeyInfo:
        """Note that a trust list issued at this time names the key.

        Raises:
            KeystoreMissingError: No such key.
        """
        name = _key_file(kid)
        with files.locked(self._folder):
            stored = self._read_key(name)
            info = replace(stored.info, published_at=at)
            self._seal(name, encode_stored_key(replace(stored, info=info)))
        return info

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One process or thread at a time is in here; others wait. For what takes several steps."""
        with files.locked(self._folder / _MASTER):
            yield

    def new_secret(self, name: str) -> bytes:
        """Make the named secret and give its 32 bytes.

        Raises:
            KeystoreExistsError: There is one of that name.
        """
        secret = self._randomness(KEY_BYTES)
        self._create(_secret_file(name), secret)
        return secret

    def secret(self, name: str) -> bytes:
        """The 32 bytes of the named secret.

        Raises:
            KeystoreMissingError: No such secret.
        """
        return self._read(_secret_file(name))

    def _check_all(self) -> None:
        """Clear away what a crash left, and open every other file once."""
        with files.locked(self._folder):
            for path in sorted(self._folder.iterdir()):
                if path.name.startswith(files.TEMPORARY):
                    path.unlink()
                elif _KEY.fullmatch(path.name):
                    self._read_key(path.name)
                elif _SECRET.fullmatch(path.name):
                    self._read(path.name)
                elif path.name != _MASTER:
                    raise KeystoreDamagedError(f"{path.name} does not belong in a keystore")

    def _records(self) -> "list[_Record]":
        with os.scandir(self._folder) as entries:
            return [self._record(entry.path) for entry in entries if _KEY.fullmatch(entry.name)]

    def _record(self, path: str) -> "_Record":
        """What was read last, if the file is the same; else it is read."""
        name = path.rpartition("/")[2]
        try:
            status = os.stat(path)  # noqa: PTH116 - before every signature: a third of the price
        except OSError as error:
            raise KeystoreMissingError(f"{name} is not in the keystore") from error
        marks = status.st_ino, status.st_ctime_ns, status.st_size
        held = self._seen.get(name)
        if held is None or held.marks != marks:
            stored = self._read_key(name)
            held = self._seen[name] = _Record(marks, stored.info, stored.token)
        return held

    def _create(self, name: str, content: bytes) -> None:
        with files.locked(self._folder):
            if (self._folder / name).exists():
                raise KeystoreExistsError(f"{name} is in the keystore already")
            self._seal(name, content)

    def _seal(self, name: str, content: bytes) -> None:
        self._write(name, seal(self._master, name, content, self._randomness))

    def _write(self, name: str, data: bytes) -> None:
        files.write_private(self._folder / name, data, token=self._randomness(8).hex())

    def _read(self, name: str) -> bytes:
        return unseal(self._master, name, files.read_private(self._folder / name))

    def _read_key(self, name: str) -> StoredKey:
        return decode_stored_key(self._read(name))


def _key_file(kid: bytes) -> str:
    return f"{kid.hex()}.key"


def _secret_file(name: str) -> str:
    file_name = f"{name}.secret"
    if not _SECRET.fullmatch(file_name):
        raise ValueError("a secret's name is 1 to 64 of a-z, 0-9 and -")
    return file_name


def _in_token(stored: StoredKey) -> TokenMissingError:
    return TokenMissingError(f"key {stored.info.kid.hex()} is in the token {stored.token}")


def _by_time(info: KeyInfo) -> tuple[int, bytes]:
    return info.not_before, info.kid
