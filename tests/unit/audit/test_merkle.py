"""Roots and proofs, against published vectors and against the definition."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import ProofError
from audit.tlog.merkle import (
    EMPTY_ROOT,
    MAX_PROOF_HASHES,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.naive_merkle import leaf, naive_root
from tests.shared_vectors import read_json, vector_path

ALL_LEAVES = 256
ALL_PAIRS = 64
LEAVES = [leaf(number.to_bytes(2, "big")) for number in range(ALL_LEAVES)]


def subtree(height: int, index: int) -> bytes:
    """Any complete subtree, by the definition."""
    return naive_root(LEAVES[index << height : (index + 1) << height])


def hashes(texts: list[str] | None) -> list[bytes]:
    return [base64.b64decode(text) for text in texts or ()]


def accepts(check: Callable[..., None], *arguments: object) -> bool:
    try:
        check(*arguments)
    except ProofError:
        return False
    return True


@pytest.mark.parametrize(
    "case", read_json("merkle/inclusion.json")["cases"], ids=lambda c: c["path"]
)
def test_verify_inclusion_published_case_is_decided_as_published(case: dict[str, Any]) -> None:
    """All 53 published inclusion proofs are accepted or refused as their authors say."""
    decoded = base64.b64decode(case["leafHash"]), base64.b64decode(case["root"])
    accepted = accepts(
        verify_inclusion, decoded[0], case["leafIdx"], case["treeSize"], hashes(case["proof"]),
        decoded[1],
    )  # fmt: skip
    assert accepted is not case["wantErr"]


@pytest.mark.parametrize(
    "case", read_json("merkle/consistency.json")["cases"], ids=lambda c: c["path"]
)
def test_verify_consistency_published_case_is_decided_as_published(case: dict[str, Any]) -> None:
    """All 43 published consistency proofs are accepted or refused as their authors say."""
    roots = base64.b64decode(case["root1"]), base64.b64decode(case["root2"])
    proof = hashes(case["proof"])
    accepted = accepts(verify_consistency, case["size1"], case["size2"], *roots, proof)
    assert accepted is not case["wantErr"]


def test_reference_tree_has_the_published_hashes() -> None:
    """Leaf hashes and the roots of sizes 0 to 8 are those of the reference tree of CT."""
    tree = read_json("merkle/ct_reference_tree.json")
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in tree["leaf_inputs_hex"]]
    assert [item.hex() for item in leaves] == tree["leaf_hashes_hex"]
    frontier = Frontier()
    roots = [frontier.root().hex()]
    for item in leaves:
        frontier.extend([item])
        roots.append(frontier.root().hex())
    assert roots == tree["roots_hex_by_size"]


@pytest.mark.parametrize("size", range(1, 8))
def test_published_log_tile_and_entries_lead_to_its_root(size: int) -> None:
    """The published log's tile is the leaf hashes of its entries, and its root is over them."""
    bundle = vector_path(f"tlog/tessera-log/tile/entries/000.p/{size}").read_bytes()
    entries = []
    while bundle:
        length = int.from_bytes(bundle[:2], "big")
        entries.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    leaves = [leaf_hash(entry) for entry in entries]
    assert b"".join(leaves) == vector_path(f"tlog/tessera-log/tile/0/000.p/{size}").read_bytes()
    checkpoint = vector_path(f"tlog/tessera-log/checkpoint.{size}").read_text().split("\n")
    frontier = Frontier()
    for item in leaves:
        frontier.extend([item])
    assert base64.b64encode(frontier.root()).decode() == checkpoint[2]


def test_frontier_root_is_the_definitions_root_for_every_size_up_to_256() -> None:
    """Growing leaf by leaf gives the definition's root at every size."""
    frontier = Frontier()
    for size in range(ALL_LEAVES):
        assert frontier.root() == naive_root(LEAVES[:size])
        assert root_of(size, subtree) == frontier.root()
        frontier.extend([LEAVES[size]])


