"""The delta: what changed in all lists of one issuer since a time, in one file. Pure.

Spec page: docs/spec/status-list.md; ADR 0010 says why one file, and why cumulative. A COSE_Sign1
of our profile over

    {1: region, 2: issued at, 3: exp, 4: base, 5: zlib of {list number: changes}}

Changes can say that an entry was taken back and nothing else: they cannot clear one, nor name one
twice. A door that holds a list issued at *base* or later lays the delta over it, and has the list
of now.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from keys import cbor
from keys.cose import MessageSigner, sign_sign1
from keys.dataclasses import dataclass, field
from keys.errors import CborError
from keys.sodium import sha256
from keys.trustlist import ListedKey, TrustList
from verifier.errors import (
    SnapshotError,
    StatusDeltaPositionError,
    StatusDeltaReachError,
    StatusListFormatError,
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
from verifier.statuslist import Snapshot, Status, StatusList

__all__ = [
    "DELTA_TYP", "MAX_DELTA_BYTES", "StatusDelta", "accept_delta", "apply_delta",
    "encode_changes", "named_list", "peek_delta", "recall_delta", "sign_delta", "verify_delta",
]  # fmt: skip

DELTA_TYP: Final = "application/celadon-status-delta+cbor"
#: Room for some two million changes. An issuer with more begins anew, with a later base.
MAX_DELTA_BYTES: Final = 2**22
MAX_CHANGES_BYTES: Final = 2**23
_BITS: Final = 2
_MORE: Final = 0x80
_MAX_SHIFT: Final = 14  # three bytes of seven bits hold a position of 20 bits and the status


@dataclass(frozen=True, slots=True)
class StatusDelta:
    """A delta: verified, unless `peek_delta` gave it.

    Attributes:
        base: It fits lists that were issued then or later.
        changes: For each of the issuer's lists, the encoded changes; for many, none.
    """

    region: str
    issued_at: int
    exp: int
    base: int
    changes: Mapping[int, bytes] = field(repr=False)


def encode_changes(statuses: Mapping[int, Status]) -> bytes:
    """Entries that were taken back, in order: each (gap << 1 | withdrawn) in groups of seven bits.

    A gap is the number of entries since the one before that did not change. The groups come
    lowest first, and bit 7 says that another follows (LEB128).

    Raises:
        ValueError: VALID is no change.
    """
    encoded = bytearray()
    before = -1
    for position in sorted(statuses):
        if not statuses[position]:
            raise ValueError("VALID is no change")
        number = (position - before - 1) << 1 | (statuses[position] is Status.WITHDRAWN)
        while number >= _MORE:
            encoded.append(number & 0x7F | _MORE)
            number >>= 7
        encoded.append(number)
        before = position
    return bytes(encoded)


def _decode_changes(changes: bytes) -> Iterator[tuple[int, Status]]:
    position, number, shift = -1, 0, 0
    for byte in changes:
        number |= (byte & 0x7F) << shift
        if byte & _MORE:
            shift += 7
            if shift > _MAX_SHIFT:
                raise StatusListFormatError("a change of more than three bytes")
            continue
        if shift and not byte:
            raise StatusListFormatError("a change is not in its shortest form")
        position += 1 + (number >> 1)
        yield position, Status.WITHDRAWN if number & 1 else Status.SUPERSEDED
        number = shift = 0
    if shift:
        raise StatusListFormatError("the last change is cut short")


def sign_delta(
    delta: StatusDelta,
    signer: MessageSigner,
    *,
    compress: Callable[[bytes], bytes] = zlib_best,
) -> bytes:
    """The delta as it is published."""
    members = {
        1: delta.region,
        2: delta.issued_at,
        3: delta.exp,
        4: delta.base,
        5: compress(cbor.encode(delta.changes)),
    }
    return sign_sign1(cbor.encode(members), signer, typ=DELTA_TYP)


def verify_delta(data: bytes, trust: TrustList, *, now: int) -> StatusDelta:
    """The delta in *data*, if a status key of its region signed it and it counts now.

    Raises:
        StatusListError: The leaf names the check that failed.
    """
    delta, key = _read(data, trust)
    require_current(delta.issued_at, delta.exp, now=now)
    require_in_force(key, now)
    return delta


def accept_delta(
    held: StatusDelta | None, data: bytes, snapshot: Snapshot, trust: TrustList, *, now: int
) -> StatusDelta:
    """The delta to hold from now on: *data*, if the snapshot names it and it may follow *held*.

    Raises:
        SnapshotError: The snapshot names another one.
        StatusListScopeError: Another region's than the snapshot.
        StatusListRollbackError: Older than the one held.
        StatusListError: As `verify_delta`.
    """
    if sha256(data) != snapshot.delta:
        raise SnapshotError("the delta is not the one that the snapshot names")
    new = verify_delta(data, trust, now=now)
    if new.region != snapshot.region:
        raise StatusListScopeError(f"the delta of region {new.region}")
    if held is not None and new.issued_at < held.issued_at:
        raise StatusListRollbackError("its delta is older than the one held")
    return new


def recall_delta(data: bytes, trust: TrustList) -> StatusDelta:
    """A delta that this verifier accepted earlier: all of `verify_delta` but the time.

    Raises:
        StatusListError: The leaf names the check that failed.
    """
    return _read(data, trust)[0]


def peek_delta(data: bytes) -> StatusDelta:
    """A delta accepted earlier, to compare with: its signature is not looked at.

    Raises:
        StatusListFormatError: The file was damaged.
    """
    return _decode(parse_signed(data, typ=DELTA_TYP, max_bytes=MAX_DELTA_BYTES).payload)


def _read(data: bytes, trust: TrustList) -> tuple[StatusDelta, ListedKey]:
    payload, issuer, key = open_signed(data, trust, typ=DELTA_TYP, max_bytes=MAX_DELTA_BYTES)
    delta = _decode(payload)
    require_in_force(key, delta.issued_at)
    if delta.region != issuer.region:
        raise StatusListScopeError(f"a delta of region {delta.region} by another issuer")
    if not all(issuer.first_list <= number <= issuer.last_list for number in delta.changes):
        raise StatusListScopeError(f"a list does not belong to region {delta.region}")
    return delta, key


def _decode(payload: bytes) -> StatusDelta:
    try:
        match cbor.decode(payload, max_bytes=MAX_DELTA_BYTES):
            case {
                1: str(region),
                2: int(at),
                3: int(exp),
                4: int(base),
                5: bytes(stream),
                **more,
            } if not more:
                pass
            case _:
                raise StatusListFormatError("not the members of a delta")
        inside = inflate(stream, max_bytes=MAX_CHANGES_BYTES)
        lists = cbor.decode(inside, max_bytes=MAX_CHANGES_BYTES)
    except CborError as error:
        raise StatusListFormatError(f"delta: {error}") from error
    if any_bool(at, exp, base) or not 0 <= base <= at < exp:
        raise StatusListFormatError("base, time or exp out of bounds")
    if not isinstance(lists, dict):
        raise StatusListFormatError("not changes by list number")
    changes = {
        number: encoded
        for number, encoded in lists.items()
        if isinstance(number, int) and isinstance(encoded, bytes)
    }
    if len(changes) != len(lists) or any_bool(*changes):
        raise StatusListFormatError("not changes by list number")
    return StatusDelta(region, at, exp, base, changes)


def named_list(held: StatusList, delta: StatusDelta, snapshot: Snapshot) -> StatusList:
    """The list held with the delta over it, if that is what the snapshot names.

    Raises:
        SnapshotError: It is not: lists of two times are mixed, or an entry is missing or too many.
        StatusListError: As `apply_delta`.
    """
    new = apply_delta(held, delta)
    if new.digest != snapshot.digests.get(held.list_number):
        raise SnapshotError(f"list {held.list_number} is not the one that the snapshot names")
    return new


def apply_delta(held: StatusList, delta: StatusDelta) -> StatusList:
    """The list as of the delta's time, or of its own, if that is the later.

    It is the union of both: what either calls withdrawn is withdrawn.

    Raises:
        StatusListScopeError: The delta says nothing about this list.
        StatusDeltaReachError: The list is older than the delta reaches.
        StatusDeltaPositionError: It has no such entry.
        StatusListFormatError: The changes are not in their one encoding, or the list has entries
            of another width.
    """
    changes = delta.changes.get(held.list_number)
    if changes is None:
        raise StatusListScopeError(f"the delta does not know list {held.list_number}")
    if held.bits != _BITS:
        raise StatusListFormatError("a delta is for entries of two bits")
    if held.issued_at < delta.base:
        raise StatusDeltaReachError(f"list {held.list_number} is older than the delta reaches")
    packed = bytearray(held.packed)
    size = held.size
    for position, status in _decode_changes(changes):
        if position >= size:
            raise StatusDeltaPositionError(f"list {held.list_number} has no entry {position}")
        place, shift = position >> 2, (position & 3) * _BITS
        if packed[place] >> shift & 3 != Status.WITHDRAWN:
            packed[place] = packed[place] & ~(3 << shift) | status << shift
    latest = delta if delta.issued_at > held.issued_at else held
    return StatusList(
        held.list_number, held.region, latest.issued_at, latest.exp, held.bits,
        bytes(packed), held.sha256,
    )  # fmt: skip
