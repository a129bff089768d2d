"""Celadon's own answers to the conformance suite, by the protocol of README.md.

    python -m tests.vectors.ours < FOLDERS

Imports nothing of the tests, and the log only where it is asked for, so that the venue's wheel can
be asked by itself.
"""

import json
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from keys import cbor
from keys.errors import CborError, TrustListError
from keys.trustenvelope import parse_envelope
from keys.trustlist import TrustList, decode_roots, decode_trust_list, verify_trust_list
from keys.trustupdate import accept_trust_list
from verifier import base45
from verifier.check import CHECKPOINT, HOSPITAL, VENUE, Lists
from verifier.errors import StatusListError, TransportError
from verifier.repeats import Repeats
from verifier.statusdelta import accept_delta, named_list, recall_delta
from verifier.statuslist import accept_status_list, recall_status_list, verify_snapshot

__all__ = ["answer", "load_world", "text_of"]

Answer = dict[str, str | int | dict[str, int] | None]
_POLICIES: Final = {policy.name: policy for policy in (VENUE, HOSPITAL, CHECKPOINT)}
_MAX_ITEM_BYTES: Final = 1 << 20


def answer(folder: Path) -> Answer:
    """The answer to one case."""
    case = json.loads((folder / "case.json").read_bytes())
    asked = _AREAS.get(case["area"])
    return {"result": "skipped"} if asked is None else asked(folder, case)


@cache
def load_world(folder: Path) -> Lists:
    """What a verifier holds who accepted the lists of a world earlier."""
    world = json.loads((folder / "world.json").read_bytes())
    roots = decode_roots((folder / "roots.cbor").read_bytes())
    trust = verify_trust_list((folder / "trust-list.cbor").read_bytes(), roots)
    tokens = [path.read_bytes() for path in (folder / "status").glob("*.cwt")]
    statuses = {
        held.list_number: held for held in (recall_status_list(token, trust) for token in tokens)
    }
    confirmed = world["confirmed"]
    return Lists(trust, statuses, confirmed=-1 if confirmed is None else confirmed)


def text_of(path: Path) -> str:
    """A text that is shown. What is not UTF-8 becomes characters that no code has."""
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _world(folder: Path, case: Mapping[str, Any]) -> Lists:
    return load_world((folder / case["world"]).resolve())


def _code(folder: Path, case: Mapping[str, Any]) -> Answer:
    door, lists, policy = Repeats(), _world(folder, case), _POLICIES[case["policy"]]
    for name in (*case.get("before", ()), "code.txt"):
        outcome = door.check(text_of(folder / name), lists, now=case["now"], policy=policy)
    return {
        "kind": outcome.kind.value,
        "reason": outcome.reason.value,
        "colour": outcome.colour,
        "successor": outcome.successor,
    }


def _trust_list(folder: Path, case: Mapping[str, Any]) -> Answer:
    roots = decode_roots((folder / "roots.cbor").read_bytes())
    held = _optional(folder / "held.cbor")
    trust = None if held is None else _held_trust_list(held)
    stays = None if held is None else "held.cbor"
    try:
        accept_trust_list(trust, (folder / "list.cbor").read_bytes(), roots=roots, now=case["now"])
    except TrustListError as error:
        return {"result": type(error).__name__, "holds": stays}
    return {"result": "accepted", "holds": "list.cbor"}


def _held_trust_list(data: bytes) -> TrustList:
    """Verified when it came, so not again."""
    return decode_trust_list(parse_envelope(data).payload)


def _status_list(folder: Path, case: Mapping[str, Any]) -> Answer:
    trust = _world(folder, case).trust
    data = _optional(folder / "held.cwt")
    held = None if data is None else recall_status_list(data, trust)
    stays = None if data is None else "held.cwt"
    try:
        accept_status_list(held, (folder / "list.cwt").read_bytes(), trust, now=case["now"])
    except StatusListError as error:
        return {"result": type(error).__name__, "holds": stays}
    return {"result": "accepted", "holds": "list.cwt"}


def _status_delta(folder: Path, case: Mapping[str, Any]) -> Answer:
    trust, now = _world(folder, case).trust, case["now"]
    data = _optional(folder / "held.delta")
    held = None if data is None else recall_delta(data, trust)
    try:
        snapshot = verify_snapshot((folder / "region.snapshot").read_bytes(), trust, now=now)
        data = (folder / "region.delta").read_bytes()
        delta = accept_delta(held, data, snapshot, trust, now=now)
        status_list = recall_status_list((folder / "list.cwt").read_bytes(), trust)
        new = named_list(status_list, delta, snapshot)
    except StatusListError as error:
        return {"result": type(error).__name__}
    taken_back = {str(i): new.status(i) for i in range(new.size) if new.status(i)}
    return {"result": "accepted", "taken_back": taken_back}


def _checkpoint(folder: Path, case: Mapping[str, Any]) -> Answer:
    from audit.errors import CheckpointError  # noqa: PLC0415 - not in the venue's wheel
    from audit.tlog.checkpoint import verify_checkpoint  # noqa: PLC0415
    from audit.tlog.note import KeyType, NoteKey, parse_vkey  # noqa: PLC0415

    key = parse_vkey((folder / "vkey").read_text())
    timestamp = NoteKey(key.name, key.public_key, KeyType.COSIGNATURE)
    data = (folder / "checkpoint").read_bytes()
    try:
        verify_checkpoint(data, key, timestamp=timestamp if case["timestamp"] else None)
    except CheckpointError as error:
        return {"result": type(error).__name__}
    return {"result": "accepted"}


def _log_proof(folder: Path, _: Mapping[str, Any]) -> Answer:
    from audit.errors import CheckpointError, ProofError  # noqa: PLC0415 - as above
    from audit.tlog.note import parse_vkey  # noqa: PLC0415
    from audit.tlog.proof import parse_proof, verify_proof  # noqa: PLC0415

    key = parse_vkey((folder / "vkey").read_text())
    entry = (folder / "entry").read_bytes()
    try:
        verify_proof(parse_proof((folder / "proof.tlog-proof").read_bytes()), entry, key)
    except (CheckpointError, ProofError) as error:
        return {"result": type(error).__name__}
    return {"result": "accepted"}


def _base45(folder: Path, _: Mapping[str, Any]) -> Answer:
    try:
        data = base45.decode(text_of(folder / "text.txt"))
    except TransportError as error:
        return {"result": type(error).__name__}
    return {"result": "accepted", "hex": data.hex()}


def _cbor(folder: Path, case: Mapping[str, Any]) -> Answer:
    item = (folder / "item.cbor").read_bytes()
    try:
        cbor.decode(item, max_bytes=_MAX_ITEM_BYTES, ordered=case["ordered"])
    except CborError as error:
        return {"result": type(error).__name__}
    return {"result": "accepted"}


def _optional(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


_AREAS: Final[dict[str, Callable[[Path, Mapping[str, Any]], Answer]]] = {
    "code": _code,
    "trust-list": _trust_list,
    "status-list": _status_list,
    "status-delta": _status_delta,
    "checkpoint": _checkpoint,
    "log-proof": _log_proof,
    "base45": _base45,
    "cbor": _cbor,
}


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(answer(Path(line.rstrip("\n")))), flush=True)


if __name__ == "__main__":
    main()
