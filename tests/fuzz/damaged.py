"""Cases that nobody thought of: good things damaged inside and signed again, for two verifiers.

The members of a list are replaced, dropped, doubled, moved or shifted by one before its signers
sign it, so that the damage is met behind the signature and not at it.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from random import Random
from typing import Any, Final

import cbor2

from keys import cbor
from keys.trustlist import encode_roots, sign_trust_list
from tests.cbor_support import text_of
from tests.code_support import NOW
from tests.fuzz.mutate import Mutator
from tests.vectors import generate_log as log
from tests.vectors import generate_status_delta as delta
from tests.vectors import generate_status_list as status
from tests.vectors import generate_trust_list as trust
from tests.vectors.cases import Case

__all__ = ["MAKERS"]

_PLAIN: Final = "../../worlds/plain"
_TRUST_MEMBERS: Final = cbor.decode(trust.PAYLOAD, max_bytes=1 << 20)
_ODD: Final[list[object]] = [
    0, 1, -1, 2, 3, 4, 8, 2**20 - 1, 2**20, 2**32, cbor.MAX_INT, -cbor.MAX_INT, 2**53, 1.0,
    True, False, None, "", "a", "a b", "a\u00a0b", "\u0661", "省" * 128, "a" * 129, "610000",
    "230000", "620000", "production", "test", "code", "status", "trust-root", "everything",
    "http://127.0.0.1/", "https://a.example/", "https://a.example/x", "https://a/..b/",
    "https://a.example:123456/", "https://shaanxi.example/status/2.cwt",
    "https://shaanxi.example/status/01.cwt", b"", bytes(4), bytes(32), [], {}, [1], {1: 2},
    NOW, NOW - 3600, NOW + 3600, trust.NOW, trust.ISSUED,
]  # fmt: skip


class _Damage:
    """Chance that can be repeated."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - not a secret

    def value(self, good: object) -> bytes:
        """The encoding of *good* with one or two of its parts damaged; mostly in good order."""
        value: Any = deepcopy(good)
        for _ in range(self.random.choice((1, 1, 1, 2))):
            self._damage(value)
        try:
            return cbor.encode(value) if self.random.random() < 0.9 else cbor2.dumps(value)
        except (TypeError, ValueError):
            return cbor2.dumps(value)

    def _damage(self, value: Any) -> None:  # noqa: ANN401 - whatever CBOR holds
        places = list(_places(value))
        if not places:
            return
        container, key = self.random.choice(places)
        way = self.random.randrange(5)
        if way == 0:
            del container[key]
        elif way == 1 and isinstance(container, list):
            container.insert(key, deepcopy(self.random.choice(container)))
        elif way == 2 and isinstance(container[key], list):
            self.random.shuffle(container[key])
        elif way == 3 and type(container[key]) is int:
            container[key] += self.random.choice((1, -1, 86_400, -86_400))
        else:
            container[key] = deepcopy(self.random.choice(_ODD))

    def text(self, good: str, odd: str, *, within: int) -> str:
        """*good* with one to three characters of its beginning changed, added or lost."""
        characters = list(good)
        for _ in range(self.random.choice((1, 1, 2, 3))):
            at = self.random.randrange(min(within, len(characters)))
            lost = self.random.randrange(2)
            characters[at : at + lost] = self.random.choice(("", self.random.choice(odd)))
        return "".join(characters)


