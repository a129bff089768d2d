"""An issuer's status lists, delta and snapshot of one moment, as signed files. Pure.

What was published before decides what is signed anew. It is what verifiers hold, so all of it is
looked at with their eyes: files that they would refuse are not made.
Spec page: docs/spec/status-list.md.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from issuer.codes.mint import DAY_S
from issuer.errors import PublishError
from issuer.storage.core import Authority
from keys.cose import MessageSigner
from keys.trustlist import TrustList
from verifier.errors import StatusListError, StatusListRollbackError
from verifier.statusdelta import (
    MAX_DELTA_BYTES,
    StatusDelta,
    apply_delta,
    encode_changes,
    sign_delta,
    verify_delta,
)
from verifier.statuslist import (
    Snapshot,
    Status,
    StatusList,
    contents_digest,
    pack_statuses,
    recall_status_list,
    require_successor,
    sign_snapshot,
    sign_status_list,
    verify_snapshot,
    verify_status_list,
)

__all__ = ["Change", "Contents", "Held", "StatusFiles", "is_news", "status_files"]

#: A list is signed anew when it is older than this.
TTL_S: Final = 3600
LIFE_S: Final = DAY_S
#: A delta fits lists of so long ago: a door that fetches once a day needs no list anew.
REACH_S: Final = 25 * 3600
#: It repeats what was due so long before that: a transaction may have waited for its turn.
_OVERLAP_S: Final = 3600


class Change(NamedTuple):
    """An entry of a list that was taken back, and since when the public may know."""

    position: int
    status: Status
    due_at: int


@dataclass(frozen=True, slots=True)
class Contents:
    """A list as of now.

    Attributes:
        changes: Those that are due.
        below: A packed list that they are written over, where codes were lost. A delta says
            nothing of it: venues fetch such a list.
    """

    size: int
    changes: tuple[Change, ...]
    below: bytes = b""

    def packed(self) -> bytes:
        statuses = {position: status for position, status, _ in self.changes}
        if not self.below:
            return pack_statuses(statuses, entries=self.size)
        packed = bytearray(self.below)
        for position, status in statuses.items():
            shift = 2 * (position & 3)
            packed[position >> 2] = packed[position >> 2] & ~(3 << shift) | status << shift
        return bytes(packed)


@dataclass(frozen=True, slots=True)
class Held:
    """What is published until now, as files; empty where there is none."""

    tokens: Mapping[int, bytes]
    delta: bytes
    snapshot: bytes


@dataclass(frozen=True, slots=True)
class StatusFiles:
    """What is to be published.

    Attributes:
        tokens: The lists that were signed anew.
        lists: The numbers of all that the snapshot names.
    """

    tokens: Mapping[int, bytes]
    lists: frozenset[int]
    delta: bytes
    snapshot: bytes


def is_news(contents: Mapping[int, Contents], held: Held, trust: TrustList, *, now: int) -> bool:
    """Whether there is anything that the snapshot held does not say, or a list is due anew."""
    try:
        snapshot = verify_snapshot(held.snapshot, trust, now=now)
    except StatusListError:
        return True
    digests = {number: contents_digest(one.packed()) for number, one in contents.items()}
    return digests != snapshot.digests or not all(
        _is_young(token, trust, now) for token in held.tokens.values()
    )


def _is_young(token: bytes, trust: TrustList, now: int) -> bool:
    try:
        return now - verify_status_list(token, trust, now=now).issued_at < TTL_S
    except StatusListError:
        return False


def status_files(  # noqa: PLR0913 - what decides and what signs
    contents: Mapping[int, Contents],
    held: Held,
    authority: Authority,
    signer: MessageSigner,
    compress: Callable[[bytes], bytes],
    *,
    now: int,
    anew: bool,
) -> StatusFiles:
    """The files of now.

    Args:
        contents: All lists that codes may still point to.
        held: What is published.
        authority: Whose lists, and by which trust list.
        signer: A key with the purpose "status".
        compress: To a zlib stream.
        now: UNIX seconds.
        anew: Sign every list, also those that are young.

    Raises:
        PublishError: A verifier that holds what is published would refuse them.
    """
    work = _Work(contents, held, authority, signer, compress, now)
    data = work.delta(now - REACH_S)
    if len(data) > MAX_DELTA_BYTES:  # so much at once: everybody fetches the lists
        data, anew = work.delta(now), True
    try:
        delta = verify_delta(data, authority.trust, now=now)
        before = work.before()
        tokens = {number: work.token(number, delta, anew=anew) for number in contents}
        for number, (_, new) in tokens.items():
            if number in before and before[number].digest != new.digest:
                require_successor(before[number], new)
        digests = {number: new.digest for number, (_, new) in tokens.items()}
        work.require_later(digests)
        snapshot = work.snapshot(digests, data)
        verify_snapshot(snapshot, authority.trust, now=now)
    except StatusListError as error:
        raise PublishError(f"a verifier would say: {error}") from error
    signed = {number: token for number, (token, _) in tokens.items() if token is not None}
    return StatusFiles(signed, frozenset(contents), data, snapshot)


@dataclass(frozen=True, slots=True)
class _Work:
    contents: Mapping[int, Contents]
    held: Held
    authority: Authority
    signer: MessageSigner
    compress: Callable[[bytes], bytes]
    now: int

    def delta(self, base: int) -> bytes:
        """What became due since *base*, and a little more, for a delta that reaches so far."""
        since = base if base == self.now else base - _OVERLAP_S
        changes = {
            number: encode_changes(
                {position: status for position, status, due_at in one.changes if due_at > since}
            )
            for number, one in self.contents.items()
        }
        region = self.authority.issuer.region
        delta = StatusDelta(region, self.now, self.now + LIFE_S, base, changes)
        return sign_delta(delta, self.signer, compress=self.compress)

    def before(self) -> dict[int, StatusList]:
        """The lists as verifiers may hold them; what has ended none of them holds any more."""
        found = {}
        trust = self.authority.trust
        for number, token in self.held.tokens.items():
            try:
                delta = verify_delta(self.held.delta, trust, now=self.now)
                found[number] = apply_delta(recall_status_list(token, trust), delta)
            except StatusListError:
                continue
        return found

    def token(
        self, number: int, delta: StatusDelta, *, anew: bool
    ) -> tuple[bytes | None, StatusList]:
        """A list signed anew, or None where the one published will do; and what it comes to."""
        packed = self.contents[number].packed()
        young = None if anew else self._young(number, delta)
        if young is not None and young.packed == packed:
            return None, young
        token = sign_status_list(
            packed,
            uri=f"{self.authority.issuer.status_base}{number}.cwt",
            issued_at=self.now,
            exp=self.now + LIFE_S,
            ttl=TTL_S,
            signer=self.signer,
            compress=self.compress,
        )
        new = verify_status_list(token, self.authority.trust, now=self.now)
        return token, apply_delta(new, delta)

    def _young(self, number: int, delta: StatusDelta) -> StatusList | None:
        """The list published as the delta makes it, unless it is due anew."""
        token, trust = self.held.tokens.get(number, b""), self.authority.trust
        if not _is_young(token, trust, self.now):
            return None
        try:
            return apply_delta(recall_status_list(token, trust), delta)
        except StatusListError:
            return None

    def require_later(self, digests: Mapping[int, bytes]) -> None:
        """One second, one truth: what is published of now may be published again, word for word."""
        try:
            held = verify_snapshot(self.held.snapshot, self.authority.trust, now=self.now)
        except StatusListError:
            return
        if held.issued_at == self.now and held.digests != digests:
            raise StatusListRollbackError("something else was published in this very second")

    def snapshot(self, digests: Mapping[int, bytes], delta: bytes) -> bytes:
        snapshot = Snapshot(
            region=self.authority.issuer.region,
            issued_at=self.now,
            exp=self.now + LIFE_S,
            trust_version=self.authority.trust.version,
            digests=digests,
            delta=hashlib.sha256(delta).digest(),
        )
        return sign_snapshot(snapshot, self.signer)
