"""What attackers do to an update: each is refused by its own error, and nothing held changes.

Each scenario is one update of a venue that holds honest lists of an hour ago. The attack bends what
the host serves; the update must name the error, keep every byte of what was attacked, take what was
not, and take everything from an honest host afterwards. docs/spec/update.md numbers the steps.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from nacl import bindings

from keys import cbor, errors
from keys.cbor import MAX_INT
from keys.cose import sign_sign1
from keys.lifecycle import Environment
from keys.trustenvelope import Signature, encode_envelope, parse_envelope, sign_payload
from keys.trustlist import PinnedPolicy, TrustList, encode_trust_list
from keys.trustmodel import MAX_KEYS
from keys.trustupdate import MAX_STEP
from tests.code_support import DAY_S, NOW, signer
from tests.repository_support import (
    ENTRIES,
    TRUST_LIST,
    Country,
    Host,
    Venue,
    absent,
    cut,
    endless,
    other_bytes,
    redirected,
    refusals,
    root_names,
    roots_of,
    sign_trust,
    slow,
    snapshot_name,
    swapped,
    token_name,
)
from tests.vectors.generate_trust_list import TWINS
from verifier import errors as verifier_errors
from verifier.cache import delta_name
from verifier.check import Reason
from verifier.claims import HOUR_S
from verifier.statusdelta import StatusDelta, peek_delta, sign_delta
from verifier.statuslist import SNAPSHOT_TYP, STATUS_LIST_TYP, Snapshot, Status
from verifier.transport import decode_text

Attack = Callable[[Country, Host], None]

A, B, C = "110000", "120000", "130000"
LIST_A, LIST_B = 0, 1000
#: Positions of the first region's first list, as the venue holds it.
WITHDRAWN, SUPERSEDED, VALID = 4, 5, 6


@dataclass(frozen=True)
class Scenario:
    """An attack, and the error that it must end in.

    Attributes:
        hours: How long after the last honest update.
    """

    name: str
    attack: Attack
    error: str
    hours: int = 1


# --- attacks on the trust list ------------------------------------------------------------------


def trust_of(change: Callable[[TrustList], TrustList], *roots: str) -> Attack:
    """The host serves another trust list, signed by two roots or by these."""

    def attack(country: Country, host: Host) -> None:
        names = roots or root_names(country.epoch)[:2]
        host.files[TRUST_LIST] = sign_trust(change(country.trust), names)

    return attack


def trust_with(**changes: Any) -> Attack:  # noqa: ANN401 - members of a trust list
    return trust_of(lambda trust: replace(trust, **changes))


def trust_forged(change: Callable[[dict[Any, Any]], object]) -> Attack:
    """A payload that our own encoder would not make, signed by two roots."""

    def attack(country: Country, host: Host) -> None:
        payload: Any = cbor.decode(encode_trust_list(country.trust), max_bytes=2**20)
        change(payload)
        host.files[TRUST_LIST] = sign_payload_by_roots(cbor.encode(payload))

    return attack


def sign_payload_by_roots(payload: bytes) -> bytes:
    signers = [signer(name) for name in root_names(1)[:2]]
    return encode_envelope(payload, [sign_payload(payload, each) for each in signers])


def key_exchanged(public_key: bytes) -> Attack:
    """The first issuer's first key is another."""
    return trust_forged(lambda payload: payload[6][0][8][0].__setitem__(0, public_key))


def signatures(change: Callable[[list[Signature]], list[Signature]]) -> Attack:
    """The honest payload with other signatures."""

    def attack(country: Country, host: Host) -> None:
        envelope = parse_envelope(country.signed_trust())
        host.files[TRUST_LIST] = encode_envelope(
            envelope.payload, change(list(envelope.signatures))
        )

    return attack


def flipped(signature: Signature) -> Signature:
    return replace(signature, value=signature.value[:-1] + bytes((signature.value[-1] ^ 1,)))


def plus_order(signature: Signature) -> Signature:
    """The same signature with S + L: a second spelling of it."""
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(signature.value[32:], "little") + order
    return replace(signature, value=signature.value[:32] + scalar.to_bytes(32, "little"))


def roots_after(epoch: int) -> Callable[[TrustList], TrustList]:
    """New roots, the old ones named beside them."""
    return lambda trust: replace(trust, roots=roots_of(epoch), former_roots=trust.roots.keys)


