"""Putting a trust list in place: where everybody reads it, and where an issuer does. Shell.

A list takes its place only where a verifier that holds what stands there would take it, and then
durably and as a whole. Two that publish at once take turns, folder by folder.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from keys.errors import SourceFileError, TrustListError
from keys.files import locked, replace_public
from keys.trustenvelope import parse_envelope
from keys.trustlist import (
    MAX_BYTES,
    Roots,
    TrustList,
    decode_roots,
    decode_trust_list,
    encode_roots,
    verify_trust_list,
)
from keys.trustupdate import accept_trust_list

__all__ = [
    "ROOTS_FILE", "TRUST_LIST_FILE", "Place", "held_list", "newer_trust_list", "put_trust_list",
    "said_of", "unverified",
]  # fmt: skip

ROOTS_FILE: Final = "roots.cbor"
TRUST_LIST_FILE: Final = "trust-list.cbor"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder for the list.

    Attributes:
        keeps_roots: Whether its reader has the roots there too, as an issuer has: then those are
            the ones that it trusts.
    """

    folder: Path
    keeps_roots: bool

    @property
    def list_file(self) -> Path:
        return self.folder / TRUST_LIST_FILE

    @property
    def roots_file(self) -> Path:
        return self.folder / ROOTS_FILE

    def accept(self, data: bytes, roots: Roots, now: int) -> TrustList:
        """The list in *data*, if it may take the place of the one that stands here."""
        found = _read(self.roots_file) if self.keeps_roots else None
        if found is not None:
            roots = said_of(self.roots_file, lambda: decode_roots(found))
        return accept_trust_list(self._held(roots), data, roots=roots, now=now)

    def _held(self, roots: Roots) -> TrustList | None:
        """What stands here, or None."""
        data = _read(self.list_file)
        return None if data is None else said_of(self.list_file, lambda: held_list(data, roots))

    def put(self, data: bytes, trust: TrustList) -> None:
        # The list first: a crash between the two leaves old roots beside a list that they signed.
        replace_public(self.list_file, data)
        if self.keeps_roots:
            replace_public(self.roots_file, encode_roots(trust.roots))


def put_trust_list(data: bytes, places: Sequence[Place], *, roots: Roots, now: int) -> TrustList:
    """Put *data* into all of *places*, in this order, or into none of them.

    Everybody's place comes first: verifiers should know keys before an issuer signs with them. A
    crash between two places is mended by doing it again.

    Args:
        data: A whole list.
        places: Whose readers get it.
        roots: What readers trust that have no roots of their own.
        now: UNIX seconds.

    Raises:
        TrustListError: The reader of one of these places would not take it.
        SourceFileError: What stands there is not a list, or no roots.
        OSError: A folder cannot be read or written.
    """
    if not places:
        raise ValueError("a list needs a place")
    with ExitStack() as stack:
        for place in places:
            stack.enter_context(locked(place.folder))
        for place in places:
            trust = place.accept(data, roots, now)
        for place in places:
            place.put(data, trust)
    return trust


def held_list(data: bytes, roots: Roots) -> TrustList:
    """The list in *data*, to be followed by another under these roots, or under its own.

    One that is older than the roots cannot be verified by them, and decides nothing about roots.

    Raises:
        TrustListError: The roots, or those that they let follow, did not sign it.
    """
    held = unverified(data)
    return held if held.roots.epoch < roots.epoch else verify_trust_list(data, roots)


def newer_trust_list(data: bytes, published: Path) -> bytes:
    """*data*, or what is published already where that is the later list of the two.

    For an issuer that runs on while its list's keepers publish: what it read when it started must
    not take the place of what they put there since. Verifies no signature.
    """
    try:
        there = _read(published)
        if there is not None and _rank(there) > _rank(data):
            return there
    except TrustListError:  # nothing that could be newer
        pass
    return data


def _rank(data: bytes) -> tuple[int, int]:
    trust = unverified(data)
    return trust.roots.epoch, trust.version


def unverified(data: bytes) -> TrustList:
    """What a signed list says, whoever signed it."""
    return decode_trust_list(parse_envelope(data).payload)


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None


def said_of(path: Path, read: Callable[[], T]) -> T:
    """What *read* gives.

    Raises:
        SourceFileError: What is wrong with the file, and which it is.
    """
    try:
        return read()
    except TrustListError as error:
        raise SourceFileError(f"{path}: {error}") from error
