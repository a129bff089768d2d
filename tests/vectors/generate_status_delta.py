"""Writes tests/vectors/status-delta/: an update of one list by a delta in each folder.

python -m tests.vectors.generate_status_delta
"""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

import cbor2

from keys import cbor
from keys.cose import MessageSigner, sign_sign1
from tests.code_support import DAY_S, HEILONGJIANG, NOW, SHAANXI, paper_code, signer
from tests.vectors.cases import Case, files, replace_folder
from verifier.claims import HOUR_S
from verifier.statusdelta import DELTA_TYP, MAX_CHANGES_BYTES, encode_changes
from verifier.statuslist import SNAPSHOT_TYP, Snapshot, Status, contents_digest, sign_snapshot

__all__ = ["cases"]

V, W, S = Status.VALID, Status.WITHDRAWN, Status.SUPERSEDED
AT: Final = NOW - HOUR_S // 2
#: Entries of the list held, issued an hour ago, and of the list as of the delta.
BEFORE: Final = (V, V, W, S)
AFTER: Final = (V, S, W, W)
CHANGES: Final = {1: S, 3: W}


@dataclass(frozen=True, slots=True)
class Vector:
    """One case: what a verifier of the plain world holds, and what comes.

    Attributes:
        after: The entries that the snapshot names.
        held: The delta held before.
    """

    name: str
    about: str
    expect: str
    snapshot: bytes
    delta: bytes
    token: bytes
    after: tuple[int, ...]
    held: bytes | None = None
    now: int = NOW

    def case(self) -> Case:
        """Its folder."""
        taken_back = {str(place): entry for place, entry in enumerate(self.after) if entry}
        accepted = {"taken_back": taken_back} if self.expect == "accepted" else {}
        inputs = {
            "region.snapshot": self.snapshot,
            "region.delta": self.delta,
            "list.cwt": self.token,
            **({} if self.held is None else {"held.delta": self.held}),
        }
        return Case(
            "status-delta",
            self.name,
            self.about,
            {"result": self.expect, **accepted},
            inputs,
            {"now": self.now, "world": "../../worlds/plain"},
        )


def packed(*entries: int) -> bytes:
    """1,024 entries that begin with these."""
    first = sum(entry << 2 * place for place, entry in enumerate(entries))
    return first.to_bytes(256, "little")


def members(**changed: object) -> dict[object, object]:
    """The members of a good delta, with some of them changed."""
    each = {
        "region": SHAANXI.region,
        "at": AT,
        "exp": AT + DAY_S,
        "base": NOW - DAY_S,
        "lists": stream({1: encode_changes(CHANGES)}),
        **changed,
    }
    labels = {"region": 1, "at": 2, "exp": 3, "base": 4, "lists": 5}
    return {labels[name]: value for name, value in each.items() if value is not None}


def stream(lists: Mapping[Any, object]) -> bytes:
    return zlib.compress(cbor2.dumps(dict(lists)), 9)


def signed(
    content: object, *, by: MessageSigner | None = None, typ: str | None = DELTA_TYP
) -> bytes:
    return sign_sign1(cbor2.dumps(content), by or SHAANXI.status_signer, typ=typ)


def good(**changed: object) -> bytes:
    return signed(members(**changed))


def changes(*numbers: bytes) -> bytes:
    """A delta whose changes to list 1 are these bytes."""
    return good(lists=stream({1: b"".join(numbers)}))


def token(*entries: int, issued_at: int = NOW - HOUR_S, number: int = 1) -> bytes:
    return SHAANXI.status_token(number, packed(*entries), issued_at=issued_at)


def update(  # noqa: PLR0913 - what an update can differ in
    name: str,
    about: str,
    expect: str,
    delta: bytes,
    *,
    after: tuple[int, ...] = AFTER,
    before: bytes | None = None,
    held: bytes | None = None,
    named: bytes | None = None,
) -> Vector:
    """A vector whose snapshot names *after* and the delta, or the delta *named*."""
    digest = sha256(delta if named is None else named).digest()
    digests = {1: contents_digest(packed(*after))}
    snapshot = Snapshot(SHAANXI.region, AT, AT + DAY_S, 7, digests, digest)
    return Vector(
        name,
        about,
        expect,
        sign_snapshot(snapshot, SHAANXI.status_signer),
        delta,
        token(*BEFORE) if before is None else before,
        after,
        held,
    )


