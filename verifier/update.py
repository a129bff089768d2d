"""Taking newer lists into a venue's folder. Shell.

A region's lists are taken all together, as its signed snapshot names them, or not at all; one
region's trouble does not keep another's from being updated. A list that is held is brought up to
date by the region's delta; it is fetched only where that does not give what the snapshot names.
What may follow what is decided by `keys.trustupdate`, `verifier.statuslist` and
`verifier.statusdelta`. A code that a held list takes back can come back only with a list that is
refused here.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import combinations
from typing import Final, Generic, NamedTuple, TypeVar

from keys.errors import (
    TrustListClockError,
    TrustListEquivocationError,
    TrustListError,
    TrustListExpiredError,
)
from keys.trustlist import MAX_BYTES, ListedIssuer, TrustList, decode_roots, encode_roots
from keys.trustupdate import accept_trust_list, require_current
from verifier.cache import (
    MAX_SMALL_BYTES,
    ROOTS,
    SEEN,
    SOURCES,
    TRUST_LIST,
    Cache,
    Seen,
    delta_name,
    encode_seen,
    read_status,
    status_name,
)
from verifier.errors import (
    CacheError,
    SnapshotError,
    SourceError,
    SourceTooLargeError,
    StatusDeltaReachError,
    StatusListError,
    StatusListExpiredError,
    StatusListRollbackError,
    StatusListScopeError,
)
from verifier.folder import Folder
from verifier.sources import Source
from verifier.statusdelta import (
    MAX_DELTA_BYTES,
    StatusDelta,
    accept_delta,
    apply_delta,
    named_list,
    peek_delta,
)
from verifier.statuslist import (
    MAX_LIST_AGE_S,
    MAX_SNAPSHOT_BYTES,
    MAX_TOKEN_BYTES,
    Snapshot,
    StatusList,
    peek_status_list,
    recall_status_list,
    require_successor,
    verify_snapshot,
    verify_status_list,
)

__all__ = ["Problem", "Report", "set_up", "update"]

#: No code lives longer than 7 days, and a list is at most a day older than what was said of it
#: last: after that, one that its issuer dropped is not needed.
KEEP_DROPPED_S: Final = 7 * 24 * 3600 + MAX_LIST_AGE_S
#: What one region can make a venue fetch and hold in memory at a time. Room for a province of 40
#: million with ten codes each, of which one in a hundred was taken back, five times over.
MAX_REGION_BYTES: Final = 32 * 1024 * 1024

T = TypeVar("T")


class Problem(NamedTuple):
    """Something that was not taken.

    Attributes:
        what: "trust list" or a region.
        source: Where from.
        error: Why.
    """

    what: str
    source: str
    error: Exception

    @property
    def text(self) -> str:
        """Where from and why."""
        return f"{self.source}: {self.error}"

    @property
    def refused(self) -> bool:
        """Whether a list came and must not be taken: somebody should look into it."""
        return not isinstance(self.error, SourceError)

    @property
    def of_another_time(self) -> bool:
        """Whether it ended or is not yet issued, by this machine's clock, which may be wrong."""
        return isinstance(
            self.error, TrustListClockError | TrustListExpiredError | StatusListExpiredError
        )


class Report(NamedTuple):
    """What an update did.

    Attributes:
        wanted: How many regions there are whose codes may count.
        regions: Those whose lists are now as their issuer last published them.
        changed: Files that are new, or gone.
    """

    trust: TrustList
    wanted: int
    regions: tuple[str, ...]
    changed: int
    problems: tuple[Problem, ...]


class _Offer(NamedTuple, Generic[T]):
    """A list that a source has and that is genuine.

    Attributes:
        rank: Of two offers the higher is the newer.
    """

    source: Source
    data: bytes
    content: T
    rank: tuple[int, ...]


class _Region(NamedTuple):
    """The lists of one region, all that its snapshot names, and the files that are new."""

    snapshot: Snapshot
    digest: bytes
    files: Mapping[str, bytes]
    newest: int


