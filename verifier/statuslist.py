"""Status lists (IETF Token Status List, as CWT) and the snapshot that binds them. Pure.

Spec page: docs/spec/status-list.md. A list is a COSE_Sign1 of our profile over

    {2: sub, 4: exp, 6: iat, 65533: {"bits": 2, "lst": zlib}, 65534: ttl}

Lists that others signed with their keys in another order are read as well; all else is strict.
"""

import re
from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import cache, reduce
from itertools import product
from operator import or_
from typing import Final

from keys import cbor
from keys.cose import MessageSigner, sign_sign1
from keys.dataclasses import dataclass, field
from keys.errors import CborError
from keys.sodium import sha256
from keys.trustlist import ListedIssuer, ListedKey, TrustList
from verifier.errors import (
    SnapshotError,
    StatusListClearedError,
    StatusListFormatError,
    StatusListIndexError,
    StatusListRollbackError,
    StatusListScopeError,
)
from verifier.statusenvelope import (
    any_bool,
    inflate,
    open_signed,
    parse_signed,
    require_current,
    require_in_force,
    zlib_best,
)

__all__ = [
    "DEFAULT_ENTRIES", "MAX_ENTRIES", "MAX_LIST_AGE_S", "MAX_TOKEN_BYTES", "SNAPSHOT_TYP",
    "STATUS_LIST_TYP", "Snapshot", "Status", "StatusList", "accept_status_list",
    "contents_digest", "pack_statuses", "peek_status_list", "recall_status_list",
    "require_successor", "sign_snapshot", "sign_status_list", "verify_snapshot",
    "verify_status_list",
]  # fmt: skip

STATUS_LIST_TYP: Final = "application/statuslist+cwt"
SNAPSHOT_TYP: Final = "application/celadon-status-snapshot+cbor"
DEFAULT_ENTRIES: Final = 2**17
MAX_ENTRIES: Final = 2**20  # a status index has 20 bits
#: A list older than this decides nothing, whatever end it names itself.
MAX_LIST_AGE_S: Final = 24 * 3600
#: A list of 2^20 entries of two bits that do not compress at all, and its envelope.
MAX_TOKEN_BYTES: Final = 2**18 + 2**12
#: Room for the digests of some 6,600 lists.
MAX_SNAPSHOT_BYTES: Final = 2**18
DIGEST_BYTES: Final = 32
BITS: Final = 2

_SUB, _EXP, _IAT, _STATUS_LIST, _TTL = 2, 4, 6, 65533, 65534  # RFC 8392 §4; Token Status List §14
_WIDTHS: Final = (1, 2, 4, 8)
_DECIMAL: Final = re.compile(r"[0-9]{1,7}", re.ASCII)


class Status(IntEnum):
    """What became of a code. Values of Token Status List §7.1; ADR 0003."""

    VALID = 0
    WITHDRAWN = 1
    SUPERSEDED = 2