def vectors() -> Iterator[Vector]:
    """Every vector."""
    yield from _good()
    yield from _snapshots()
    yield from _envelopes()
    yield from _members()
    yield from _changes()
    yield from _times()


def _good() -> Iterator[Vector]:
    yield update(
        "good", "One superseded, one that was superseded is withdrawn.", "accepted", good()
    )
    nothing = good(lists=stream({1: b""}))
    yield update("good-no-changes", "Nothing changed.", "accepted", nothing, after=BEFORE)
    yield update("good-again", "The list has it already.", "accepted", good(), before=token(*AFTER))
    newer = token(*AFTER, issued_at=NOW - 60)
    yield update("good-list-is-newer", "A list after the delta.", "accepted", good(), before=newer)
    oldest = token(*BEFORE, issued_at=NOW - DAY_S)
    yield update("good-list-at-base", "As old as may be.", "accepted", good(), before=oldest)
    about = "A delta that reaches back to its own issue, and a list of that second."
    anew = good(base=AT)
    same_second = token(*BEFORE, issued_at=AT)
    yield update("good-base-at-issue", about, "accepted", anew, before=same_second)
    last = good(lists=stream({1: encode_changes({1023: S})}))
    after = (*BEFORE, *[V] * 1019, S)
    yield update("good-last-entry", "The last entry.", "accepted", last, after=after)
    older = good(at=AT - 60)
    yield update("good-next", "After an older one.", "accepted", good(), held=older)
    yield update("good-same", "The same delta again.", "accepted", good(), held=good())
    one = good(lists=stream({1: encode_changes({2: S})}))
    about = "Superseded does not undo withdrawn: the union."
    yield update("good-superseded-over-withdrawn", about, "accepted", one, after=BEFORE)


def _snapshots() -> Iterator[Vector]:
    delta = good()
    digests = {1: contents_digest(packed(*AFTER))}
    whole = {1: SHAANXI.region, 2: AT, 3: AT + DAY_S, 4: 7, 5: digests, 6: sha256(delta).digest()}

    def wrong(
        name: str,
        about: str,
        error: str,
        changed: Mapping[int, object],
        *,
        by: str = "610000 status",
    ) -> Vector:
        content = {
            label: value for label, value in {**whole, **changed}.items() if value is not None
        }
        snapshot = signed(content, by=signer(by), typ=SNAPSHOT_TYP)
        vector = update(f"snapshot-{name}", about, error, delta)
        return replace(vector, snapshot=snapshot)

    form, scope, ended = (f"StatusList{error}Error" for error in ("Format", "Scope", "Expired"))
    for label in whole:
        yield wrong(f"member-{label}-missing", "A member is missing.", form, {label: None})
    yield wrong("extra-member", "A closed profile.", form, {7: 0})
    yield wrong("digest-31", "A digest is a byte short.", form, {6: bytes(31)})
    short = {5: {1: bytes(31)}}
    yield wrong("list-digest-31", "A list's digest is a byte short.", form, short)
    yield wrong("time-true", "True is not a time.", form, {2: True})
    for label, name in {2: "time", 3: "exp", 4: "version"}.items():
        yield wrong(f"{name}-negative", "Below zero.", form, {label: -1})
    yield wrong("region-bytes", "A region that is no text.", form, {1: SHAANXI.region.encode()})
    yield wrong("lists-array", "Not a map.", form, {5: [digests[1]]})
    yield wrong("list-number-text", "A number as text.", form, {5: {"1": digests[1]}})
    yield wrong("list-digest-text", "A digest as text.", form, {5: {1: "a" * 32}})
    named = {1: HEILONGJIANG.region}
    yield wrong("names-another-region", "A signs for B.", scope, named)
    yield wrong("names-no-region", "Nor is that the signer's.", scope, {1: "61000"})
    both = {1: HEILONGJIANG.region, 3: NOW}
    yield wrong("ended-of-another-region", "Whose it is comes before its time.", scope, both)
    exactly = wrong("24-h", "As old as may be.", "accepted", {2: NOW - DAY_S, 3: NOW + 1})
    yield replace(exactly, name="good-snapshot-24-h")
    yield wrong("other-region", "B signs for A.", scope, {}, by="230000 status")
    foreign = {5: {**digests, HEILONGJIANG.first_list: bytes(32)}}
    yield wrong("foreign-list", "A names a list of B.", scope, foreign)
    code_key = "StatusListSignerError"
    yield wrong("signer-code-key", "Not a status key.", code_key, {}, by="610000 code")
    future = {2: NOW + 1}
    yield wrong("in-the-future", "From the next second.", ended, future)
    yield wrong("ended", "Until this second.", ended, {3: NOW})
    week = {2: NOW - DAY_S - 1, 3: NOW + DAY_S}
    yield wrong("older-than-24-h", "Whatever end it names.", ended, week)
    newer = "SnapshotError"
    yield wrong("newer-trust-list", "It goes by one that is withheld.", newer, {4: 8})
    yield wrong("other-delta", "It names another delta.", newer, {6: bytes(32)})
    yield wrong("list-not-named", "It names no list 1.", newer, {5: {2: bytes(32)}})