def test_inclusion_proof_of_every_leaf_of_every_tree_up_to_256_verifies_there_only() -> None:
    """Every leaf of every tree is proved, and no proof is good at the neighbouring index."""
    for size in range(1, ALL_LEAVES + 1):
        root = naive_root(LEAVES[:size])
        for index in range(size):
            proof = inclusion_proof(index, size, subtree)
            verify_inclusion(LEAVES[index], index, size, proof, root)
            other = index ^ 1
            assert not accepts(verify_inclusion, LEAVES[index], other, size, proof, root) or (
                size == 1
            )


def test_consistency_proof_of_every_pair_up_to_64_verifies() -> None:
    """For every old and new size the proof leads to the definition's two roots."""
    for new in range(ALL_PAIRS + 1):
        for old in range(new + 1):
            proof = consistency_proof(old, new, subtree)
            roots = naive_root(LEAVES[:old]), naive_root(LEAVES[:new])
            verify_consistency(old, new, *roots, proof)


def test_consistency_proof_of_every_pair_fails_for_every_other_old_size() -> None:
    """A proof and root for one old size are good for no other old size."""
    for new in range(2, 33):
        roots = [naive_root(LEAVES[:size]) for size in range(new + 1)]
        for old in range(1, new):
            proof = consistency_proof(old, new, subtree)
            others = [
                other
                for other in range(1, new + 1)
                if accepts(verify_consistency, other, new, roots[old], roots[new], proof)
            ]
            assert others == [old]


@given(st.data())
def test_verify_inclusion_any_changed_bit_is_refused(data: st.DataObject) -> None:
    """A proof in which one bit of any hash is changed leads nowhere."""
    size = data.draw(st.integers(2, ALL_LEAVES))
    index = data.draw(st.integers(0, size - 1))
    items = [LEAVES[index], *inclusion_proof(index, size, subtree), naive_root(LEAVES[:size])]
    where = data.draw(st.integers(0, len(items) - 1))
    bit = data.draw(st.integers(0, 255))
    items[where] = (int.from_bytes(items[where], "big") ^ 1 << bit).to_bytes(32, "big")
    assert not accepts(verify_inclusion, items[0], index, size, items[1:-1], items[-1])


@given(st.data())
def test_verify_consistency_any_changed_bit_is_refused(data: st.DataObject) -> None:
    """A proof in which one bit of any hash is changed leads nowhere."""
    new = data.draw(st.integers(2, ALL_LEAVES))
    old = data.draw(st.integers(1, new - 1))
    proof = consistency_proof(old, new, subtree)
    items = [naive_root(LEAVES[:old]), naive_root(LEAVES[:new]), *proof]
    where = data.draw(st.integers(0, len(items) - 1))
    bit = data.draw(st.integers(0, 255))
    items[where] = (int.from_bytes(items[where], "big") ^ 1 << bit).to_bytes(32, "big")
    assert not accepts(verify_consistency, old, new, items[0], items[1], items[2:])


@pytest.mark.parametrize("change", [-1, 1])
def test_verify_inclusion_proof_one_hash_short_or_long_is_refused(change: int) -> None:
    """The number of hashes follows from index and size; no other number is accepted."""
    root = naive_root(LEAVES[:200])
    for index in range(200):
        proof = inclusion_proof(index, 200, subtree)
        wrong = proof[:-1] if change < 0 else [*proof, EMPTY_ROOT]
        assert not accepts(verify_inclusion, LEAVES[index], index, 200, wrong, root)


def test_verify_inclusion_siblings_on_the_wrong_side_are_refused() -> None:
    """C92: a proof for the mirrored index is refused, though it holds the same hashes."""
    size, root = 128, naive_root(LEAVES[:128])
    for index in range(size):
        proof = inclusion_proof(index, size, subtree)
        assert not accepts(verify_inclusion, LEAVES[index], size - 1 - index, size, proof, root)