def served(data: bytes) -> Attack:
    return bent(TRUST_LIST, other_bytes(data))


def bent(name: str, bend: Any) -> Attack:  # noqa: ANN401 - a Bend
    def attack(_: Country, host: Host) -> None:
        host.bends[name] = bend

    return attack


def more(name: str) -> Attack:
    """One byte more than the honest file."""
    return bent(name, lambda _, data: data + b"\0")


def key_of_both(trust: TrustList) -> bytes:
    payload: Any = cbor.decode(encode_trust_list(trust), max_bytes=2**20)
    payload[6][1][8] = sorted([payload[6][0][8][0], *payload[6][1][8]])
    return cbor.encode(payload)


def one_key_under_two_issuers(country: Country, host: Host) -> None:
    host.files[TRUST_LIST] = sign_payload_by_roots(key_of_both(country.trust))


def two_keys_with_one_kid(payload: dict[Any, Any]) -> None:
    twins = sorted(twin.public_key for twin in TWINS)
    payload[6][0][8] = [[twin, "code", NOW, NOW + DAY_S] for twin in twins]


def too_many_keys(payload: dict[Any, Any]) -> None:
    keys = sorted(signer(f"many {n}").public_key for n in range(MAX_KEYS + 1))
    payload[6][0][8] = [[key, "code", NOW, NOW + DAY_S] for key in keys]


def removed_root_signs(country: Country, host: Host) -> None:
    """A root that left signs in the place of one of the new ones."""
    country.epoch = 2
    names = (*root_names(1)[:2], root_names(2)[0])
    host.files[TRUST_LIST] = sign_trust(country.trust, names)


def other_roots_same_epoch(trust: TrustList) -> TrustList:
    keys = tuple(signer(name).public_key for name in (*root_names(1)[:2], "a thief"))
    return replace(trust, roots=replace(trust.roots, keys=keys))


def without_endings(trust: TrustList) -> TrustList:
    return replace(trust, issuers=tuple(replace(i, ending=None) for i in trust.issuers))


RISKS = {n: PinnedPolicy("risk-table", n, bytes([n]) * 32) for n in (2, 3)}
CHECKPOINT = f"celadon.test/log\n7\n{'A' * 43}=\n\n\u2014 celadon.test/log {'B' * 91}=\n".encode()
ORDER_8 = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa")
MIXED = bindings.crypto_core_ed25519_add(signer("mixed").public_key, ORDER_8)
BOTH_EPOCHS = (*root_names(1)[:2], *root_names(2)[:2])

