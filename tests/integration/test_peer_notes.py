"""Sigstore's client reads our log: an independent implementation of notes and of the tree."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.publish import write_public
from tests.log_support import NOW, ORIGIN, a_log, opened, some_events
from tests.peers_support import PEERS_MISSING, Peers, peers


@pytest.fixture(scope="module")
def worker() -> Iterator[Peers]:
    try:
        with peers("note_worker.py") as asked:
            yield asked
    except FileNotFoundError:
        pytest.fail(PEERS_MISSING, pytrace=False)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """What the public gets of a log of 300 entries."""
    with opened(f"sqlite:///{tmp_path}/log.db") as engine:
        log = a_log(engine)
        log.append(some_events(0, 300), now=NOW)
        write_public(log, tmp_path)
    return tmp_path / "log"


def questions(published: Path) -> list[dict[str, Any]]:
    proofs = json.loads((published / "proofs.json").read_text())
    common = {
        "vkey": (published / "vkey").read_text().strip(),
        "checkpoint": (published / "checkpoint").read_text(),
        "tree_size": proofs["tree_size"],
        "root_hash": proofs["root_hash"],
    }
    return [common | item for item in proofs["inclusion"]]


def test_peer_verifies_our_checkpoint_and_every_published_inclusion_proof(
    worker: Peers, published: Path
) -> None:
    """The peer accepts checkpoint and proofs, and reads origin, size and root as we wrote them."""
    asked = questions(published)
    assert len(asked) >= 8
    for question in asked:
        assert worker.ask("read", **question) == {
            "origin": ORIGIN,
            "tree_size": 300,
            "root_hash": base64.b64decode(question["root_hash"]).hex(),
        }


def test_peer_refuses_a_changed_checkpoint_and_a_changed_entry(
    worker: Peers, published: Path
) -> None:
    """The peer does look: the test above could fail."""
    question = questions(published)[3]
    changed = question["checkpoint"].replace("\n300\n", "\n301\n")
    assert "signature" in worker.ask("read", **question | {"checkpoint": changed})["refused"]
    entry = base64.b64encode(bytes(32)).decode()
    assert "root hash" in worker.ask("read", **question | {"entry": entry})["refused"]
