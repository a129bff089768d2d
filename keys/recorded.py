"""A signer that looks at its key's record before every signature. Shell: through what it is given.

Whoever marks a key as suspended, compromised or destroyed, in whatever process, stops every
signer of it that is open anywhere on this keystore: each signature is preceded by a look at the
record. A record that went on says no more to a signer opened before, even if the key is active
again: whoever has to write the move down first (the issuer does) opens the key anew.
"""

from collections.abc import Callable
from typing import Protocol

from keys.cose import MessageSigner
from keys.ed25519 import PublicKey
from keys.errors import KeyLifecycleError, KeyStateError, KeystoreError
from keys.lifecycle import KeyInfo, Purpose

__all__ = ["KeySigner", "RecordedSigner"]


class KeySigner(MessageSigner, Protocol):
    """A signer of which one can ask whether it would sign."""

    @property
    def slow(self) -> bool:
        """Whether a signature takes longer than a check of it, as in a token."""

    def may_sign(self, now: int) -> bool:
        """Whether it would sign at *now*, as far as is known now."""


class RecordedSigner:
    """Signs with one key, while its record lets it.

    Args:
        signer: Signs, whatever the record says.
        record: Gives the present record of the key.
        purpose: For which it signs here.
        region: For which it signs here.
        clock: The present second.

    Raises:
        KeyLifecycleError: On opening or signing: wrong purpose, region, state or time.
        KeystoreError: The record is gone or damaged.
    """

    __slots__ = ("_clock", "_purpose", "_record", "_region", "_signer", "info", "kid", "slow")

    def __init__(  # noqa: PLR0913 - one for everything that the record may forbid
        self,
        signer: MessageSigner,
        record: Callable[[], KeyInfo],
        *,
        purpose: Purpose,
        region: str,
        clock: Callable[[], int],
        slow: bool,
    ) -> None:
        self._signer = signer
        self._record = record
        self._purpose = purpose
        self._region = region
        self._clock = clock
        self.slow = slow
        self.info = record()
        self.kid = signer.kid
        # Before its window a key may be opened, so that it signs from the first second on.
        self._require(max(clock(), self.info.not_before))

    @property
    def public_key(self) -> PublicKey:
        return self._signer.public_key

    def may_sign(self, now: int) -> bool:
        try:
            self._require(now)
        except (KeyLifecycleError, KeystoreError):
            return False
        return True

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        self._require(self._clock())
        return self._signer.sign(message)

    def _require(self, now: int) -> None:
        info = self._record()
        info.require_signing(self._purpose, self._region, now)
        if info is not self.info and info.history != self.info.history:
            raise KeyStateError(f"key {self.kid.hex()} was moved since it was opened")

    def __repr__(self) -> str:
        return f"RecordedSigner(kid={self.kid.hex()})"
