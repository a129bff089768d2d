"""The trust list at its real size, beside the raw libsodium calls that nobody can leave out."""

from collections.abc import Iterable, Iterator

from nacl import bindings

from keys.kid import kid
from keys.lifecycle import Environment, Purpose
from keys.signer import SeedSigner
from keys.trustenvelope import parse_envelope, signed_bytes
from keys.trustlist import (
    Ending,
    ListedIssuer,
    ListedKey,
    PinnedPolicy,
    Roots,
    TrustList,
    encode_trust_list,
    sign_trust_list,
    verify_trust_list,
)
from tests.bench.harness import Row, at_most, interleaved, stated

ISSUERS = 34
KEYS_EACH = 90
ENDED = (32, 33)


def run() -> Iterator[Row]:
    signers = [SeedSigner(bytes([0xA0 + i]) * 32) for i in range(5)]
    roots = Roots(1, 3, tuple(signer.public_key for signer in signers), Environment.TEST)
    trust = TrustList(
        version=1,
        issued_at=0,
        next_update=1,
        not_after=2,
        roots=roots,
        issuers=tuple(_issuer(number) for number in range(ISSUERS)),
        policies=tuple(PinnedPolicy(f"rules-{i}", 1, bytes(32)) for i in range(ISSUERS + 1)),
    )
    data = sign_trust_list(encode_trust_list(trust), signers[:3])
    envelope = parse_envelope(data)
    by_kid = {kid(key): key for key in roots.keys}
    signed = [
        (signature.value + signed_bytes(signature.kid, envelope.payload), by_kid[signature.kid])
        for signature in envelope.signatures
    ]
    points = [key.public_key for issuer in trust.issuers for key in issuer.keys]
    found = [key.kid for issuer in trust.issuers for key in issuer.keys]
    times = interleaved(
        {
            "load": lambda: verify_trust_list(data, roots),
            "raw": lambda: _raw(signed, points),
            "find": lambda: [trust.find(kid) for kid in found],
        },
        rounds=9,
        number=1,
    )
    yield stated(f"trust list of {ISSUERS} issuers with {KEYS_EACH} keys", len(data), "B")
    yield stated("verify and load it", 1e3 * times["load"], "ms")
    yield at_most("over its raw signature and point checks", times["load"] / times["raw"], 1.5)
    yield stated("find a key in it", 1e6 * times["find"] / len(found), "us")


def _issuer(number: int) -> ListedIssuer:
    keys = tuple(
        ListedKey(SeedSigner((number * KEYS_EACH + i).to_bytes(32)).public_key, Purpose.CODE, 0, 1)
        for i in range(KEYS_EACH)
    )
    return ListedIssuer(
        region=f"{11 + number}0000",
        name_zh="省",
        name_en="Province",
        status_base=f"https://r{number}.example/status/",
        first_list=number * 1_000,
        last_list=number * 1_000 + 999,
        contact="office",
        keys=keys,
        # Two that end, as Yan'an and Ankang do.
        ending=Ending("110000", 0, 1) if number in ENDED else None,
    )


def _raw(signed: Iterable[tuple[bytes, bytes]], points: Iterable[bytes]) -> None:
    """The same signatures and points by libsodium alone, of bytes that lie ready."""
    for message, key in signed:
        bindings.crypto_sign_open(message, key)
    for point in points:
        bindings.crypto_core_ed25519_is_valid_point(point)
