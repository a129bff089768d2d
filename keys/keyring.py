"""Where private halves are kept: one interface for the encrypted folder and for a token. Shell.

`Keystore` keeps seeds in its folder. A `TokenKeyring` keeps only the records there, sealed like
everything else, and the private halves in a PKCS#11 token. ADR 0007 says why.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from keys.cose import MessageSigner
from keys.ed25519 import PublicKey
from keys.errors import TokenMissingError
from keys.lifecycle import KeyInfo, KeyState, Purpose, new_key
from keys.recorded import RecordedSigner
from keys.store import Keystore

__all__ = ["Keyring", "KeysInside", "TokenKeyring", "TokenPlace", "open_token"]

_NO_BINDING: Final = "tokens need a package that is not installed: pip install 'celadon[hsm]'"


class Keyring(Protocol):
    """Keys with their records. Each method is described where `Keystore` has it."""

    def new(
        self, purpose: Purpose, region: str, not_before: int, not_after: int, *, now: int
    ) -> KeyInfo: ...
    def keys(self) -> tuple[KeyInfo, ...]: ...
    def held(self) -> tuple[KeyInfo, ...]: ...
    def info(self, kid: bytes) -> KeyInfo: ...
    def signer(
        self, kid: bytes, *, purpose: Purpose, region: str, clock: Callable[[], int]
    ) -> RecordedSigner: ...
    def move(self, kid: bytes, state: KeyState, now: int) -> KeyInfo: ...
    def published(self, kid: bytes, at: int) -> KeyInfo: ...
    def alone(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a token is found.

    Attributes:
        module: The PKCS#11 library of the token's maker.
        label: The token's own; only one token may have it.
        pin_file: A file that nobody else can read, with the PIN in its first line.
    """

    module: Path
    label: str
    pin_file: Path


class KeysInside(Protocol):
    """What a keyring needs of a token. `keys.token.Token` is the one there is."""

    @property
    def serial(self) -> str: ...
    def generate(self) -> PublicKey: ...
    def signer(self, public_key: PublicKey) -> MessageSigner: ...
    def destroy(self, public_key: PublicKey) -> None: ...


class TokenKeyring:
    """The keys of one token, with their records in a keystore. Other keys are not seen here."""

    __slots__ = ("_store", "_token")

    def __init__(self, store: Keystore, token: KeysInside) -> None:
        self._store = store
        self._token = token

    def new(
        self, purpose: Purpose, region: str, not_before: int, not_after: int, *, now: int
    ) -> KeyInfo:
        """Make a key inside the token; it signs nothing before it is moved to ACTIVE.

        A crash before its record is written leaves a key in the token that nothing uses.
        """
        public_key = self._token.generate()
        try:
            info = new_key(
                public_key,
                purpose=purpose,
                environment=self._store.environment,
                region=region,
                not_before=not_before,
                not_after=not_after,
                now=now,
            )
            self._store.add(info, token=self._token.serial)
        except Exception:
            self._token.destroy(public_key)
            raise
        return info

    def keys(self) -> tuple[KeyInfo, ...]:
        return self._store.keys_in(self._token.serial)

    def held(self) -> tuple[KeyInfo, ...]:
        return self.keys()

    def info(self, kid: bytes) -> KeyInfo:
        return self._store.info_in(kid, self._token.serial)

    def signer(
        self, kid: bytes, *, purpose: Purpose, region: str, clock: Callable[[], int]
    ) -> RecordedSigner:
        """As `Keystore.signer`; each of its signatures is made inside the token.

        Raises:
            TokenError: The token or the key in it is gone, or is not as recorded.
        """
        info = self.info(kid)
        info.require_signing(purpose, region, max(clock(), info.not_before))
        return RecordedSigner(
            self._token.signer(info.public_key),
            self._store.watch(kid),
            purpose=purpose,
            region=region,
            clock=clock,
            slow=True,
        )

    def move(self, kid: bytes, state: KeyState, now: int) -> KeyInfo:
        """As `Keystore.move`; a destroyed key is gone from the token on return."""
        self.info(kid)
        return self._store.move(
            kid, state, now, erase=lambda info: self._token.destroy(info.public_key)
        )

    def published(self, kid: bytes, at: int) -> KeyInfo:
        self.info(kid)
        return self._store.published(kid, at)

    def alone(self) -> AbstractContextManager[None]:
        return self._store.alone()


@contextmanager
def open_token(place: TokenPlace) -> Iterator[KeysInside]:
    """The token at *place*, for a `TokenKeyring`; logs out at the end.

    Raises:
        TokenError: No such token, or not with this PIN; or its Python package is missing.
        KeystoreError: The PIN's file is missing, or others can read it.
    """
    try:
        from keys.token import Token  # noqa: PLC0415 - the only module that needs the extra `hsm`
    except ImportError as error:
        raise TokenMissingError(_NO_BINDING) from error
    token = Token(place)
    try:
        yield token
    finally:
        token.close()