TRUST: tuple[Scenario, ...] = (
    Scenario(
        "C71 the list of the version before", trust_with(version=6), "TrustListRollbackError"
    ),
    Scenario(
        "C71 a higher version that was issued earlier",
        trust_with(issued_at=NOW - 2 * HOUR_S),
        "TrustListRollbackError",
    ),
    Scenario(
        "C72 the version held with other content",
        trust_with(version=7),
        "TrustListEquivocationError",
    ),
    Scenario(
        "C73 a list past its end",
        trust_with(issued_at=NOW, next_update=NOW + DAY_S, not_after=NOW + DAY_S),
        "TrustListExpiredError", hours=27,
    ),
    Scenario(
        "C64 a list from tomorrow", trust_with(issued_at=NOW + DAY_S - 1), "TrustListClockError"
    ),
    Scenario(
        "C74 k-1 signatures", trust_of(lambda t: t, root_names(1)[0]), "TrustListQuorumError"
    ),
    Scenario("C74 no signature", signatures(lambda _: []), "TrustListQuorumError"),
    Scenario(
        "C74 one signer twice",
        signatures(lambda parts: [parts[0], parts[0]]),
        "TrustListSignerError",
    ),
    Scenario(
        "C74 a stranger in the place of a root",
        trust_of(lambda t: t, root_names(1)[0], "stranger"),
        "TrustListQuorumError",
    ),
    Scenario(
        "C74 a stranger beside the quorum",
        trust_of(lambda t: t, *root_names(1)[:2], "stranger"),
        "TrustListSignerError",
    ),
    Scenario(
        "C74 a removed root in the place of a new one", removed_root_signs, "TrustListQuorumError"
    ),
    Scenario(
        "C34b a changed bit in a signature",
        signatures(lambda parts: [flipped(parts[0]), parts[1]]),
        "TrustListSignatureError",
    ),
    Scenario(
        "C49 a signature spelt as S + L",
        signatures(lambda parts: [plus_order(parts[0]), parts[1]]),
        "TrustListSignatureError",
    ),
    Scenario(
        "C53 a signature of zeros",
        signatures(lambda parts: [replace(parts[0], value=bytes(64)), parts[1]]),
        "TrustListSignatureError",
    ),
    Scenario(
        "the roots of somebody else",
        trust_of(lambda t: replace(t, roots=roots_of(9)), *root_names(9)[:2]),
        "TrustListQuorumError",
    ),
    Scenario(
        "new roots without the old quorum",
        trust_of(roots_after(2), *root_names(2)),
        "TrustListQuorumError",
    ),
    Scenario(
        "new roots without their own quorum",
        trust_of(roots_after(2), *root_names(1)),
        "TrustListQuorumError",
    ),
    Scenario(
        "C75 roots jump from epoch 1 to 3",
        trust_of(roots_after(3), *root_names(1)[:2], *root_names(3)[:2]),
        "TrustListEpochError",
    ),
    Scenario(
        "a thief among the roots of the same epoch",
        trust_of(other_roots_same_epoch),
        "TrustListEpochError",
    ),
    Scenario(
        "C76 the last version that there is",
        trust_with(version=MAX_INT),
        "TrustListStepError",
    ),
    Scenario(
        "C76 one version out of reach",
        trust_with(version=7 + MAX_STEP + 1),
        "TrustListStepError",
    ),
    Scenario(
        "a withdrawn key is withdrawn no longer",
        trust_with(withdrawn=frozenset()),
        "TrustListWithdrawalError",
    ),
    Scenario(
        "new roots bring a withdrawn key back",
        trust_of(
            lambda trust: replace(roots_after(2)(trust), withdrawn=frozenset()), *BOTH_EPOCHS
        ),
        "TrustListWithdrawalError",
    ),
    Scenario(
        "a root that leaves signs unnamed",
        trust_of(lambda trust: replace(trust, roots=roots_of(2)), *BOTH_EPOCHS),
        "TrustListSignerError",
    ),
    Scenario(
        "a region that ends goes on after all",
        trust_of(without_endings),
        "TrustListSuccessorError",
    ),
    Scenario(
        "a region ends in favour of itself",
        trust_forged(lambda p: p[6][2].__setitem__(9, [C, NOW + DAY_S, NOW + DAY_S])),
        "TrustListSuccessorError",
    ),
    Scenario("an older risk table", trust_with(policies=(RISKS[2],)), "TrustListPolicyError"),
    Scenario("no risk table any more", trust_with(policies=()), "TrustListPolicyError"),
    Scenario(
        "another risk table of the same version",
        trust_with(policies=(replace(RISKS[3], digest=bytes(32)),)),
        "TrustListPolicyError",
    ),
    Scenario(
        "a key is withdrawn and listed",
        trust_forged(lambda p: p[7].__setitem__(0, listed_kid(A))),
        "TrustListKeyError",
    ),
    Scenario("C44 two keys share a kid", trust_forged(two_keys_with_one_kid), "TrustListKeyError"),
    Scenario("C78 a key under two issuers", one_key_under_two_issuers, "TrustListKeyError"),
    Scenario("C78 4,097 keys", trust_forged(too_many_keys), "TrustListKeyError"),
    Scenario("C50 a key of small order", key_exchanged(ORDER_8), "TrustListKeyError"),
    Scenario("C51 a key of mixed order", key_exchanged(MIXED), "TrustListKeyError"),
    Scenario("C53 a key of zeros", key_exchanged(bytes(32)), "TrustListKeyError"),
    Scenario("C52 a key with a second spelling", key_exchanged(b"\xee" + b"\xff" * 30 + b"\x7f"),
             "TrustListKeyError"),
    Scenario(
        "a root as an issuer's key",
        key_exchanged(signer(root_names(1)[0]).public_key),
        "TrustListKeyError",
    ),
    Scenario(
        "two issuers own the same lists",
        trust_forged(lambda p: p[6][1].__setitem__(5, p[6][0][6])),
        "TrustListRangeError",
    ),
    Scenario(
        "lists beyond 20 bits",
        trust_forged(lambda p: p[6][2].__setitem__(6, 2**20)),
        "TrustListRangeError",
    ),
    Scenario(
        "C65 a region twice",
        trust_forged(lambda p: p[6][1].__setitem__(1, p[6][0][1])),
        "TrustListFormatError",
    ),
    Scenario(
        "C47 a list of the test environment",
        trust_with(roots=roots_of(1, Environment.TEST)),
        "TrustListEnvironmentError",
    ),
    Scenario(
        "C80 status lists without https",
        trust_forged(lambda p: p[6][0].__setitem__(4, "http://p0.example/status/")),
        "TrustListEnvironmentError",
    ),
    Scenario("a member that nobody knows", trust_forged(lambda p: p.update({99: 1})),
             "TrustListFormatError"),
    Scenario("C14 a byte more", more(TRUST_LIST), "TrustListFormatError"),
    Scenario("C34 a byte less", bent(TRUST_LIST, cut), "TrustListFormatError"),
    Scenario("an empty file", served(b""), "TrustListFormatError"),
    Scenario("a page that says sorry", served(b"<html>login</html>"), "TrustListFormatError"),
    Scenario("C46 a checkpoint of a log", served(CHECKPOINT), "TrustListFormatError"),
    Scenario("C46 a status list", bent(TRUST_LIST, swapped(token_name(0))), "TrustListTypeError"),
    Scenario("C46 a snapshot", bent(TRUST_LIST, swapped(snapshot_name(A))), "TrustListTypeError"),
    Scenario("C46 a code", lambda c, h: served(decode_text(c.code(A, 1)))(c, h),
             "TrustListTypeError"),
    Scenario("C77 a body without an end", bent(TRUST_LIST, endless), "SourceTooLargeError"),
    Scenario("C77 a byte a second", bent(TRUST_LIST, slow), "SourceTooSlowError"),
    Scenario("C80 a redirect", bent(TRUST_LIST, redirected), "SourceError"),
    Scenario("no such file", bent(TRUST_LIST, absent), "SourceMissingError"),
)  # fmt: skip