def _envelopes() -> Iterator[Vector]:
    def wrong(name: str, about: str, error: str, delta: bytes) -> Vector:
        return update(name, about, f"StatusList{error}Error", delta)

    yield wrong("C046-code-as-delta", "A code.", "Format", paper_code())
    yield wrong("C046-list-as-delta", "A list.", "Format", token(*BEFORE))
    yield wrong(
        "C046-other-typ", "A snapshot's typ.", "Format", signed(members(), typ=SNAPSHOT_TYP)
    )
    yield wrong("C046-no-typ", "No typ.", "Format", signed(members(), typ=None))
    yield wrong("empty", "Nothing.", "Format", b"")
    ahead = good(region=HEILONGJIANG.region)
    yield wrong("names-another-region", "A signs a delta of B.", "Scope", ahead)
    yield wrong("trailing-byte", "One byte behind.", "Format", good() + b"\0")
    for name, by in {
        "stranger": signer("stranger"),
        "code-key": SHAANXI.code_signer,
    }.items():
        yield wrong(f"signer-{name}", "Not a status key.", "Signer", signed(members(), by=by))
    flipped = bytearray(good())
    flipped[-1] ^= 1
    yield wrong("signature-flipped", "One bit.", "Signer", bytes(flipped))
    other = signed(members(), by=HEILONGJIANG.status_signer)
    yield wrong("C086-signer-other-issuer", "B signs a delta of A.", "Scope", other)
    whole = signed(
        members(region=HEILONGJIANG.region, lists=stream({2001: b""})),
        by=HEILONGJIANG.status_signer,
    )
    yield wrong("C086-other-region", "B's delta, in A's place.", "Scope", whole)


def _members() -> Iterator[Vector]:
    def wrong(name: str, about: str, **changed: object) -> Vector:
        return update(name, about, "StatusListFormatError", good(**changed))

    for name in ("region", "at", "exp", "base", "lists"):
        yield wrong(f"{name}-missing", "A member is missing.", **{name: None})
    yield wrong("base-negative", "Before 1970.", base=-1)
    yield wrong("base-after-at", "It begins after its end.", base=AT + 1)
    yield wrong("exp-at-issue", "It ends as it begins.", exp=AT)
    yield wrong("at-true", "True is not a number.", at=True)
    yield wrong("at-float", "A float.", at=float(AT))
    extra = signed({**members(), 6: 0})
    yield update("extra-member", "A closed profile.", "StatusListFormatError", extra)
    unordered = signed(dict(reversed(members().items())))
    yield update("keys-unordered", "Another order.", "StatusListFormatError", unordered)
    plain = stream({1: encode_changes(CHANGES)})
    bomb = zlib.compress(bytes(MAX_CHANGES_BYTES + 1), 9)
    yield wrong("C083-bomb", "More than any delta.", lists=bomb)
    yield wrong("C084-trailing-data", "A byte behind the stream.", lists=plain + b"\0")
    yield wrong("C084-truncated", "The checksum is missing.", lists=plain[:-4])
    yield wrong("C084-not-compressed", "No stream.", lists=cbor2.dumps({1: b""}))
    yield wrong("lists-array", "Not a map.", lists=zlib.compress(cbor2.dumps([b""])))
    yield wrong("lists-text-key", "A number as text.", lists=stream({"1": b""}))
    yield wrong("lists-true", "True is not 1.", lists=stream({True: b""}))
    yield wrong("lists-text", "Changes as text.", lists=stream({1: ""}))
    unsorted_lists = stream({2: b"", 1: encode_changes(CHANGES)})
    yield wrong("lists-unordered", "Numbers not in order.", lists=unsorted_lists)
    foreign = good(lists=stream({1: encode_changes(CHANGES), 2001: b""}))
    yield update("C086-foreign-list", "A list of B.", "StatusListScopeError", foreign)
    missing = good(lists=stream({2: b""}))
    yield update("list-not-named", "Nothing about list 1.", "StatusListScopeError", missing)