def test_verify_64_hashes_are_refused_unread() -> None:
    """C92: no tree below 2**63 leaves needs more than 63 hashes."""
    proof = [EMPTY_ROOT] * (MAX_PROOF_HASHES + 1)
    with pytest.raises(ProofError, match="64 hashes, at most 63"):
        verify_inclusion(EMPTY_ROOT, 0, 2**64, proof, EMPTY_ROOT)
    with pytest.raises(ProofError, match="64 hashes, at most 63"):
        verify_consistency(1, 2**64, EMPTY_ROOT, EMPTY_ROOT, proof)


def test_verify_consistency_empty_proof_from_a_smaller_tree_is_refused() -> None:
    """C92: growth has to be shown, whatever the two roots are."""
    for new in range(2, 65):
        for old in range(1, new):
            root = naive_root(LEAVES[:new])
            assert not accepts(verify_consistency, old, new, naive_root(LEAVES[:old]), root, [])
            assert not accepts(verify_consistency, old, new, root, root, [])


def test_verify_consistency_shrinking_tree_is_refused() -> None:
    """C92: old > new is never consistent."""
    with pytest.raises(ProofError, match="do not come before"):
        verify_consistency(3, 2, naive_root(LEAVES[:3]), naive_root(LEAVES[:2]), [])


def test_verify_consistency_equal_size_and_another_root_is_refused() -> None:
    """C93: two roots over the same number of leaves are a fork."""
    with pytest.raises(ProofError, match="another one"):
        verify_consistency(3, 3, naive_root(LEAVES[:3]), naive_root(LEAVES[1:4]), [])


def test_verify_consistency_from_the_empty_tree_needs_its_root_and_no_hashes() -> None:
    """Every tree extends the empty one, and only the empty one has no leaves."""
    root = naive_root(LEAVES[:5])
    verify_consistency(0, 5, EMPTY_ROOT, root, [])
    assert not accepts(verify_consistency, 0, 5, LEAVES[0], root, [])
    assert not accepts(verify_consistency, 0, 5, EMPTY_ROOT, root, [LEAVES[0]])


def test_verify_inclusion_inner_node_as_a_leaf_is_refused() -> None:
    """C96: an entry of 64 bytes that looks like an inner node does not prove itself."""
    left, right = LEAVES[0], LEAVES[1]
    root = node_hash(left, right)
    assert leaf_hash(left + right) != root
    assert not accepts(verify_inclusion, leaf_hash(left + right), 0, 1, [], root)
    four = naive_root(LEAVES[:4])
    forged = leaf_hash(LEAVES[0] + LEAVES[1])
    assert not accepts(verify_inclusion, forged, 0, 2, [subtree(1, 1)], four)


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0)])
def test_inclusion_leaf_outside_the_tree_is_refused(index: int, size: int) -> None:
    """There is no proof for a leaf that is not there, neither to make nor to verify."""
    with pytest.raises(ValueError, match="is not in a tree"):
        inclusion_proof(index, size, subtree)
    with pytest.raises(ProofError, match="is not in a tree"):
        verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])


@pytest.mark.parametrize(("old", "new"), [(-1, 4), (5, 4)])
def test_consistency_proof_impossible_sizes_are_a_wrong_call(old: int, new: int) -> None:
    """Whoever asks for a proof from a larger tree has a bug."""
    with pytest.raises(ValueError, match="do not come before"):
        consistency_proof(old, new, subtree)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_verify_hash_of_another_length_is_refused(size: int) -> None:
    """Every hash has 32 bytes."""
    root = naive_root(LEAVES[:2])
    with pytest.raises(ProofError, match="32 bytes"):
        verify_inclusion(LEAVES[0], 0, 2, [bytes(size)], root)
    with pytest.raises(ProofError, match="32 bytes"):
        verify_consistency(1, 2, LEAVES[0], root, [bytes(size)])