def set_up(path: str, roots: bytes | None, sources: Sequence[str]) -> None:
    """Make a venue's folder that trusts *roots*, or change where an existing one updates from.

    Raises:
        TrustListError: *roots* are not a file of roots.
        CacheError: The folder trusts other roots already, or none are given and it has none.
        OSError: The folder cannot be written.
    """
    given = None if roots is None else decode_roots(roots)
    folder = Folder(path)
    folder.create()
    with folder.lock():
        cache = Cache(path)
        files = {SOURCES: "".join(f"{source}\n" for source in sources).encode()}
        if roots is not None and cache.files.read(ROOTS, max_bytes=MAX_SMALL_BYTES) is None:
            files[ROOTS] = roots
        elif cache.roots() != (given or cache.roots()):
            raise CacheError(f"{path}: set up with other roots; for these, set up an empty folder")
        folder.change(files, dropped=frozenset())


def update(path: str, sources: Sequence[Source], *, now: int) -> Report:
    """Take what is new from *sources*, asked in this order.

    Raises:
        CacheError: The folder cannot be used, or there is no trust list, neither held nor new.
        OSError: The disk failed. What was held still is.
    """
    folder = Folder(path)
    with folder.lock():
        return _Update(folder, Cache(path), sources, now).run()


class _Update:
    """One update, while the folder is locked."""

    def __init__(self, folder: Folder, cache: Cache, sources: Sequence[Source], now: int) -> None:
        self._folder = folder
        self._cache = cache
        self._sources = sources
        self._now = now
        self._seen = cache.seen()
        self._files: dict[str, bytes] = {}
        self._deltas = {region: self._held_delta(region) for region in cache.delta_regions()}
        self._problems: list[Problem] = []
        self._trust = self._take_trust_list()

    def run(self) -> Report:
        taken: list[_Region] = []
        wanted = self._wanted()
        for issuer in wanted:
            region = self._take_region(issuer)
            if region is not None:
                taken.append(region)
                self._files.update(region.files)
        seen = Seen(
            max(self._seen.newest, self._trust.issued_at, *(region.newest for region in taken)),
            self._confirmed([region.snapshot for region in taken]),
            {
                **self._seen.snapshots,
                **{each.snapshot.region: (each.snapshot.issued_at, each.digest) for each in taken},
            },
        )
        dropped = self._dropped([region.snapshot for region in taken], seen.newest)
        if self._files or dropped or seen != self._seen:
            self._folder.change({**self._files, SEEN: encode_seen(seen)}, dropped=dropped)
        regions = tuple(region.snapshot.region for region in taken)
        changed = len(self._files) + len(dropped)
        return Report(self._trust, len(wanted), regions, changed, tuple(self._problems))

    def _wanted(self) -> Sequence[ListedIssuer]:
        """Whose lists are needed. An issuer is over by what was signed, not by this clock."""
        return self._trust.counting(max(self._seen.newest, self._trust.issued_at))

    def _confirmed(self, snapshots: Sequence[Snapshot]) -> int:
        """When an issuer last said that the trust list held from now on is the one in force."""
        earlier = 0 if TRUST_LIST in self._files else self._seen.confirmed
        named = (each.issued_at for each in snapshots if each.trust_version == self._trust.version)
        return max(earlier, *named, 0)

    def _take_trust_list(self) -> TrustList:
        """The newest that may follow the one held; its file is noted if it is a new one."""
        held_data = self._cache.files.read(TRUST_LIST, max_bytes=MAX_BYTES)
        digest = None if held_data is None else sha256(held_data).hexdigest()
        held = self._cache.trust()
        roots = self._cache.roots()
        offers: list[_Offer[TrustList]] = []
        for source in self._sources:
            try:
                data = source.fetch(TRUST_LIST, max_bytes=MAX_BYTES, held=digest)
                if held is not None and data in (None, held_data):
                    require_current(held, self._now)
                    continue
                new = accept_trust_list(held, data or b"", roots=roots, now=self._now)
                offers.append(_Offer(source, data or b"", new, (new.roots.epoch, new.version)))
            except (SourceError, TrustListError) as error:
                self._problems.append(Problem("trust list", source.name, error))
        newest = next(
            iter(self._undisputed("trust list", offers, TrustListEquivocationError)), None
        )
        if newest is None or newest.content == held:
            if held is None:
                reasons = "; ".join(problem.text for problem in self._problems)
                raise CacheError(
                    f"no trust list could be taken: {reasons or 'no source was given'}"
                )
            return held
        self._files.update({TRUST_LIST: newest.data, ROOTS: encode_roots(newest.content.roots)})
        return newest.content

    def _undisputed(
        self, what: str, offers: Sequence[_Offer[T]], error: type[Exception]
    ) -> list[_Offer[T]]:
        """The newest first, without those that two sources contradict each other about.

        Each of the two may be genuine. None is taken: nobody here can tell which is true.
        """
        disputed = set()
        for one, other in combinations(offers, 2):
            if one.rank == other.rank and one.content != other.content:
                disputed.add(one.rank)
                names = f"{one.source.name}, {other.source.name}"
                self._problems.append(Problem(what, names, error("two that contradict each other")))
        kept = [offer for offer in offers if offer.rank not in disputed]
        return sorted(kept, key=lambda offer: offer.rank, reverse=True)

    def _take_region(self, issuer: ListedIssuer) -> _Region | None:
        """The region's newest lists that any source has whole.

        All sources are asked, for one that still shows yesterday's must not keep a venue there.
        """
        problems: list[Problem] = []
        offers: list[_Offer[Snapshot]] = []
        for source in self._sources:
            try:
                offers.append(self._fetch_snapshot(issuer, source))
            except (SourceError, StatusListError) as error:
                problems.append(Problem(issuer.region, source.name, error))
        taken = None
        for offer in self._undisputed(issuer.region, offers, StatusListRollbackError):
            try:
                taken = self._take_whole(issuer, offer)
                break
            except (SourceError, StatusListError) as error:
                problems.append(Problem(issuer.region, offer.source.name, error))
        # Where one source gave everything, it does not matter what others did not have.
        self._problems.extend(each for each in problems if taken is None or each.refused)
        return taken

    def _fetch_snapshot(self, issuer: ListedIssuer, source: Source) -> _Offer[Snapshot]:
        name = f"status/{issuer.region}.snapshot"
        data = source.fetch(name, max_bytes=MAX_SNAPSHOT_BYTES, held=None) or b""
        snapshot = verify_snapshot(data, self._trust, now=self._now)
        if snapshot.region != issuer.region:
            raise StatusListScopeError(f"the snapshot of region {snapshot.region}")
        return _Offer(source, data, snapshot, (snapshot.issued_at,))

    def _take_whole(self, issuer: ListedIssuer, offer: _Offer[Snapshot]) -> _Region:
        """Tried once more where lists and snapshot do not fit: they may be changing just now."""
        try:
            return self._take_by_snapshot(issuer, offer)
        except SnapshotError:
            return self._take_by_snapshot(issuer, self._fetch_snapshot(issuer, offer.source))

    def _take_by_snapshot(self, issuer: ListedIssuer, offer: _Offer[Snapshot]) -> _Region:
        snapshot = offer.content
        digest = sha256(offer.data).digest()
        before = self._seen.snapshots.get(issuer.region, (-1, b""))
        same = before == (snapshot.issued_at, digest)
        if not same and snapshot.issued_at <= before[0]:
            raise StatusListRollbackError("its snapshot is not newer than the one held")
        files: dict[str, bytes] = {}
        # Under the snapshot already held, a file that differs was damaged here: no memory.
        held = None if same else self._deltas.get(issuer.region)
        delta = self._take_delta(held, offer.source, snapshot, files)
        newest = snapshot.issued_at
        left = MAX_REGION_BYTES
        for list_number in snapshot.digests:
            new = self._take_list(list_number, offer.source, snapshot, delta, files)
            left -= len(files.get(status_name(list_number), b""))
            if left < 0:
                raise SourceTooLargeError(f"more than {MAX_REGION_BYTES} bytes of new lists")
            newest = max(newest, new.issued_at)
            if not same:
                self._compare(list_number, new)
        return _Region(snapshot, digest, files, newest)

    def _take_delta(
        self,
        held: StatusDelta | None,
        source: Source,
        snapshot: Snapshot,
        files: dict[str, bytes],
    ) -> StatusDelta:
        """The delta that the snapshot names; its file is noted if it is a new one."""
        name = delta_name(snapshot.region)
        data = read_status(self._cache.files, name, max_bytes=MAX_DELTA_BYTES)
        if data is None or sha256(data).digest() != snapshot.delta:
            data = source.fetch(name, max_bytes=MAX_DELTA_BYTES, held=None) or b""
            files[name] = data
        return accept_delta(held, data, snapshot, self._trust, now=self._now)

    def _take_list(
        self,
        list_number: int,
        source: Source,
        snapshot: Snapshot,
        delta: StatusDelta,
        files: dict[str, bytes],
    ) -> StatusList:
        """The list that the snapshot names: the one held with the delta over it, or a new one."""
        name = status_name(list_number)
        held = read_status(self._cache.files, name, max_bytes=MAX_TOKEN_BYTES)
        if held is not None:
            with suppress(StatusListError):
                return _named(list_number, recall_status_list(held, self._trust), delta, snapshot)
        data = source.fetch(name, max_bytes=MAX_TOKEN_BYTES, held=None) or b""
        files[name] = data
        fresh = verify_status_list(data, self._trust, now=self._now)
        return _named(list_number, fresh, delta, snapshot)

    def _compare(self, list_number: int, new: StatusList) -> None:
        """Refuse a list that forgets what this venue has seen, whoever signed that."""
        data = read_status(self._cache.files, status_name(list_number), max_bytes=MAX_TOKEN_BYTES)
        held = None if data is None else _peek(data, list_number)
        if held is None:
            return
        # More than one where the list passed from one issuer to another: both are remembered.
        taken_with = [
            delta
            for delta in self._deltas.values()
            if delta is not None and list_number in delta.changes and delta.base <= held.issued_at
        ]
        if not taken_with and not self._lost_delta(new.region):
            raise StatusListRollbackError(f"list {list_number} had ended, and comes back")
        for delta in taken_with:
            held = apply_delta(held, delta)
        require_successor(held, new)

    def _lost_delta(self, region: str) -> bool:
        """Whether the disk lost a delta that may have named a list: then nobody here can tell."""
        gone = region in self._seen.snapshots and region not in self._deltas
        return gone or None in self._deltas.values()

    def _held_delta(self, region: str) -> StatusDelta | None:
        """The delta that the region's lists were taken with; None where it was damaged."""
        data = read_status(self._cache.files, delta_name(region), max_bytes=MAX_DELTA_BYTES) or b""
        try:
            return peek_delta(data)
        except StatusListError:
            return None

    def _dropped(self, snapshots: Sequence[Snapshot], newest: int) -> frozenset[str]:
        """Files of lists that their issuer names no longer, and that no living code can need.

        By the time that was signed: a clock that runs ahead makes this venue forget nothing. With
        the last list of an issuer that is gone, its delta goes.
        """
        named = {number for snapshot in snapshots for number in snapshot.digests}
        regions = {snapshot.region for snapshot in snapshots}
        wanted = {issuer.region for issuer in self._wanted()}
        missing = wanted - regions
        dropped = set()
        left = set(self._cache.list_numbers()) | named
        for number in self._cache.list_numbers():
            owner = self._trust.owner_of(number)
            if number in named or (owner is not None and owner.region in missing):
                continue
            data = read_status(self._cache.files, status_name(number), max_bytes=MAX_TOKEN_BYTES)
            held = None if data is None else _peek(data, number)
            if held is None or held.issued_at < newest - KEEP_DROPPED_S:
                dropped.add(status_name(number))
                left.remove(number)
        for region, delta in self._deltas.items():
            if region not in wanted and (delta is None or left.isdisjoint(delta.changes)):
                dropped.add(delta_name(region))
        return frozenset(dropped)


def _peek(data: bytes, list_number: int) -> StatusList | None:
    """The list held, to compare with, or None where it is damaged."""
    try:
        return peek_status_list(data, list_number=list_number)
    except StatusListError:
        return None


def _named(
    list_number: int, held: StatusList, delta: StatusDelta, snapshot: Snapshot
) -> StatusList:
    """As `named_list`, if it is the list of this number, and not so old as to be forgotten soon."""
    if (held.list_number, held.region) != (list_number, snapshot.region):
        raise StatusListScopeError(f"another list under the name of list {list_number}")
    if held.issued_at < snapshot.issued_at - MAX_LIST_AGE_S:
        raise StatusDeltaReachError(f"list {list_number} is over a day older than the snapshot")
    return named_list(held, delta, snapshot)