def _changes() -> Iterator[Vector]:
    def wrong(name: str, about: str, *numbers: bytes) -> Vector:
        return update(name, about, "StatusListFormatError", changes(*numbers))

    yield wrong("change-cut-short", "Bit 7 promises another byte.", b"\x80")
    yield wrong("change-overlong", "0 in two bytes.", b"\x80\x00")
    yield wrong("change-overlong-3", "1 in three bytes.", b"\x81\x80\x00")
    yield wrong("change-of-four-bytes", "More than a position.", b"\x80\x80\x80\x01")
    beyond = changes(encode_changes({1024: S}))
    error = "StatusDeltaPositionError"
    yield update("C082-entry-beyond", "The first that is not there.", error, beyond)
    far = changes(b"\xff\xff\x7f")
    yield update("C082-entry-far-beyond", "The largest number.", error, far)
    summed = changes(encode_changes({1023: S}), b"\x00")
    yield update("C082-entries-beyond-in-sum", "One step too far.", error, summed)
    mixed = "SnapshotError"
    fewer = changes(encode_changes({1: S}))
    yield update("C079-change-missing", "One change is held back.", mixed, fewer)
    more = changes(encode_changes({**CHANGES, 7: S}))
    yield update("C079-change-too-many", "One that nobody made.", mixed, more)
    milder = changes(encode_changes({1: S, 3: S}))
    yield update("C079-change-milder", "Superseded for withdrawn.", mixed, milder)


def _times() -> Iterator[Vector]:
    mixed = "SnapshotError"
    other = good(at=AT - 60)
    yield update(
        "C079-other-delta", "Not the delta that the snapshot names.", mixed, other, named=good()
    )
    old = token(V, V, V, S, issued_at=NOW - 2 * HOUR_S)
    yield update("C079-other-list", "An older list that lacks more.", mixed, good(), before=old)
    ahead = token(V, S, W, W, S, issued_at=NOW - 60)
    yield update("C079-newer-list", "A list that says more.", mixed, good(), before=ahead)
    unknown = token(*BEFORE, number=2)
    about = "List 2, about which the delta says nothing."
    yield update("C079-list-2", about, "StatusListScopeError", good(), before=unknown)
    too_old = token(*BEFORE, issued_at=NOW - DAY_S - 1)
    about = "The list is a second older than the delta reaches."
    yield update("list-before-base", about, "StatusDeltaReachError", good(), before=too_old)
    later = good(at=AT + 60)
    about = "Older than the delta held, though the snapshot names it."
    yield update("C087-older", about, "StatusListRollbackError", good(), held=later)
    future = good(at=NOW + 1, exp=NOW + DAY_S)
    early = good(at=NOW - 8 * DAY_S, base=NOW - 9 * DAY_S)
    about = "Signed before the key's time began."
    yield update("signer-too-early", about, "StatusListSignerError", early)
    yield update("C087-in-the-future", "From the next second.", "StatusListExpiredError", future)
    yield update("ended", "Until this second.", "StatusListExpiredError", good(exp=NOW))
    narrow = sign_sign1(
        cbor.encode(
            {2: SHAANXI.uri(1), 4: NOW + DAY_S, 6: NOW - HOUR_S,
             65533: {"bits": 1, "lst": zlib.compress(packed(*BEFORE))}, 65534: HOUR_S}
        ),
        SHAANXI.status_signer,
        typ="application/statuslist+cwt",
    )  # fmt: skip
    about = "A list with entries of one bit."
    yield update("list-of-one-bit", about, "StatusListFormatError", good(), before=narrow)
    late = update(
        "signer-too-late", "The key's time is over.", "StatusListSignerError", good(exp=NOW * 2)
    )
    yield replace(late, now=NOW + 60 * DAY_S)


def cases() -> Iterator[Case]:
    """Every case."""
    return (vector.case() for vector in vectors())


if __name__ == "__main__":
    replace_folder("status-delta", files(cases()))
