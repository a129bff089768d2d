"""The lists that a venue holds: taken only if they may follow those held, lost by no crash. Shell.

    roots.cbor  sources.txt                          given at set-up; roots follow the trust list
    trust-list.cbor
    status/<list number>.cwt  status/<region>.delta
    seen.cbor            the newest time of any list; time and digest of each region's snapshot

All of it changes in one step (`verifier.folder`). `verifier.update` decides what may change.
Here the lists are read for a check: one status list, and the delta over it, is opened when a code
needs it and not before.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from keys import cbor
from keys.errors import CborError, TrustListError
from keys.trustlist import MAX_BYTES, Roots, TrustList, decode_roots, recall_trust_list
from verifier.errors import CacheError, StatusListError
from verifier.folder import NOT_SET_UP, Folder, Generation, damaged
from verifier.statusdelta import MAX_DELTA_BYTES, StatusDelta, apply_delta, recall_delta
from verifier.statuslist import MAX_TOKEN_BYTES, StatusList, recall_status_list

__all__ = [
    "MAX_SMALL_BYTES", "ROOTS", "SEEN", "SOURCES", "TRUST_LIST", "Cache", "Seen", "Statuses",
    "delta_name", "encode_seen", "read_status", "status_name",
]  # fmt: skip

ROOTS: Final = "roots.cbor"
SOURCES: Final = "sources.txt"
TRUST_LIST: Final = "trust-list.cbor"
SEEN: Final = "seen.cbor"
MAX_SMALL_BYTES: Final = 64 * 1024
_MAX_SEEN_BYTES: Final = MAX_BYTES  # it has an entry for each region of a trust list


def status_name(list_number: int) -> str:
    """Where a status list is, in a venue's folder as in the published one."""
    return f"status/{list_number}.cwt"


def delta_name(region: str) -> str:
    """Where a region's delta is, in a venue's folder as in the published one."""
    return f"status/{region}.delta"


def read_status(files: Generation, name: str, *, max_bytes: int) -> bytes | None:
    """A file below status/, or None; what the disk does not give is damaged, like no bytes."""
    try:
        return files.read(name, max_bytes=max_bytes)
    except CacheError:
        return b""


class Seen(NamedTuple):
    """What this venue has seen and must not forget.

    Attributes:
        newest: UNIX seconds of the latest signature; this machine's clock cannot be earlier.
        confirmed: When a snapshot last named the trust list held as the one in force; 0: never.
        snapshots: Region to time and SHA-256 of the snapshot that its lists were taken by.
    """

    newest: int
    confirmed: int
    snapshots: Mapping[str, tuple[int, bytes]]


class Statuses(Mapping[int, StatusList]):
    """The status lists of the folder, each read and verified when it is first asked for.

    A damaged one is as good as absent, and so is one without the delta that it was taken with:
    the code is then undecided, never admitted.
    """

    def __init__(self, files: Generation, trust: TrustList) -> None:
        self._files = files
        self._trust = trust
        self._opened: dict[int, StatusList] = {}
        self._deltas: dict[str, StatusDelta] = {}
        self.damaged: set[int] = set()

    def __getitem__(self, list_number: int) -> StatusList:
        opened = self._opened.get(list_number)
        if opened is None:
            opened = self._opened[list_number] = self._open(list_number)
        return opened

    def __iter__(self) -> Iterator[int]:
        return iter(_list_numbers(self._files))

    def __len__(self) -> int:
        return len(_list_numbers(self._files))

    def opened(self) -> tuple[StatusList, ...]:
        """Those that were needed so far."""
        return tuple(self._opened.values())

    def _open(self, list_number: int) -> StatusList:
        data = read_status(self._files, status_name(list_number), max_bytes=MAX_TOKEN_BYTES)
        if data is None:
            raise KeyError(list_number)
        try:
            status_list = recall_status_list(data, self._trust)
            if status_list.list_number == list_number:
                return apply_delta(status_list, self._delta(status_list.region))
        except StatusListError:
            pass
        self.damaged.add(list_number)
        raise KeyError(list_number)

    def _delta(self, region: str) -> StatusDelta:
        delta = self._deltas.get(region)
        if delta is None:
            data = read_status(self._files, delta_name(region), max_bytes=MAX_DELTA_BYTES) or b""
            delta = self._deltas[region] = recall_delta(data, self._trust)
        return delta


