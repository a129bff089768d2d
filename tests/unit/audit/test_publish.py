"""What the public gets verifies with SHA-256 and Ed25519 and nothing of ours."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import VerifyKey
from sqlalchemy import Engine, delete

from audit.database import writing
from audit.errors import EmptyLogError, LogForkError
from audit.models import log_checkpoints, log_entries, log_head, log_tiles
from audit.publish import write_public
from tests.log_support import NOW, a_log, opened, some_events


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with opened(f"sqlite:///{tmp_path}/log.db") as engine:
        yield engine


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def inclusion_root(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """The root by the recursion of RFC 9162 §2.1.3.1, read backwards."""
    if size == 1:
        assert not proof
        return leaf
    split = 1 << (size - 1).bit_length() - 1
    *rest, last = proof
    if index < split:
        return node(inclusion_root(leaf, index, split, rest), last)
    return node(last, inclusion_root(leaf, index - split, size - split, rest))


def consistency_roots(
    old: int, new: int, proof: list[bytes], *, whole: bytes | None
) -> tuple[bytes, bytes]:
    """Both roots by the recursion of RFC 9162 §2.1.4.1, read backwards."""
    if old == new:
        if whole is not None:
            assert not proof
            return whole, whole
        (only,) = proof
        return only, only
    split = 1 << (new - 1).bit_length() - 1
    *rest, last = proof
    if old <= split:
        before, after = consistency_roots(old, split, rest, whole=whole)
        return before, node(after, last)
    before, after = consistency_roots(old - split, new - split, rest, whole=None)
    return node(last, before), node(last, after)


def verify_as_outsider(folder: Path) -> dict[str, Any]:
    """docs/spec/log.md, "Verifying as an outsider", word by word."""
    name, key_id, key = (folder / "vkey").read_text().strip().split("+", 2)
    public_key = base64.b64decode(key)
    assert public_key[:1] == b"\x01"
    assert key_id == hashlib.sha256(name.encode() + b"\n" + public_key).hexdigest()[:8]
    text, _, lines = (folder / "checkpoint").read_text().rpartition("\n\n")
    origin, size, root = f"{text}\n".split("\n")[:3]
    signature = base64.b64decode(lines.split("\n")[0].split(" ")[2])
    assert signature[:4].hex() == key_id
    VerifyKey(public_key[1:]).verify(f"{text}\n".encode(), signature[4:])

    proofs: dict[str, Any] = json.loads((folder / "proofs.json").read_text())
    assert (proofs["format"], proofs["origin"]) == ("celadon-log-proofs-1", origin)
    assert (str(proofs["tree_size"]), proofs["root_hash"]) == (size, root)
    for item in proofs["inclusion"]:
        leaf = hashlib.sha256(b"\x00" + base64.b64decode(item["entry"])).digest()
        hashes = [base64.b64decode(text) for text in item["proof"]]
        found = inclusion_root(leaf, item["leaf_index"], int(size), hashes)
        assert found == base64.b64decode(root)
    for item in proofs["consistency"]:
        old, old_root = item["tree_size"], base64.b64decode(item["root_hash"])
        hashes = [base64.b64decode(text) for text in item["proof"]]
        assert consistency_roots(old, int(size), hashes, whole=old_root) == (
            old_root,
            base64.b64decode(root),
        )
    return proofs


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 100, 256, 300])
def test_write_public_is_verified_by_an_outsider(engine: Engine, tmp_path: Path, size: int) -> None:
    """Logs of any size come with proofs that verify without our code, first and last entry too."""
    log = a_log(engine)
    log.append(some_events(0, size), now=NOW)
    write_public(log, tmp_path)
    proofs = verify_as_outsider(tmp_path / "log")
    indices = [item["leaf_index"] for item in proofs["inclusion"]]
    assert {indices[0], indices[-1]} == {0, size - 1}
    assert len(proofs["consistency"]) >= min(1, size - 1)


def test_write_public_again_extends_what_was_published(engine: Engine, tmp_path: Path) -> None:
    """Whoever kept the last published checkpoint finds a proof from it to the new one."""
    log = a_log(engine)
    log.append(some_events(0, 37), now=NOW)
    write_public(log, tmp_path)
    log.append(some_events(37, 100), now=NOW)
    write_public(log, tmp_path)
    proofs = verify_as_outsider(tmp_path / "log")
    assert 37 in [item["tree_size"] for item in proofs["consistency"]]
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == [
        "checkpoint",
        "proofs.json",
        "vkey",
    ]


@pytest.mark.parametrize("size", [20, 60])
def test_write_public_over_another_history_is_refused(
    engine: Engine, tmp_path: Path, size: int
) -> None:
    """A log that was rolled back or rewritten is not published over its own past."""
    log = a_log(engine)
    log.append(some_events(0, 40), now=NOW)
    write_public(log, tmp_path)
    before = (tmp_path / "log" / "checkpoint").read_bytes()
    with writing(engine) as connection:
        for table in (log_entries, log_tiles, log_head, log_checkpoints):
            connection.execute(delete(table))
    other = a_log(engine)
    other.append(some_events(100, size), now=NOW)
    with pytest.raises(LogForkError, match="published checkpoint over 40 entries"):
        write_public(other, tmp_path)
    assert (tmp_path / "log" / "checkpoint").read_bytes() == before


def test_write_public_empty_log_has_nothing_to_say(engine: Engine, tmp_path: Path) -> None:
    """There is no checkpoint over nothing."""
    with pytest.raises(EmptyLogError):
        write_public(a_log(engine), tmp_path)


def test_write_public_opens_no_entry(engine: Engine, tmp_path: Path) -> None:
    """No salt, body or event id is published."""
    log = a_log(engine)
    log.append(some_events(0, 9), now=NOW)
    write_public(log, tmp_path)
    published = (tmp_path / "log" / "proofs.json").read_text()
    assert set(json.loads(published)["inclusion"][0]) == {"leaf_index", "entry", "proof"}
