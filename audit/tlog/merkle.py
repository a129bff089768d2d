"""The Merkle tree of RFC 9162 §2.1: roots, inclusion and consistency proofs. Pure.

Proofs are made from a function that gives the hash of any complete subtree; how those hashes are
kept is the caller's business (`audit.tlog.tiles`). Proofs are verified from their bytes alone.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from audit.errors import ProofError

__all__ = [
    "EMPTY_ROOT", "HASH_BYTES", "MAX_PROOF_HASHES", "Frontier", "SubtreeHash", "consistency_proof",
    "inclusion_proof", "leaf_hash", "node_hash", "root_of", "verify_consistency",
    "verify_inclusion",
]  # fmt: skip

HASH_BYTES: Final = 32
#: A tree of 2**63 leaves needs no longer proof.
MAX_PROOF_HASHES: Final = 63
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
_sha256: Final = hashlib.sha256

#: (height, index) to the hash over leaves [index << height, (index + 1) << height).
SubtreeHash: TypeAlias = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """32 bytes. The prefix keeps an entry of 64 bytes from passing for an inner node."""
    return _sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """32 bytes over two hashes."""
    return _sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: a hash for each bit of its size, largest subtree first."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)

    def copy(self) -> "Frontier":
        return Frontier(self.size, self.hashes)

    def extend(self, leaves: Iterable[bytes]) -> list[list[bytes]]:
        """Add leaf hashes; gives the subtrees that they complete, a row for each height.

        The first row is the leaves themselves. Row by row, because a batch is hashed in half the
        time that one leaf after the other takes.
        """
        rows: list[list[bytes]] = []
        edge: list[bytes] = []  # what stays alone in its row, lowest first
        row, size = list(leaves), self.size
        self.size += len(row)
        while row:
            rows.append(row)
            if size & 1:
                row = [self.hashes.pop(), *row]
            if len(row) & 1:
                edge.append(row[-1])
            pairs = zip(row[::2], row[1::2], strict=False)
            row = [_sha256(b"\x01" + left + right).digest() for left, right in pairs]
            size >>= 1
        self.hashes += reversed(edge)
        return rows

    def root(self) -> bytes:
        return _fold(self.hashes) if self.hashes else EMPTY_ROOT


def root_of(size: int, subtree: SubtreeHash) -> bytes:
    """The root of the first *size* leaves."""
    return _range_hash(0, size, subtree) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, subtree: SubtreeHash) -> list[bytes]:
    """Sibling hashes of leaf *index* in the tree of *size* leaves, from the leaf up.

    Raises:
        ValueError: The leaf is not in that tree.

    Source: RFC 9162 §2.1.3.1.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    begin, end, proof = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            proof.append(_range_hash(middle, end, subtree))
            end = middle
        else:
            proof.append(_range_hash(begin, middle, subtree))
            begin = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, subtree: SubtreeHash) -> list[bytes]:
    """Hashes that show the tree of *new* leaves to begin with the tree of *old* leaves.

    Empty when the two are one tree, and when the old one is empty: nothing needs to be shown.

    Raises:
        ValueError: Not 0 <= old <= new.

    Source: RFC 9162 §2.1.4.1.
    """
    if not 0 <= old <= new:
        raise ValueError(f"{old} leaves do not come before {new}")
    begin, end, proof, known = 0, new, [], True
    while 0 < old < new and old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            proof.append(_range_hash(middle, end, subtree))
            end = middle
        else:
            proof.append(_range_hash(begin, middle, subtree))
            begin, known = middle, False
    # The subtree where the descent stops is the old tree itself, unless it went right once.
    if not known:
        proof.append(_range_hash(begin, end, subtree))
    return proof[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf is in the tree with this root.

    Does not check that the root is signed: verify the checkpoint first.

    Args:
        leaf: 32 bytes, the leaf *hash*, SHA-256 of 0x00 || entry.
        index: Zero-based, below *size*.
        size: Number of leaves, from the same checkpoint as *root*.
        proof: Sibling hashes from the leaf up, 32 bytes each, at most 63.
        root: 32 bytes.

    Raises:
        ProofError: The proof does not lead from the leaf to *root*.

    Source: RFC 9162 §2.1.3.2.
    """
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not in a tree of {size}")
    _check_hashes((leaf, *proof, root))
    result = leaf
    for sibling, stands_left in _climb(index, size - 1, proof):
        result = node_hash(sibling, result) if stands_left else node_hash(result, sibling)
    if result != root:
        raise ProofError("the proof leads to another root")


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of *new* leaves begins with the tree of *old* leaves.

    Does not check that either root is signed.

    Raises:
        ProofError: The proof does not lead to both roots, or old > new.

    Source: RFC 9162 §2.1.4.2.
    """
    if not 0 <= old <= new:
        raise ProofError(f"{old} leaves do not come before {new}")
    _check_hashes((old_root, *proof, new_root))
    if old in (0, new):
        _check_trivial(old, old_root, new_root if old == new else EMPTY_ROOT, proof)
        return
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        raise ProofError("the proof is empty")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = path[0]
    for sibling, stands_left in _climb(node, last, path[1:]):
        if stands_left:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
        else:
            after = node_hash(after, sibling)
    if before != old_root:
        raise ProofError("the proof leads to another old root")
    if after != new_root:
        raise ProofError("the proof leads to another new root")


def _climb(node: int, last: int, proof: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each sibling on the way from *node* to the top, and whether it stands to the left.

    *last* is the rightmost node of the same row. Raises ProofError unless the top is reached.
    """
    for sibling in proof:
        if last == 0:
            raise ProofError("the proof is too long")
        stands_left = bool(node & 1) or node == last
        while stands_left and node and not node & 1:
            node, last = node >> 1, last >> 1
        yield sibling, stands_left
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError("the proof is too short")


def _check_trivial(old: int, old_root: bytes, expected: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise ProofError(f"a proof from {old} leaves has nothing to show here")
    if old_root != expected:
        raise ProofError(f"the root over {old} leaves is another one")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if len(hashes) - 2 > MAX_PROOF_HASHES:
        raise ProofError(f"{len(hashes) - 2} hashes, at most {MAX_PROOF_HASHES} are allowed")
    if any(len(item) != HASH_BYTES for item in hashes):
        raise ProofError("a hash has 32 bytes")


def _split(size: int) -> int:
    """The largest power of two below *size*."""
    return 1 << (size - 1).bit_length() - 1


def _range_hash(begin: int, end: int, subtree: SubtreeHash) -> bytes:
    """MTH of leaves [begin, end), where begin is a multiple of the largest subtree inside."""
    parts = []
    while begin < end:
        height = (end - begin).bit_length() - 1
        parts.append(subtree(height, begin >> height))
        begin += 1 << height
    return _fold(parts)


def _fold(parts: Sequence[bytes]) -> bytes:
    """One hash over subtrees that stand side by side, largest first."""
    result = parts[-1]
    for left in reversed(parts[:-1]):
        result = node_hash(left, result)
    return result
