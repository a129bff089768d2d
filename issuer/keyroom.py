"""The issuer's keys and trust list, renewed while it runs: none of them needs a restart. Shell.

A round looks for a newer trust list, learns from the log what a keystore out of an older copy has
forgotten, rotates the code keys, tells the log about every move of every key, and only then opens
signers. What a key signs in a state therefore comes after the entry about that state: a signer
obeys the record that it was opened with, and none other (`keys.recorded`).
The one exception is the checkpoint key, which has to sign the entry about itself.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import structlog

from audit.events import EVENT_ID_BYTES, Event, Kind
from issuer.errors import NotReadyError
from issuer.settings import Settings
from keys.cose import MessageSigner
from keys.errors import (
    KeyLifecycleError,
    KeyStateError,
    KeyTransitionError,
    TokenMissingError,
    TrustListError,
)
from keys.keyring import Keyring
from keys.lifecycle import KeyInfo, KeyState, Purpose
from keys.recorded import RecordedSigner
from keys.rotation import onto_the_list, rotate
from keys.store import Keystore
from keys.trustlist import ListedIssuer, TrustList, decode_roots
from keys.trustplace import ROOTS_FILE, TRUST_LIST_FILE
from keys.trustupdate import accept_trust_list

__all__ = [
    "Clock", "KeyRoom", "key_events", "newest_signer", "newest_signer_or_stopped", "own_issuer",
    "read_trust_list",
]  # fmt: skip

Clock: TypeAlias = Callable[[], int]

_LOG: Final = structlog.get_logger()
#: From so long before its day on it is urgent that a key comes on the trust list.
_URGENT_S: Final = 2 * 86_400


class KeyLog(Protocol):
    """What is needed of `audit.log.Log`."""

    def append(self, events: Iterable[Event], *, now: int) -> list[int]: ...
    def knows(self, event_ids: Iterable[bytes]) -> set[bytes]: ...
    def event(self, event_id: bytes) -> Event | None: ...


def key_events(info: KeyInfo) -> Iterator[Event]:
    """An event for every entry of a key's history. Its id follows from kid and place.

    So telling the log twice tells it once, whichever process does it and wherever one crashed.
    """
    states = [None, *(moved.state.value for moved in info.history)]
    for place, (before, after) in enumerate(pairwise(states)):
        yield Event(
            _event_id(info.kid, place),
            Kind.KEY_CHANGED,
            info.history[place].at,
            None,
            {"kid": info.kid, "purpose": info.purpose.value, "from": before, "to": after},
        )


def _event_id(kid: bytes, place: int) -> bytes:
    named = b"key changed" + kid + place.to_bytes(4, "big")
    return hashlib.sha256(named).digest()[:EVENT_ID_BYTES]


def newest_signer(ring: Keyring, purpose: Purpose, region: str, clock: Clock) -> RecordedSigner:
    """The newest key for this purpose that may sign now.

    Raises:
        NotReadyError: There is none.
    """
    now = clock()
    for info in reversed(ring.keys()):
        in_window = info.not_before <= now < info.not_after
        if info.purpose is purpose and info.state is KeyState.ACTIVE and in_window:
            return ring.signer(info.kid, purpose=purpose, region=region, clock=clock)
    raise NotReadyError(f"the keystore has no active {purpose} key: celadon keys new")


class _StoppedSigner:
    """In the place of a signer, where no key may sign: names the last one that did, and refuses.

    So that a key that was stopped keeps an issuer neither from running on nor from opening.
    """

    __slots__ = ("_info", "kid", "public_key")

    def __init__(self, info: KeyInfo) -> None:
        self._info = info
        self.kid = info.kid
        self.public_key = info.public_key

    def sign(self, message: bytes) -> bytes:  # noqa: ARG002 - none is signed
        """Refuses.

        Raises:
            KeyStateError: Always.
        """
        info = self._info
        raise KeyStateError(
            f"key {info.kid.hex()} is {info.state}, and no other {info.purpose} key may sign"
        )


def newest_signer_or_stopped(
    ring: Keyring, purpose: Purpose, region: str, clock: Clock
) -> MessageSigner:
    """As `newest_signer`; where none may sign, a stand-in for the last key that did.

    Raises:
        NotReadyError: None ever did.
    """
    try:
        return newest_signer(ring, purpose, region, clock)
    except NotReadyError:
        for info in reversed(ring.keys()):
            states = {moved.state for moved in info.history}
            if info.purpose is purpose and KeyState.ACTIVE in states:
                return _StoppedSigner(info)
        raise


def read_trust_list(folder: Path, *, now: int) -> tuple[bytes, TrustList]:
    """The list in CELADON_TRUST, as signed and as verified.

    Raises:
        NotReadyError: There is none.
        TrustListError: It is not one that these roots signed, or it ended.
    """
    try:
        return _accept(None, _list_files(folder), now)
    except TrustListError as error:
        raise type(error)(f"{folder}: {error}") from error


def own_issuer(trust: TrustList, region: str) -> ListedIssuer:
    """Ourselves, as the trust list has us.

    Raises:
        NotReadyError: It does not.
    """
    found = trust.issuer(region)
    if found is None:
        raise NotReadyError(f"the trust list does not name an issuer for {region}")
    return found


def _list_files(folder: Path) -> tuple[bytes, bytes]:
    """Roots and list."""
    try:
        return (folder / ROOTS_FILE).read_bytes(), (folder / TRUST_LIST_FILE).read_bytes()
    except FileNotFoundError as error:
        missing = str(error.filename).rpartition("/")[2]
        raise NotReadyError(
            f"CELADON_TRUST has no {missing}: ask the trust list's keepers"
        ) from error


def _accept(
    held: TrustList | None, files: tuple[bytes, bytes], now: int
) -> tuple[bytes, TrustList]:
    roots, data = files
    return data, accept_trust_list(held, data, roots=decode_roots(roots), now=now)


class KeyRoom:
    """Keys, trust list, and what may sign. Nothing may before the first `renew`.

    Args:
        settings: Of this process.
        keystore: All keys but those that sign codes, and all records.
        code_ring: The keys that sign codes.
        log: Is told about every move before a signer is opened.
        clock: The present second.

    Attributes:
        trust_list: The list in force, as signed.
        trust: The same.
        code_keys: In the order in which they are filled: what ends first comes first.

    Raises:
        NotReadyError: On making or renewing: something that an operator has to provide is missing.
        TrustListError: On making it: the list is not one that these roots signed, or it ended.
    """

    def __init__(
        self, settings: Settings, keystore: Keystore, code_ring: Keyring, log: KeyLog, clock: Clock
    ) -> None:
        self._settings = settings
        self._keystore = keystore
        self._ring = code_ring
        self._log = log
        self._clock = clock
        self._told: dict[bytes, int] = {}  # public key: entries of its history that are logged
        self.trust_list, self.trust = read_trust_list(settings.trust, now=clock())
        self.code_keys: tuple[RecordedSigner, ...] = ()
        self._signers: dict[Purpose, RecordedSigner] = {}

    @property
    def issuer(self) -> ListedIssuer:
        """Ourselves, as the trust list has us."""
        return own_issuer(self.trust, self._region)

    def renew(self) -> None:
        """One round.

        A trust list that may not take the place of the one held is refused, with a line in the log,
        and everything else goes on under the one held.

        Raises:
            KeysError, AuditError, OSError: Nothing is opened anew; what was open obeys its records.
        """
        self._take_newer_list()
        self._require_no_key_elsewhere()
        self._remember()
        rotate(
            self._ring, self.trust, region=self._region, supply=self._settings.supply,
            now=self._clock(),
        )  # fmt: skip
        self._tell(self._keystore.keys())
        opened = tuple(self._open(self._ring.held()))
        if _signing(opened) != _signing(self.code_keys):
            self.code_keys = opened

    def signer_for(self, purpose: Purpose) -> RecordedSigner:
        """The key for *purpose*, another one where the one before may sign no more.

        For purposes of which one key signs at a time. The log is told of it before it signs.
        """
        signer = self._signers.get(purpose)
        if signer is None or not signer.may_sign(self._clock()):
            signer = newest_signer(self._keystore, purpose, self._region, self._clock)
            self._tell([signer.info])
            self._signers[purpose] = signer
        return signer

    def late(self) -> tuple[KeyInfo, ...]:
        """Keys that the next trust list has to name soon, and the one held does not."""
        now = self._clock()
        return tuple(
            info
            for info in onto_the_list(self._ring.held(), self.trust, now)
            if info.purpose is Purpose.CODE and info.not_before - _URGENT_S <= now < info.not_after
        )

    @property
    def _region(self) -> str:
        return self._settings.region

    def _take_newer_list(self) -> None:
        try:
            files = _list_files(self._settings.trust)
            if files[1] != self.trust_list:
                self.trust_list, self.trust = _accept(self.trust, files, self._clock())
        except (TrustListError, NotReadyError, OSError) as error:
            _LOG.error("trust_list_refused", exc_info=error)

    def _require_no_key_elsewhere(self) -> None:
        """A token that was forgotten in the settings must not lead to new keys in the folder."""
        for info in set(self._ring.keys()) - set(self._ring.held()):
            if info.purpose is Purpose.CODE and info.state is KeyState.ACTIVE:
                raise NotReadyError(
                    f"key {info.kid.hex()} is in the token that CELADON_CODE_TOKEN should name"
                )

    def _remember(self) -> None:
        """Make the moves that the log knows of and the keystore does not: it is an older copy.

        Or a key that was stolen since that copy would sign again.
        """
        infos = self._keystore.keys()
        fresh = [info for info in infos if not self._is_told(info)]
        next_moves = {_event_id(info.kid, len(info.history)): info for info in fresh}
        for event_id in self._log.knows(next_moves):
            self._catch_up(next_moves[event_id])

    def _catch_up(self, info: KeyInfo) -> None:
        while event := self._log.event(_event_id(info.kid, len(info.history))):
            state = KeyState(str(event.details["to"]))
            try:
                info = self._keystore.move(info.kid, state, event.at)
            except (KeyTransitionError, TokenMissingError):
                return  # another process has moved it meanwhile; or its token forgot nothing
            _LOG.warning("key_move_forgotten", kid=info.kid.hex(), reason=state.value)

    def _tell(self, infos: Iterable[KeyInfo]) -> None:
        """Every move that the log does not have yet; durable on return."""
        fresh = [info for info in infos if not self._is_told(info)]
        events = [event for info in fresh for event in key_events(info)]
        known = self._log.knows(event.event_id for event in events)
        owed = [event for event in events if event.event_id not in known]
        if owed:
            self._log.append(owed, now=self._clock())
        self._told |= {info.public_key: len(info.history) for info in fresh}

    def _is_told(self, info: KeyInfo) -> bool:
        return self._told.get(info.public_key) == len(info.history)

    def _open(self, infos: Iterable[KeyInfo]) -> Iterator[RecordedSigner]:
        """Active keys of which the log knows, those of the next day too if they are active."""
        now = self._clock()
        active = [
            info
            for info in infos
            if info.purpose is Purpose.CODE
            and info.region == self._region
            and info.state is KeyState.ACTIVE
            and now < info.not_after
        ]
        for info in sorted(active, key=_by_end):
            try:
                signer = self._ring.signer(
                    info.kid, purpose=Purpose.CODE, region=self._region, clock=self._clock
                )
            except KeyLifecycleError:  # moved since the log was told: the next round
                continue
            if self._is_told(signer.info):
                yield signer


def _by_end(info: KeyInfo) -> tuple[int, bytes]:
    return info.not_after, info.kid


def _signing(signers: Iterable[RecordedSigner]) -> list[tuple[bytes, int]]:
    """What tells one set of open signers from another."""
    return [(signer.kid, len(signer.info.history)) for signer in signers]
