"""What verifiers hold when the cases begin: tests/vectors/worlds/, one folder each."""

from dataclasses import replace
from functools import cache
from typing import Final

from keys.lifecycle import Purpose
from keys.trustlist import (
    ListedKey,
    TrustList,
    encode_roots,
    encode_trust_list,
    sign_trust_list,
)
from tests.code_support import (
    ANKANG,
    DAY_S,
    HEILONGJIANG,
    NOW,
    SHAANXI,
    YANAN,
    World,
    listed,
    signer,
)
from tests.vectors.cases import json_file
from verifier.claims import HOUR_S
from verifier.statuslist import DEFAULT_ENTRIES, recall_status_list, sign_status_list

__all__ = ["ENDED", "FRESH", "MISSING", "OLDEST", "TAKEN_BACK", "TOO_OLD", "files"]

# Status lists of Shaanxi, by what is special about them; list 5 is held by nobody.
FRESH, TOO_OLD, OLDEST, ENDED, MISSING = 1, 2, 3, 4, 5
#: Entries of list 1: withdrawn, superseded, and a value without a meaning.
TAKEN_BACK: Final = {1: 1, 2: 2, 3: 3}


def _plain() -> TrustList:
    """Two provinces, Shaanxi with a key for each way in which a key may not sign, and the cities
    that end, Yan'an with a key that stopped counting before."""
    trust = World().trust
    odd_keys = (
        _key("610000 early", Purpose.CODE, not_before=NOW + 1),
        _key("610000 late", Purpose.CODE, not_after=NOW),
        _key("610000 evidence", Purpose.EVIDENCE),
    )
    shaanxi = SHAANXI.listed()
    shaanxi = replace(shaanxi, keys=(*shaanxi.keys, *odd_keys))
    yanan = YANAN.listed()
    yanan = replace(yanan, keys=(*yanan.keys, _key("610600 late", Purpose.CODE, not_after=NOW - 1)))
    return replace(trust, issuers=(shaanxi, HEILONGJIANG.listed(), yanan, ANKANG.listed()))


def _key(
    name: str, purpose: Purpose, *, not_before: int | None = None, not_after: int | None = None
) -> ListedKey:
    return listed(signer(name).public_key, purpose, not_before=not_before, not_after=not_after)


def _withdrawn() -> TrustList:
    """After the code key of Shaanxi was stolen: another one, and the old one dead for ever."""
    trust = _plain()
    stolen = SHAANXI.code_signer.kid
    keys = tuple(key for key in SHAANXI.listed().keys if key.kid != stolen)
    shaanxi = replace(SHAANXI.listed(), keys=(*keys, _key("610000 next", Purpose.CODE)))
    issuers = (shaanxi, *(issuer for issuer in trust.issuers if issuer.region != SHAANXI.region))
    return replace(trust, issuers=issuers, withdrawn=frozenset({stolen}))


def _dated(issued_at: int, not_after: int) -> TrustList:
    return replace(_plain(), issued_at=issued_at, next_update=issued_at + 1, not_after=not_after)


def _packed(entries: dict[int, int]) -> bytes:
    packed = bytearray(DEFAULT_ENTRIES // 4)
    for index, value in entries.items():
        packed[index >> 2] |= value << (index & 3) * 2
    return bytes(packed)


def _token(list_number: int, issued_at: int, exp: int) -> bytes:
    return sign_status_list(
        _packed(TAKEN_BACK if list_number == FRESH else {}),
        uri=SHAANXI.uri(list_number),
        issued_at=issued_at,
        exp=exp,
        ttl=HOUR_S,
        signer=SHAANXI.status_signer,
    )


def _tokens() -> tuple[bytes, ...]:
    hour_ago, tomorrow = NOW - HOUR_S, NOW + DAY_S
    return (
        _token(FRESH, hour_ago, tomorrow),
        _token(TOO_OLD, NOW - DAY_S - 1, tomorrow),
        _token(OLDEST, NOW - DAY_S, tomorrow),
        _token(ENDED, hour_ago, NOW),
        *(
            issuer.status_token(issuer.first_list, _packed({}), issued_at=hour_ago)
            for issuer in (HEILONGJIANG, YANAN, ANKANG)
        ),
    )


@cache
def files() -> dict[str, bytes]:
    """The files of all worlds by their path below the folder."""
    trusts = {
        "plain": _plain(),
        "key-withdrawn": _withdrawn(),
        "trust-oldest": _dated(NOW - DAY_S, NOW + DAY_S),
        "trust-too-old": _dated(NOW - DAY_S - 1, NOW + DAY_S),
        "trust-confirmed": _dated(NOW - 9 * DAY_S, NOW + DAY_S),
        "trust-confirmed-long-ago": _dated(NOW - 9 * DAY_S, NOW + DAY_S),
        "trust-ended": _dated(NOW - 2 * HOUR_S, NOW),
    }
    confirmed = {
        "trust-confirmed": NOW - DAY_S,
        "trust-confirmed-long-ago": NOW - DAY_S - 1,
        "trust-ended": NOW - HOUR_S // 2,
    }
    roots = [signer("root 1"), signer("root 2")]
    made: dict[str, bytes] = {}
    for name, trust in trusts.items():
        world = {
            "roots.cbor": encode_roots(trust.roots),
            "trust-list.cbor": sign_trust_list(encode_trust_list(trust), roots),
            "world.json": json_file({"confirmed": confirmed.get(name)}),
            **{f"status/{_number(token, trust)}.cwt": token for token in _tokens()},
        }
        made |= {f"{name}/{path}": data for path, data in world.items()}
    return made


def _number(token: bytes, trust: TrustList) -> int:
    return recall_status_list(token, trust).list_number