class Cache:
    """A venue's folder as it is at one moment, whatever is updated meanwhile.

    Raises:
        CacheError: The folder is missing or cannot be used.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.stamp = Folder(path).stamp()
        self.files = Folder(path).current()

    def roots(self) -> Roots:
        """The roots trusted now.

        Raises:
            CacheError: The folder was not set up, or is damaged.
        """
        data = self.files.read(ROOTS, max_bytes=MAX_SMALL_BYTES)
        if data is None:
            raise CacheError(f"{self.path}: {NOT_SET_UP}")
        try:
            return decode_roots(data)
        except TrustListError as error:
            raise damaged(self.path, ROOTS) from error

    def trust(self) -> TrustList | None:
        """The trust list held, however old, or None before the first.

        Raises:
            CacheError: It is damaged.
        """
        roots = self.roots()
        data = self.files.read(TRUST_LIST, max_bytes=MAX_BYTES)
        if data is None:
            self._require_both_missing(TRUST_LIST, SEEN)
            return None
        try:
            return recall_trust_list(data, roots)
        except TrustListError as error:
            raise damaged(self.path, TRUST_LIST) from error

    def seen(self) -> Seen:
        """What must not be forgotten.

        Raises:
            CacheError: It is damaged. Without it an older list could pass for a new one.
        """
        data = self.files.read(SEEN, max_bytes=_MAX_SEEN_BYTES)
        if data is None:
            self._require_both_missing(SEEN, TRUST_LIST)
            return Seen(0, 0, {})
        try:
            return _decode_seen(data)
        except CborError as error:
            raise damaged(self.path, SEEN) from error

    def _require_both_missing(self, name: str, other: str) -> None:
        """The first update brings both. Where one is there, the other one was lost."""
        if self.files.read(other, max_bytes=MAX_BYTES) is not None:
            raise damaged(self.path, name)

    def list_numbers(self) -> list[int]:
        """The status lists held, in order."""
        return _list_numbers(self.files)

    def delta_regions(self) -> list[str]:
        """The regions of which a delta is held."""
        names = self.files.names("status")
        return [name.removesuffix(".delta") for name in names if name.endswith(".delta")]

    def sources(self) -> tuple[str, ...]:
        """Where to update from: as given at set-up, the first is asked first."""
        data = self.files.read(SOURCES, max_bytes=MAX_SMALL_BYTES) or b""
        return tuple(data.decode("utf-8", "replace").splitlines())


def _list_numbers(files: Generation) -> list[int]:
    stems = (name.removesuffix(".cwt") for name in files.names("status"))
    return sorted(int(stem) for stem in stems if stem.isdecimal())  # not what a desktop left


def encode_seen(seen: Seen) -> bytes:
    """The file that `Cache.seen` reads."""
    snapshots = {region: list(seen.snapshots[region]) for region in seen.snapshots}
    return cbor.encode([seen.newest, seen.confirmed, snapshots])


def _decode_seen(data: bytes) -> Seen:
    match cbor.decode(data, max_bytes=_MAX_SEEN_BYTES):
        case [int(newest), int(confirmed), dict(snapshots)]:
            return Seen(newest, confirmed, dict(_snapshot(item) for item in snapshots.items()))
        case _:
            raise CborError("not what was seen")


def _snapshot(item: tuple[int | str, cbor.Value]) -> tuple[str, tuple[int, bytes]]:
    match item:
        case str(region), [int(issued_at), bytes(digest)]:
            return region, (issued_at, digest)
        case _:
            raise CborError("not a snapshot's time and digest")