@dataclass(frozen=True, slots=True)
class StatusList:
    """A list: verified, unless `peek_status_list` gave it.

    Attributes:
        ends: The first second at which it decides nothing any more.
        status: Gives the value at an index: a `Status`, or a number that this product gives no
            meaning. Raises StatusListIndexError where there is no such entry.
    """

    list_number: int
    region: str
    issued_at: int
    exp: int
    bits: int
    packed: bytes = field(repr=False)
    sha256: bytes = field(repr=False)
    ends: int = field(init=False)
    status: Callable[[int], int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ends = min(self.exp, self.issued_at + MAX_LIST_AGE_S + 1)
        object.__setattr__(self, "ends", ends)
        object.__setattr__(self, "status", _look_up(self.packed, self.bits))

    @property
    def size(self) -> int:
        """The number of entries."""
        return len(self.packed) * 8 // self.bits

    @property
    def digest(self) -> bytes:
        """What a snapshot calls these contents."""
        return contents_digest(self.packed)


def _look_up(packed: bytes, bits: int) -> Callable[[int], int]:
    """`StatusList.status` of one list. A door asks for every code, so the width is settled here."""
    entries = _entries(bits)
    inside = 8 // bits - 1  # the mask of an entry's place in its byte
    shift = inside.bit_length()

    def status(index: int) -> int:
        if index < 0:  # Python would count from the end
            raise StatusListIndexError("no entry below 0")
        try:
            return entries[packed[index >> shift]][index & inside]
        except IndexError as error:
            raise StatusListIndexError(f"no entry {index}") from error

    return status


@cache
def _entries(bits: int) -> tuple[tuple[int, ...], ...]:
    """The entries of each byte: it is sooner looked up than shifted and masked.

    Source: Token Status List §4.1: entries fill each byte from its least significant bit.
    """
    highest_first = product(range(1 << bits), repeat=8 // bits)
    return tuple(entries[::-1] for entries in highest_first)


def pack_statuses(statuses: Mapping[int, Status], *, entries: int = DEFAULT_ENTRIES) -> bytes:
    """A packed list with these entries; all others are VALID.

    Raises:
        ValueError: *entries* is not a multiple of 4 up to 2^20, or an index lies outside.
    """
    if not 0 < entries <= MAX_ENTRIES or entries % 4:
        raise ValueError("a list has a multiple of 4 entries, at most 2^20")
    packed = bytearray(entries // 4)
    for index, status in statuses.items():
        if not 0 <= index < entries:
            raise ValueError("an index outside the list")
        packed[index >> 2] |= status << (index & 3) * BITS
    return bytes(packed)


def contents_digest(packed: bytes) -> bytes:
    """32 bytes that name the contents of a list, however they were signed and compressed."""
    return sha256(packed)


def sign_status_list(  # noqa: PLR0913 - a token has this many members
    packed: bytes,
    *,
    uri: str,
    issued_at: int,
    exp: int,
    ttl: int,
    signer: MessageSigner,
    compress: Callable[[bytes], bytes] = zlib_best,
) -> bytes:
    """The token: what a web server publishes as it is.

    Args:
        packed: Two bits an entry, least significant bits first: `pack_statuses`.
        uri: Where it is published: the issuer's status_base, the list number, ".cwt".
        issued_at: UNIX seconds.
        exp: UNIX seconds, the first at which the list is worth nothing.
        ttl: Seconds after which a verifier should fetch the next one.
        signer: A key with the purpose "status".
        compress: Makes one zlib stream of its argument.

    Raises:
        ValueError: A size or time that verifiers would refuse.
    """
    if (
        not 0 < len(packed) * 4 <= MAX_ENTRIES
        or not 0 < ttl <= MAX_LIST_AGE_S
        or not issued_at < exp
    ):
        raise ValueError("a size or time that verifiers would refuse")
    claims = {
        _SUB: uri,
        _EXP: exp,
        _IAT: issued_at,
        _STATUS_LIST: {"bits": BITS, "lst": compress(packed)},
        _TTL: ttl,
    }
    return sign_sign1(cbor.encode(claims), signer, typ=STATUS_LIST_TYP)


def verify_status_list(data: bytes, trust: TrustList, *, now: int) -> StatusList:
    """The list in *data*, if a status key of the issuer that owns it signed it, and it counts now.

    Does not compare it with an older one: `accept_status_list` does.

    Raises:
        StatusListError: The leaf names the check that failed.
    """
    new, key = _read(data, trust)
    require_current(new.issued_at, new.exp, now=now)
    require_in_force(key, now)
    return new


def recall_status_list(data: bytes, trust: TrustList) -> StatusList:
    """A list that this verifier accepted earlier, whether or not it still counts.

    All of `verify_status_list` but the time: the check itself says when a held list is stale. A
    list whose signer is no longer listed is refused.

    Raises:
        StatusListError: The leaf names the check that failed.
    """
    return _read(data, trust)[0]


def _read(data: bytes, trust: TrustList) -> tuple[StatusList, ListedKey]:
    """A genuine list, and the key that signed it while it was in force."""
    payload, issuer, key = open_signed(data, trust, typ=STATUS_LIST_TYP, max_bytes=MAX_TOKEN_BYTES)
    sub, issued_at, exp, bits, lst = _decode_claims(payload)
    require_in_force(key, issued_at)
    status_list = StatusList(
        list_number=_list_number(sub, issuer),
        region=issuer.region,
        issued_at=issued_at,
        exp=exp,
        bits=bits,
        packed=inflate(lst, max_bytes=MAX_ENTRIES * bits // 8),
        sha256=sha256(data),
    )
    return status_list, key


def accept_status_list(
    held: StatusList | None, data: bytes, trust: TrustList, *, now: int
) -> StatusList:
    """The list to hold from now on: *data*, if it may follow the one held.

    Raises:
        StatusListRollbackError: Older, or another list of the same second.
        StatusListClearedError: Shorter, or a code that was taken back comes to life again.
        StatusListError: As `verify_status_list`.
    """
    new = verify_status_list(data, trust, now=now)
    if held is None or held.sha256 == new.sha256:
        return new
    require_successor(held, new)
    return new


def require_successor(held: StatusList, new: StatusList) -> None:
    """Refuse a list that may not follow the one held.

    Raises:
        StatusListScopeError, StatusListRollbackError, StatusListClearedError: As
            `accept_status_list`.
    """
    if held.list_number != new.list_number:
        raise StatusListScopeError(f"list {new.list_number} is not list {held.list_number}")
    if new.issued_at <= held.issued_at:
        raise StatusListRollbackError(f"list {new.list_number}: not newer than the one held")
    if held.bits != new.bits or new.size < held.size or _revives(held.packed, new):
        raise StatusListClearedError(f"list {new.list_number}: a taken-back entry is missing")


def _revives(held: bytes, new: StatusList) -> bool:
    """Whether an entry left WITHDRAWN, or went from anything back to VALID."""
    before = int.from_bytes(held, "little")
    after = int.from_bytes(new.packed[: len(held)], "little")
    lowest = sum(1 << place for place in range(0, 8, new.bits))
    ones = int.from_bytes(bytes((lowest,)) * len(held), "little")  # the lowest bit of every entry

    def upper(entries: int) -> int:
        return reduce(or_, (entries >> place for place in range(1, new.bits)), 0)

    def taken_back(entries: int) -> int:
        return (entries | upper(entries)) & ones

    def withdrawn(entries: int) -> int:
        return entries & ~upper(entries) & ones

    back_to_valid = taken_back(before) & ~taken_back(after)
    return bool(back_to_valid | withdrawn(before) & ~withdrawn(after))


def peek_status_list(data: bytes, *, list_number: int) -> StatusList:
    """A list accepted earlier, to compare a new one with: its signature is not looked at.

    What was taken back stays so even when the key that said it is no longer on the trust list.

    Raises:
        StatusListError: Not that status list: the file was damaged.
    """
    token = parse_signed(data, typ=STATUS_LIST_TYP, max_bytes=MAX_TOKEN_BYTES)
    sub, issued_at, exp, bits, lst = _decode_claims(token.payload)
    if not sub.endswith(f"/{list_number}.cwt"):
        raise StatusListScopeError(f"another list in the place of list {list_number}")
    packed = inflate(lst, max_bytes=MAX_ENTRIES * bits // 8)
    digest = sha256(data)
    return StatusList(list_number, "", issued_at, exp, bits, packed, digest)


def _decode_claims(payload: bytes) -> tuple[str, int, int, int, bytes]:
    """sub, iat, exp, bits and lst. Updates come as often as the venue runs them, so no ttl."""
    try:
        claims = cbor.decode(payload, max_bytes=MAX_TOKEN_BYTES, ordered=False)
    except CborError as error:
        raise StatusListFormatError(f"claims: {error}") from error
    match claims:
        case {
            2: str(sub),
            4: int(exp),
            6: int(issued_at),
            65533: {"bits": int(bits), "lst": bytes(lst), **others},
            65534: int(ttl),
            **more,
        } if not others and not more:
            pass
        case _:
            raise StatusListFormatError("not the claims of a status list")
    if any_bool(exp, issued_at, bits, ttl):
        raise StatusListFormatError("true and false are not numbers")
    if bits not in _WIDTHS or not 0 <= issued_at < exp or ttl <= 0:
        raise StatusListFormatError("bits, iat, exp or ttl out of bounds")
    return sub, issued_at, exp, bits, lst


def _list_number(sub: str, issuer: ListedIssuer) -> int:
    """The list number in the address, if it is the one spelling of a list of this issuer."""
    digits = sub.removeprefix(issuer.status_base).removesuffix(".cwt")
    number = int(digits) if _DECIMAL.fullmatch(digits) else -1
    if sub != f"{issuer.status_base}{number}.cwt":
        raise StatusListScopeError("the subject is not an address of the signer's issuer")
    if not issuer.first_list <= number <= issuer.last_list:
        raise StatusListScopeError(f"list {number} does not belong to region {issuer.region}")
    return number


# --- the snapshot -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All lists of one issuer at one time, and the trust list it went by.

    Attributes:
        digests: List number to `contents_digest`.
        delta: SHA-256 of the delta that belongs to them.
    """

    region: str
    issued_at: int
    exp: int
    trust_version: int
    digests: Mapping[int, bytes]
    delta: bytes


def sign_snapshot(snapshot: Snapshot, signer: MessageSigner) -> bytes:
    """The snapshot as it is published."""
    members = {
        1: snapshot.region,
        2: snapshot.issued_at,
        3: snapshot.exp,
        4: snapshot.trust_version,
        5: dict(snapshot.digests),
        6: snapshot.delta,
    }
    return sign_sign1(cbor.encode(members), signer, typ=SNAPSHOT_TYP)


def verify_snapshot(data: bytes, trust: TrustList, *, now: int) -> Snapshot:
    """The snapshot in *data*, if a status key of its region signed it.

    Raises:
        StatusListError: The leaf names the check that failed.
    """
    payload, issuer, key = open_signed(data, trust, typ=SNAPSHOT_TYP, max_bytes=MAX_SNAPSHOT_BYTES)
    snapshot = _decode_snapshot(payload)
    require_in_force(key, now)
    if snapshot.region != issuer.region:
        raise StatusListScopeError(f"a snapshot of region {snapshot.region} by another issuer")
    for number in snapshot.digests:
        if not issuer.first_list <= number <= issuer.last_list:
            raise StatusListScopeError(f"list {number} does not belong to region {issuer.region}")
    # Its lists decide for a day, so an end further ahead would only keep a venue from newer ones.
    end = min(snapshot.exp, snapshot.issued_at + MAX_LIST_AGE_S + 1)
    require_current(snapshot.issued_at, end, now=now)
    if snapshot.trust_version > trust.version:
        raise SnapshotError(
            f"it goes by trust list {snapshot.trust_version}, newer than the one held"
        )
    return snapshot


def _decode_snapshot(payload: bytes) -> Snapshot:
    try:
        members = cbor.decode(payload, max_bytes=MAX_SNAPSHOT_BYTES)
    except CborError as error:
        raise StatusListFormatError(f"snapshot: {error}") from error
    match members:
        case {
            1: str(region),
            2: int(at),
            3: int(exp),
            4: int(version),
            5: dict(lists),
            6: bytes(delta),
            **more,
        }:
            pass
        case _:
            raise StatusListFormatError("not the members of a snapshot")
    digests = {
        number: digest
        for number, digest in lists.items()
        if isinstance(number, int) and isinstance(digest, bytes) and len(digest) == DIGEST_BYTES
    }
    if (
        more
        or min(at, exp, version) < 0
        or len(delta) != DIGEST_BYTES
        or len(digests) != len(lists)
        or any_bool(at, exp, version, *digests)
    ):
        raise StatusListFormatError("not the members of a snapshot")
    return Snapshot(region, at, exp, version, digests, delta)