def listed_kid(region: str) -> bytes:
    return Country().issuers[region].code_signer.kid


# --- attacks on one region's lists --------------------------------------------------------------


def lists(made: Callable[[Country], dict[int, bytes]]) -> Attack:
    """The first region publishes these lists, and its snapshot names them."""
    return lambda country, host: host.files.update(country.region_files(A, made(country)))


def delta(make: Callable[[StatusDelta], StatusDelta], *, by: str = A, hours: int = 0) -> Attack:
    """The first region's delta is another one, and its snapshot names that."""

    def attack(country: Country, host: Host) -> None:
        honest_delta = peek_delta(host.files[delta_name(A)])
        at = honest_delta.issued_at - hours * HOUR_S
        bad = make(replace(honest_delta, issued_at=at, base=at))
        made = sign_delta(bad, country.issuers[by].status_signer)
        tokens = {number: country.token(number) for number in country.numbers(A)}
        snapshot = replace(country.snapshot(A, tokens), delta=sha256(made).digest())
        host.files |= {delta_name(A): made, snapshot_name(A): country.sign_snapshot(snapshot)}

    return attack


def packed(country: Country, **bits: int) -> bytearray:
    """The contents of the region's first list, with this many entries more or less."""
    size = ENTRIES + bits.get("entries", 0)
    data = bytearray(size // 4)
    for index, status in country.statuses[LIST_A].items():
        if index < size:
            data[index // 4] |= status << index % 4 * 2
    return data


def entry(index: int, status: int) -> Attack:
    """A list in which one entry is another than it was."""

    def made(country: Country) -> dict[int, bytes]:
        data = packed(country)
        data[index // 4] = data[index // 4] & ~(3 << index % 4 * 2) | status << index % 4 * 2
        return {LIST_A: country.sign_token(LIST_A, bytes(data))}

    return lists(made)


def claims(by: str = "status", **changes: Any) -> Attack:  # noqa: ANN401 - members of a list
    """A list with other claims than our own signer would put there."""

    def made(country: Country) -> dict[int, bytes]:
        issuer = country.issuers[A]
        members: dict[int, Any] = {
            2: issuer.uri(LIST_A), 4: country.now + DAY_S, 6: country.now,
            65533: {"bits": 2, "lst": zlib.compress(bytes(packed(country)), 9)}, 65534: HOUR_S,
        }  # fmt: skip
        names = {"sub": 2, "exp": 4, "iat": 6, "status_list": 65533, "ttl": 65534}
        for name, value in changes.items():
            members[names[name]] = value(country) if callable(value) else value
        key = issuer.status_signer if by == "status" else issuer.code_signer
        return {LIST_A: sign_sign1(cbor.encode(members), key, typ=STATUS_LIST_TYP)}

    return lists(made)


def lst(make: Callable[[bytes], bytes], bits: int = 2) -> Attack:
    """A list whose compressed part is another."""
    return claims(status_list=lambda c: {"bits": bits, "lst": make(bytes(packed(c)))})


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


def with_dictionary(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_DEFAULT_STRATEGY, bytes(99))
    return stream.compress(data) + stream.flush()


def snapshot(change: Callable[[Country, Snapshot], Snapshot], by: str | None = None) -> Attack:
    """The first region's snapshot is another; its lists are honest."""

    def attack(country: Country, host: Host) -> None:
        tokens = {number: country.token(number) for number in country.numbers(A)}
        made = change(country, country.snapshot(A, tokens))
        host.files[snapshot_name(A)] = country.sign_snapshot(made, by=by)

    return attack


def names_also(number: int) -> Attack:
    return snapshot(lambda _, s: replace(s, digests={**s.digests, number: bytes(32)}))


def snapshot_signed_by(name: str) -> Attack:
    def attack(_: Country, host: Host) -> None:
        payload = cbor.encode({1: A, 2: NOW, 3: NOW + DAY_S, 4: 7, 5: {}})
        host.files[snapshot_name(A)] = sign_sign1(payload, signer(name), typ=SNAPSHOT_TYP)

    return attack


def yesterday(name: str) -> Attack:
    """One file as it was an hour before the last honest update."""

    def attack(_: Country, host: Host) -> None:
        host.files[name] = before().files()[name]

    return attack


def before() -> Country:
    """The country an hour before it was last seen."""
    country = honest()
    country.now -= HOUR_S
    return country


def everything_of_yesterday(_: Country, host: Host) -> None:
    old = before().files()
    host.files.update(
        {name: old[name] for name in old if name in (snapshot_name(A), token_name(0))}
    )


def frozen(_: Country, host: Host) -> None:
    """The region's files as they were at the last honest update."""
    old = honest().files()
    host.files.update({name: old[name] for name in (snapshot_name(A), token_name(0))})


def huge(country: Country) -> dict[int, bytes]:
    """Lists that do not compress, more than a region may send: 33 MiB."""
    noise = bindings.randombytes_buf_deterministic(2**18, bytes(32))
    return {number: country.sign_token(number, noise) for number in range(1, 130)}


def by_an_unlisted_status_key(country: Country, host: Host) -> None:
    """The issuer changed its status key, and the host still signs by the old one."""
    files = country.region_files(A)
    country.change_status_key(A)
    host.files[TRUST_LIST] = country.signed_trust()
    host.files.update(files)


def lists_of_the_other(_: Country, host: Host) -> None:
    """The other region's files under this one's names."""
    host.files[snapshot_name(A)] = host.files[snapshot_name(B)]
    host.files[token_name(LIST_A)] = host.files[token_name(LIST_B)]


REGION: tuple[Scenario, ...] = (
    Scenario("C87 all lists of yesterday", everything_of_yesterday, "StatusListRollbackError"),
    Scenario("C79 the snapshot of yesterday", yesterday(snapshot_name(A)),
             "StatusListRollbackError"),
    Scenario("C79 one list of yesterday", yesterday(token_name(LIST_A)), "StatusDeltaReachError"),
    Scenario(
        "another snapshot of the same second",
        snapshot(lambda _, s: replace(s, issued_at=NOW, digests={})),
        "StatusListRollbackError",
    ),
    Scenario("a region frozen for 25 h", frozen, "StatusListExpiredError", hours=25),
    Scenario(
        "a region frozen by a snapshot without an end",
        snapshot(lambda _, s: replace(s, issued_at=NOW + 60, exp=NOW + 10**9)),
        "StatusListExpiredError",
        hours=25,
    ),
    Scenario("C88 a snapshot past its end",
             snapshot(lambda c, s: replace(s, issued_at=NOW + 60, exp=c.now)),
             "StatusListExpiredError"),
    Scenario("C95 a snapshot from the future",
             snapshot(lambda c, s: replace(s, issued_at=c.now + 1)), "StatusListExpiredError"),
    Scenario("a snapshot under a trust list that is withheld",
             snapshot(lambda c, s: replace(s, trust_version=c.version + 1)), "SnapshotError"),
    Scenario("a snapshot that names a list that is missing", names_also(77),
             "SourceMissingError"),
    Scenario("a snapshot that names another issuer's list", names_also(LIST_B),
             "StatusListScopeError"),
    Scenario("a snapshot that names a list that nobody owns", names_also(2**20 - 1),
             "StatusListScopeError"),
    Scenario("another region's lists under this one's names", lists_of_the_other,
             "StatusListScopeError"),
    Scenario("C45 a snapshot for this region by another issuer", snapshot(lambda _, s: s, by=B),
             "StatusListScopeError"),
    Scenario("a snapshot signed by a code key", snapshot_signed_by(f"{A} code 1"),
             "StatusListSignerError"),
    Scenario("a snapshot signed by a stranger", snapshot_signed_by("stranger"),
             "StatusListSignerError"),
    Scenario("a snapshot signed by a root", snapshot_signed_by(root_names(1)[0]),
             "StatusListSignerError"),
    Scenario("lists by a status key that is listed no more", by_an_unlisted_status_key,
             "StatusListSignerError"),
    Scenario("C34b a changed bit in a snapshot",
             bent(snapshot_name(A), lambda _, d: d[:-1] + bytes((d[-1] ^ 1,))),
             "StatusListSignerError"),
    Scenario("C14 a byte more behind a snapshot", more(snapshot_name(A)), "StatusListFormatError"),
    Scenario("an empty snapshot", bent(snapshot_name(A), other_bytes(b"")),
             "StatusListFormatError"),
    Scenario("C46 a checkpoint of a log as a snapshot",
             bent(snapshot_name(A), other_bytes(CHECKPOINT)), "StatusListFormatError"),
    Scenario("C46 a trust list as a snapshot", bent(snapshot_name(A), swapped(TRUST_LIST)),
             "StatusListFormatError"),
    Scenario("C46 a status list as a snapshot", bent(snapshot_name(A), swapped(token_name(0))),
             "StatusListFormatError"),
    Scenario("C90 a withdrawn code is valid again", entry(WITHDRAWN, Status.VALID),
             "StatusListClearedError"),
    Scenario("C90 a withdrawn code is only superseded", entry(WITHDRAWN, Status.SUPERSEDED),
             "StatusListClearedError"),
    Scenario("C90 a superseded code is valid again", entry(SUPERSEDED, Status.VALID),
             "StatusListClearedError"),
    Scenario("C90 a shorter list",
             lists(lambda c: {LIST_A: c.sign_token(LIST_A, bytes(packed(c, entries=-4)))}),
             "StatusListClearedError"),
    Scenario("C85 another width of entries", lst(zlib.compress, bits=1), "StatusListFormatError"),
    Scenario("C85 three bits an entry", lst(zlib.compress, bits=3), "StatusListFormatError"),
    Scenario("C83 a list that inflates to 4 MiB", lst(lambda _: zlib.compress(bytes(2**22), 9)),
             "StatusListFormatError"),
    Scenario("C84 bytes behind the stream", lst(lambda d: zlib.compress(d) + b"\0"),
             "StatusListFormatError"),
    Scenario("C84 half a stream", lst(lambda d: zlib.compress(d)[:-1]), "StatusListFormatError"),
    Scenario("C84 a stream with a dictionary", lst(with_dictionary), "StatusListFormatError"),
    Scenario("C84 a raw stream", lst(raw_deflate), "StatusListFormatError"),
    Scenario("C87 no time to live", claims(ttl=0), "StatusListFormatError"),
    Scenario("C87 a time to live below 0", claims(ttl=-1), "StatusListFormatError"),
    Scenario("C87 a list older than its delta reaches", claims(iat=NOW), "StatusDeltaReachError"),
    Scenario("C95 a list from the future", claims(iat=lambda c: c.now + 1),
             "StatusListExpiredError"),
    Scenario("C88 a list past its end", claims(iat=NOW + 60, exp=lambda c: c.now),
             "StatusListExpiredError"),
    Scenario("C86 the address of another of its lists",
             claims(sub=lambda c: c.issuers[A].uri(LIST_A + 1)), "StatusListScopeError"),
    Scenario("C86 the address of another issuer's list",
             claims(sub=lambda c: c.issuers[B].uri(LIST_B)), "StatusListScopeError"),
    Scenario("C86 the address at another host",
             claims(sub="https://evil.example/status/0.cwt"), "StatusListScopeError"),
    Scenario("a list by another issuer's key",
             lists(lambda c: {LIST_A: c.sign_token(LIST_A, bytes(packed(c)), by=B)}),
             "StatusListScopeError"),
    Scenario("a list by a code key", claims(by="code"), "StatusListSignerError"),
    Scenario("C46 a snapshot as a list",
             lists(lambda c: {LIST_A: c.sign_snapshot(c.snapshot(A, {}))}),
             "StatusListFormatError"),
    Scenario("two lists under each other's names",
             lists(lambda c: {LIST_A: c.sign_token(1, bytes(64)), 1: c.token(LIST_A)}),
             "StatusListScopeError"),
    Scenario("C34 a list that is cut on the way", bent(token_name(0), cut),
             "StatusListFormatError"),
    Scenario("C34b a changed bit in a list",
             bent(token_name(0), lambda _, d: d[:-1] + bytes((d[-1] ^ 1,))),
             "StatusListSignerError"),
    Scenario("C79 the delta of yesterday", yesterday(delta_name(A)), "SnapshotError"),
    Scenario("C87 a delta older than the one held",
             delta(lambda d: replace(d, issued_at=NOW - 1, base=NOW - DAY_S)),
             "StatusListRollbackError"),
    Scenario("C86 the delta of another region",
             delta(lambda d: replace(d, region=B, changes={LIST_B: b""}), by=B),
             "StatusListScopeError"),
    Scenario("C86 a delta with a list of another region",
             delta(lambda d: replace(d, changes={LIST_A: b"", LIST_B: b""})),
             "StatusListScopeError"),
    Scenario("C86 a delta signed by another region", delta(lambda d: d, by=B),
             "StatusListScopeError"),
    Scenario("a delta that has ended", delta(lambda d: replace(d, exp=d.issued_at + 1), hours=1),
             "StatusListExpiredError", hours=1),
    Scenario("C82 a delta of an entry that is not there",
             delta(lambda d: replace(d, changes={LIST_A: b"\x80\x04"})),
             "StatusDeltaPositionError"),
    Scenario("a delta that forgets a list", delta(lambda d: replace(d, changes={})),
             "StatusListScopeError"),
    Scenario("a change in more bytes than it needs",
             delta(lambda d: replace(d, changes={LIST_A: b"\x80\x00"})), "StatusListFormatError"),
    Scenario("C79 a change that nobody made",
             delta(lambda d: replace(d, changes={LIST_A: b"\x50"})), "SnapshotError"),
    Scenario("a delta that is not there", bent(delta_name(A), absent), "SourceMissingError"),
    Scenario("C77 a delta without an end", bent(delta_name(A), endless), "SourceTooLargeError"),
    Scenario("a list that is not there", bent(token_name(0), absent), "SourceMissingError"),
    Scenario("C77 a list without an end", bent(token_name(0), endless), "SourceTooLargeError"),
    Scenario("C77 a snapshot without an end", bent(snapshot_name(A), endless),
             "SourceTooLargeError"),
    Scenario("more lists than a region may send", lists(huge), "SourceTooLargeError"),
    Scenario("C80 a list behind a redirect", bent(token_name(0), redirected), "SourceError"),
    Scenario("C80 a snapshot behind a redirect", bent(snapshot_name(A), redirected),
             "SourceError"),
    Scenario("no snapshot", bent(snapshot_name(A), absent), "SourceMissingError"),
)  # fmt: skip


# --- one update each ----------------------------------------------------------------------------


def honest() -> Country:
    """The country as the venue last saw it.

    One key is withdrawn, two codes are taken back, a region ends in ten days, and a risk table is
    pinned.
    """
    country = Country(policies=(RISKS[3],))
    country.end(C, B, NOW + 10 * DAY_S)
    country.withdraw_code_key(B)
    country.take_back(LIST_A, WITHDRAWN)
    country.take_back(LIST_A, SUPERSEDED, Status.SUPERSEDED)
    return country


def seen_of(files: dict[str, bytes], region: str) -> object:
    seen: Any = cbor.decode(files["seen.cbor"], max_bytes=2**16)
    return seen[2].get(region)


@pytest.fixture
def venue(tmp_path: Path) -> Venue:
    made = Venue(tmp_path / "venue", honest())
    assert made.update(Host(honest().files()), now=NOW).problems == ()
    return made


def attacked(venue: Venue, scenario: Scenario) -> tuple[Country, list[tuple[str, str]]]:
    """The country some hours on, and what the venue refused of what the attacker served."""
    country = honest()
    country.pass_time(scenario.hours * HOUR_S)
    country.take_back(LIST_A, VALID)
    host = Host(country.files())
    scenario.attack(country, host)
    return country, [*refusals(venue.update(host, now=country.now))]


def require_recovery(venue: Venue) -> None:
    """An honest host brings everything, whatever was tried before."""
    country = honest()
    country.withdraw_code_key(A)
    country.pass_time()
    country.pass_time(47 * HOUR_S)
    country.take_back(LIST_A, VALID)
    report = venue.update(Host(country.files()), now=country.now)
    assert report.problems == ()
    assert report.regions == tuple(country.issuers)
    assert venue.verdict(country.code(A, VALID), now=country.now) is Reason.WITHDRAWN
    assert venue.verdict(country.code(A, VALID + 1), now=country.now) is Reason.ADMITTED


@pytest.mark.parametrize("scenario", TRUST, ids=lambda scenario: scenario.name)
def test_attack_on_the_trust_list_is_refused_and_changes_nothing(
    venue: Venue, scenario: Scenario
) -> None:
    """The error is the attack's own, and not one byte of the folder changes.

    Not even a region's lists: they name the trust list that was withheld.
    """
    held = venue.contents()
    _, refused = attacked(venue, scenario)
    assert refused[0] == ("trust list", scenario.error)
    assert len(refused) == 1 + 3
    assert venue.contents() == held
    require_recovery(venue)


@pytest.mark.parametrize("scenario", REGION, ids=lambda scenario: scenario.name)
def test_attack_on_a_region_is_refused_and_keeps_its_lists(
    venue: Venue, scenario: Scenario
) -> None:
    """The error is the attack's own, no byte of the region changes, the others are updated."""
    held = venue.contents()
    country, refused = attacked(venue, scenario)
    assert refused == [(A, scenario.error)]
    after = venue.contents()
    assert after.keys() == held.keys()
    assert after[token_name(LIST_A)] == held[token_name(LIST_A)]
    assert seen_of(after, A) == seen_of(held, A)
    assert after[TRUST_LIST] != held[TRUST_LIST]
    for number in (LIST_B, 2000):
        assert after[token_name(number)] == country.files()[token_name(number)]
    require_recovery(venue)


#: What no update meets: a check asks for an entry, an update for whole lists.
NOT_BY_UPDATING = {"StatusListIndexError"}


def leaves(base: type[Exception]) -> set[str]:
    """The errors of a family that something raises as they are."""
    below = base.__subclasses__()
    return {base.__name__}.union(*map(leaves, below)) if below else {base.__name__}


def test_every_error_of_updating_has_a_scenario() -> None:
    """No way to refuse a list exists that no attack here runs into."""
    families = (errors.TrustListError, verifier_errors.StatusListError, verifier_errors.SourceError)
    reachable = set[str]().union(*map(leaves, families)) - NOT_BY_UPDATING
    reachable -= {"TrustListError", "StatusListError"}  # of these only the leaves are raised
    assert {scenario.error for scenario in (*TRUST, *REGION)} == reachable


def test_every_error_of_updating_is_in_the_spec() -> None:
    """docs/spec/update.md says for each refusal at which step it comes."""
    page = (Path(__file__).parents[3] / "docs/spec/update.md").read_text()
    assert {s.error for s in (*TRUST, *REGION) if f"`{s.error}`" not in page} == set()


def test_every_scenario_has_a_name_of_its_own() -> None:
    """A hundred attacks and none twice."""
    names = [scenario.name for scenario in (*TRUST, *REGION)]
    assert len(set(names)) == len(names) > 100
