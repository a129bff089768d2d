"""The signed trust list: payload, signatures, verification. Pure. Spec: docs/spec/trust-list.md.

`keys.trustupdate` decides whether a genuine list may replace the one that is held.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, TypeVar

from keys import cbor, ed25519
from keys.cose import MessageSigner
from keys.ed25519 import PublicKey
from keys.errors import (
    CborError,
    PublicKeyError,
    SignatureError,
    TrustListEnvironmentError,
    TrustListEpochError,
    TrustListFormatError,
    TrustListKeyError,
    TrustListQuorumError,
    TrustListSignatureError,
    TrustListSignerError,
)
from keys.kid import kid
from keys.purpose import Environment, Purpose
from keys.trustenvelope import (
    MAX_BYTES,
    Envelope,
    Signature,
    encode_envelope,
    parse_envelope,
    sign_payload,
    signed_bytes,
)
from keys.trustmodel import Ending, ListedIssuer, ListedKey, PinnedPolicy, Roots, TrustList

__all__ = [
    "MAX_BYTES", "Ending", "ListedIssuer", "ListedKey", "PinnedPolicy", "Roots", "TrustList",
    "decode_roots", "decode_trust_list", "encode_roots", "encode_trust_list", "recall_trust_list",
    "require_following_roots", "sign_trust_list", "verify_trust_list",
]  # fmt: skip

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

# Keys of the payload's maps, in the order of docs/spec/trust-list.cddl.
_VERSION: Final = 1
_ISSUED_AT: Final = 2
_NEXT_UPDATE: Final = 3
_NOT_AFTER: Final = 4
_ROOTS: Final = 5
_ISSUERS: Final = 6
_WITHDRAWN: Final = 7
_FORMER_ROOTS: Final = 8
_POLICIES: Final = 9
_ENDING: Final = 9  # of an issuer


def sign_trust_list(payload: bytes, signers: Iterable[MessageSigner]) -> bytes:
    """The list, signed by all of *signers*, when they are in one place."""
    return encode_envelope(payload, [sign_payload(payload, signer) for signer in signers])


def verify_trust_list(data: bytes, roots: Roots) -> TrustList:
    """The list in *data*, once the quorums that it needs have signed it.

    Does not look at the time, nor at any list held before: `keys.trustupdate` does.

    Args:
        data: A whole published list.
        roots: The roots trusted until now. The list may name these, or the next epoch's.

    Raises:
        TrustListError: The leaf names the check that failed.
    """
    return _verified(data, roots, points=True)


def recall_trust_list(data: bytes, roots: Roots) -> TrustList:
    """A list that this verifier accepted earlier, read again.

    All of `verify_trust_list` but one thing that the same bytes do not need twice: that each
    listed key is a point of the main subgroup. A country's 3,000 keys take a tenth of a second.

    Raises:
        TrustListError: As `verify_trust_list`.
    """
    return _verified(data, roots, points=False)


def _verified(data: bytes, roots: Roots, *, points: bool) -> TrustList:
    envelope = parse_envelope(data)
    # The trusted quorum comes before the payload: strangers do not get a list decoded.
    _require_quorum(envelope, roots)
    trust = _decoded(envelope.payload, points=points)
    require_following_roots(roots, trust.roots)
    if trust.roots != roots:
        _require_quorum(envelope, trust.roots)
    _require_no_stranger(envelope, trust)
    return trust


def require_following_roots(roots: Roots, named: Roots) -> None:
    """Raise unless a list may name these roots where others are trusted: one epoch at a time.

    Raises:
        TrustListEnvironmentError, TrustListEpochError: It may not.
    """
    if named.environment is not roots.environment:
        raise TrustListEnvironmentError(f"{named.environment} list, {roots.environment} roots")
    if named.epoch not in (roots.epoch, roots.epoch + 1):
        raise TrustListEpochError(f"epoch {named.epoch} cannot follow epoch {roots.epoch}")
    if named.epoch == roots.epoch and named != roots:
        raise TrustListEpochError(f"other roots under the same epoch {roots.epoch}")


def _require_quorum(envelope: Envelope, roots: Roots) -> None:
    """As many good signatures by these roots as their threshold says, and no bad one."""
    keys = {kid(key): key for key in roots.keys}
    own = [signature for signature in envelope.signatures if signature.kid in keys]
    if len(own) < roots.threshold:
        raise TrustListQuorumError(
            f"{len(own)} signatures by the roots of epoch {roots.epoch}, {roots.threshold} needed"
        )
    for signature in own:
        _verify(signature, envelope.payload, keys[signature.kid])


def _require_no_stranger(envelope: Envelope, trust: TrustList) -> None:
    """No signature that nobody can verify, and none that is wrong: every byte counts.

    The list itself names whoever signed it. Else the list that brings new roots could not be read
    again under them, and every verifier that took it would stand still.
    """
    counted = {kid(key) for key in trust.roots.keys}
    former = {kid(key): key for key in trust.former_roots}
    for signature in envelope.signatures:
        if signature.kid in counted:
            continue
        if signature.kid not in former:
            raise TrustListSignerError(
                f"signed by {signature.kid.hex()}, no root that the list names, nor a former one"
            )
        _verify(signature, envelope.payload, former[signature.kid])


def _verify(signature: Signature, payload: bytes, key: PublicKey) -> None:
    try:
        ed25519.verify(signature.value, signed_bytes(signature.kid, payload), key)
    except SignatureError as error:
        raise TrustListSignatureError(
            f"the signature by root {signature.kid.hex()} does not verify"
        ) from error


def encode_trust_list(trust: TrustList) -> bytes:
    """The payload that roots sign."""
    payload: dict[int, object] = {
        _VERSION: trust.version,
        _ISSUED_AT: trust.issued_at,
        _NEXT_UPDATE: trust.next_update,
        _NOT_AFTER: trust.not_after,
        _ROOTS: _roots_map(trust.roots),
        _ISSUERS: [_issuer_map(issuer) for issuer in trust.issuers],
        _WITHDRAWN: sorted(trust.withdrawn),
    }
    if trust.former_roots:
        payload[_FORMER_ROOTS] = trust.former_roots
    if trust.policies:
        payload[_POLICIES] = [[pin.name, pin.version, pin.digest] for pin in trust.policies]
    return cbor.encode(payload)


def decode_trust_list(payload: bytes) -> TrustList:
    """The list in these bytes, whoever made them: for drafts. Verifies no signature.

    Raises:
        TrustListError: Not the one encoding of a list that may exist.
    """
    return _decoded(payload, points=True)


def _require_points(trust: TrustList) -> None:
    """Each listed key must be a point that may be trusted."""
    for issuer in trust.issuers:
        for key in issuer.keys:
            _public_key(key.public_key)


def _decoded(payload: bytes, *, points: bool) -> TrustList:
    members = _Members(_decode(payload), "the list")
    trust = TrustList(
        version=members.take(_VERSION, int),
        issued_at=members.take(_ISSUED_AT, int),
        next_update=members.take(_NEXT_UPDATE, int),
        not_after=members.take(_NOT_AFTER, int),
        roots=_roots(members.take(_ROOTS, dict)),
        issuers=tuple(_issuer(item) for item in members.take(_ISSUERS, list)),
        withdrawn=frozenset(_all(bytes, members.take(_WITHDRAWN, list))),
        former_roots=tuple(
            _public_key(key) for key in members.take(_FORMER_ROOTS, list, default=[])
        ),
        policies=tuple(_policy(pin) for pin in members.take(_POLICIES, list, default=[])),
    )
    if points:
        _require_points(trust)
    # Unknown members, a second order or an empty optional member do not survive this.
    if encode_trust_list(trust) != payload:
        raise TrustListFormatError("not the one encoding of its content")
    return trust


def encode_roots(roots: Roots) -> bytes:
    """The file that a verifier is given once, by hand. It is not signed: compare its digest."""
    return cbor.encode(_roots_map(roots))


def decode_roots(data: bytes) -> Roots:
    """The roots in such a file.

    Raises:
        TrustListError: Not the one encoding of usable roots.
    """
    roots = _roots(_decode(data))
    if encode_roots(roots) != data:
        raise TrustListFormatError("not the one encoding of its content")
    return roots


def _roots_map(roots: Roots) -> dict[int, object]:
    return {1: roots.epoch, 2: roots.threshold, 3: roots.environment.value, 4: roots.keys}


def _issuer_map(issuer: ListedIssuer) -> dict[int, object]:
    ending = issuer.ending
    end: dict[int, object] = {}
    if ending is not None:
        end[_ENDING] = [ending.successor, ending.ends_at, ending.grace_until]
    return end | {
        1: issuer.region,
        2: issuer.name_zh,
        3: issuer.name_en,
        4: issuer.status_base,
        5: issuer.first_list,
        6: issuer.last_list,
        7: issuer.contact,
        8: [
            [key.public_key, key.purpose.value, key.not_before, key.not_after]
            for key in issuer.keys
        ],
    }


def _roots(value: object) -> Roots:
    members = _Members(value, "the roots")
    return Roots(
        epoch=members.take(1, int),
        threshold=members.take(2, int),
        environment=_word(Environment, members.take(3, str)),
        keys=tuple(_public_key(key) for key in members.take(4, list)),
    )


def _issuer(value: object) -> ListedIssuer:
    members = _Members(value, "an issuer")
    return ListedIssuer(
        region=members.take(1, str),
        name_zh=members.take(2, str),
        name_en=members.take(3, str),
        status_base=members.take(4, str),
        first_list=members.take(5, int),
        last_list=members.take(6, int),
        contact=members.take(7, str),
        keys=tuple(_key(item) for item in members.take(8, list)),
        ending=_ending(members.take(_ENDING, list, default=[])),
    )


def _ending(value: list[object]) -> Ending | None:
    match value:
        case []:  # not there; an empty array would not survive the encoder
            return None
        case [str(successor), int(ends_at), int(grace_until)] if not (
            isinstance(ends_at, bool) or isinstance(grace_until, bool)
        ):
            return Ending(successor, ends_at, grace_until)
        case _:
            raise TrustListFormatError("not the three parts of an ending")


def _policy(value: object) -> PinnedPolicy:
    match value:
        case [str(name), int(version), bytes(digest)] if not isinstance(version, bool):
            return PinnedPolicy(name, version, digest)
        case _:
            raise TrustListFormatError("not the three parts of a pinned policy")


def _key(value: object) -> ListedKey:
    match value:
        case [public_key, str(purpose), int(not_before), int(not_after)] if not (
            isinstance(not_before, bool) or isinstance(not_after, bool)
        ):
            return ListedKey(_key_bytes(public_key), _word(Purpose, purpose), not_before, not_after)
        case _:
            raise TrustListFormatError("not the four parts of a listed key")


def _key_bytes(value: object) -> PublicKey:
    """A key by its shape. `_require_points` looks at the rest."""
    if not isinstance(value, bytes):
        raise TrustListFormatError("a public key is not bytes")
    if len(value) != ed25519.PUBLIC_KEY_BYTES:
        raise TrustListKeyError(f"a public key has 32 bytes, not {len(value)}")
    return PublicKey(value)


def _public_key(value: object) -> PublicKey:
    value = _key_bytes(value)
    try:
        return ed25519.parse_public_key(value)
    except PublicKeyError as error:
        raise TrustListKeyError(f"key {kid(value).hex()}: {error}") from error


def _word(words: type[E], value: str) -> E:
    try:
        return words(value)
    except ValueError as error:
        raise TrustListFormatError(f"an unknown {words.__name__.lower()}") from error


def _all(kind: type[T], items: list[object]) -> list[T]:
    return [_typed(kind, item, "an item") for item in items]


def _typed(kind: type[T], value: object, what: str) -> T:
    # Exactly this type: a bool is an int to Python, and to nobody else.
    if type(value) is not kind:
        raise TrustListFormatError(f"{what} is not of type {kind.__name__}")
    return value


class _Members:
    """The members of a decoded map, taken one by one. What nobody takes, the encoder misses."""

    def __init__(self, value: object, what: str) -> None:
        self._map = _typed(dict, value, what)
        self._what = what

    def take(self, key: int, kind: type[T], default: T | None = None) -> T:
        value = self._map.get(key, default)
        return _typed(kind, value, f"member {key} of {self._what}")


def _decode(data: bytes) -> cbor.Value:
    try:
        return cbor.decode(data, max_bytes=MAX_BYTES)
    except CborError as error:
        raise TrustListFormatError(f"payload: {error}") from error