def _places(value: object) -> Iterator[tuple[Any, Any]]:
    """Every part of a value, as what holds it and where."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _codes(seed: int, name: str) -> Case:
    mutator = Mutator(seed)
    text = text_of(mutator.data())
    shown = mutator.text(text) if mutator.chance(0.2) else text
    given = {"now": NOW, "policy": "checkpoint", "world": _PLAIN}
    return Case("code", name, "", {}, {"code.txt": shown.encode()}, given)


def _trust_lists(seed: int, name: str) -> Case:
    damage = _Damage(seed)
    signers = trust.ROOT_SIGNERS[: damage.random.choice((2, 3, 3, 3, 3, 4))]
    inputs = {
        "roots.cbor": encode_roots(trust.ROOTS),
        "list.cbor": sign_trust_list(damage.value(_TRUST_MEMBERS), signers),
    }
    held = damage.random.choice((None, trust.GOOD, trust.HELD))
    if held is not None:
        inputs["held.cbor"] = held
    now = trust.NOW + damage.random.choice((0, 0, 0, 14 * trust.DAY, -4_000))
    return Case("trust-list", name, "", {}, inputs, {"now": now})


def _status_lists(seed: int, name: str) -> Case:
    damage = _Damage(seed)
    choice = damage.random.choice
    bits = choice((1, 2, 2, 2, 4, 8))

    def packed() -> bytes:
        return bytes((choice((0x90, 0x91, 0x10, 0x94, 0xD0)), *bytes(choice((63, 63, 63, 64)))))

    claims = status.claims(
        list=status.list_of(packed(), bits=bits), iat=NOW - 3_600 + choice((0, 1, 5, -1))
    )
    payload = damage.value(claims) if choice((True, False)) else cbor2.dumps(claims)
    inputs = {"list.cwt": status.signed(cbor2.loads(payload))}
    if choice((True, True, False)):
        held = status.claims(list=status.list_of(packed(), bits=bits))
        inputs["held.cwt"] = status.signed(held)
    return Case("status-list", name, "", {}, inputs, {"now": NOW, "world": _PLAIN})


def _status_deltas(seed: int, name: str) -> Case:
    damage = _Damage(seed)
    choice = damage.random.choice
    changes = choice(
        (b"\x02\x03", b"\x02\x03", b"", b"\x03", b"\x80\x00", b"\x02\x80\x01", b"\xff\x0f")
    )
    numbered = {choice((1, 1, 1, 1, 2, 2001)): changes}
    content = delta.members(lists=delta.stream(numbered), at=delta.AT + choice((0, 0, 60, -60)))
    payload = damage.value(content) if choice((True, False)) else cbor2.dumps(content)
    offered = delta.signed(cbor2.loads(payload))
    before = delta.token(*delta.BEFORE, issued_at=NOW - choice((3_600, 3_600, 60, 86_401)))
    after = choice((delta.AFTER, delta.AFTER, delta.BEFORE, (0, 1, 1, 2)))
    held = choice((None, None, delta.good()))
    vector = delta.update(name, "", "", offered, after=after, before=before, held=held)
    return vector.case()


@cache
def _log_case(area: str, name: str) -> Case:
    return next(case for case in log.cases(area) if case.name == name)


def _checkpoints(seed: int, name: str) -> Case:
    damage = _Damage(seed)
    good = _log_case("checkpoint", "good").inputs["checkpoint"].decode()
    note = damage.text(good, "\n \u00a0\u0085\ufeff+=A\u20140\x7f\té/", within=len(good))
    text = note.partition("\n\n")[0] + "\n"
    data = log.signed(text) if damage.random.random() < 0.4 else note.encode()
    inputs = {"vkey": log.KEY.vkey().encode(), "checkpoint": data}
    return Case("checkpoint", name, "", {}, inputs, {"timestamp": seed % 2 == 0})


def _proofs(seed: int, name: str) -> Case:
    damage = _Damage(seed)
    good = _log_case("log-proof", "good-extra")
    text = good.inputs["proof.tlog-proof"].decode()
    damaged = damage.text(text, "\n 016A=é", within=280)
    return Case("log-proof", name, "", {}, {**good.inputs, "proof.tlog-proof": damaged.encode()})


def _items(seed: int, name: str) -> Case:
    random = Random(seed)  # noqa: S311 - not a secret
    heads = [0x00, 0x18, 0x19, 0x20, 0x41, 0x61, 0x62, 0x81, 0x82, 0xA1, 0xA2, 0xF4, 0xF6]
    data = bytes(random.choice((*heads, random.randrange(256))) for _ in range(1 + seed % 9))
    return Case("cbor", name, "", {}, {"item.cbor": data}, {"ordered": seed % 2 == 0})


#: From a seed and a name to a case whose answer nobody knows yet.
MAKERS: Final[dict[str, Callable[[int, str], Case]]] = {
    "code": _codes,
    "trust-list": _trust_lists,
    "status-list": _status_lists,
    "status-delta": _status_deltas,
    "checkpoint": _checkpoints,
    "log-proof": _proofs,
    "cbor": _items,
}
