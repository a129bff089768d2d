"""Hashes of complete subtrees, 256 a tile (c2sp.org/tlog-tiles). Pure.

Tile *n* of level *l* holds the hashes of the subtrees of height 8 l with the indices 256 n to
256 n + 255. A proof in a log of a million entries reads six tiles and hashes a few hundred
times; nothing else of the log is touched.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from audit.errors import ProofError
from audit.tlog.merkle import HASH_BYTES, Frontier, SubtreeHash, node_hash

__all__ = [
    "TILE_HEIGHT", "TILE_WIDTH", "Edge", "TileChange", "TileReader", "edge_of", "frontier_of",
    "subtrees",
]  # fmt: skip

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
_TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES

#: (level, tile index) to the hashes of the tile, one after the other.
TileReader: TypeAlias = Callable[[int, int], bytes]


def subtrees(read: TileReader) -> SubtreeHash:
    """Subtree hashes from tiles, each tile read once.

    The function raises ProofError where a tile is missing or too short.
    """
    cached = lru_cache(maxsize=None)(read)

    def subtree(height: int, index: int) -> bytes:
        level, rest = divmod(height, TILE_HEIGHT)
        width = 1 << rest
        tile_index, offset = divmod(index * width, TILE_WIDTH)
        start = offset * HASH_BYTES
        hashes = cached(level, tile_index)[start : start + width * HASH_BYTES]
        if len(hashes) != width * HASH_BYTES:
            raise ProofError(f"tile {level}/{tile_index} is too short")
        return _complete(hashes)

    return subtree


def frontier_of(size: int, subtree: SubtreeHash) -> Frontier:
    """The right edge of a stored tree."""
    hashes, begin = [], 0
    for height in reversed(range(size.bit_length())):
        if size >> height & 1:
            hashes.append(subtree(height, begin >> height))
            begin += 1 << height
    return Frontier(size, hashes)


@dataclass(frozen=True, slots=True)
class TileChange:
    """A tile that an append adds (nothing stood there before) or makes longer."""

    level: int
    tile_index: int
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a stored tree: its frontier, and the unfinished last tile of each level."""

    frontier: Frontier
    tiles: tuple[bytes, ...]

    def extended(self, leaves: Sequence[bytes]) -> "tuple[Edge, list[TileChange]]":
        """The edge after these leaf hashes, and the tiles to store. Leaves this edge as it is."""
        frontier = self.frontier.copy()
        added = frontier.extend(leaves)[::TILE_HEIGHT]
        tiles: list[bytes] = []
        changes: list[TileChange] = []
        for level in range(max(len(self.tiles), len(added))):
            held = self.tiles[level] if level < len(self.tiles) else b""
            hashes = added[level] if level < len(added) else []
            first = (self.frontier.size >> (TILE_HEIGHT * level)) // TILE_WIDTH
            stored = held + b"".join(hashes)
            changes += _changes(level, first, held, stored)
            tiles.append(stored[len(stored) - len(stored) % _TILE_BYTES :])
        return Edge(frontier, tuple(tiles)), changes


def edge_of(size: int, read: TileReader) -> Edge:
    """The edge of a stored tree of *size* leaves.

    Raises:
        ProofError: A tile is missing or has another length than the tree's size says.
    """
    tiles = []
    for level in range((size.bit_length() + TILE_HEIGHT - 1) // TILE_HEIGHT):
        count = size >> (TILE_HEIGHT * level)
        width = count % TILE_WIDTH * HASH_BYTES
        tile = read(level, count // TILE_WIDTH) if width else b""
        if len(tile) != width:
            raise ProofError(f"tile {level}/{count // TILE_WIDTH} has {len(tile)} bytes")
        tiles.append(tile)
    return Edge(frontier_of(size, subtrees(read)), tuple(tiles))


def _changes(level: int, first: int, held: bytes, stored: bytes) -> Iterator[TileChange]:
    """The tiles that hold *stored*, where *held* already stands in the first of them."""
    if stored == held:
        return
    for start in range(0, len(stored), _TILE_BYTES):
        after = stored[start : start + _TILE_BYTES]
        yield TileChange(level, first + start // _TILE_BYTES, b"" if start else held, after)


def _complete(hashes: bytes) -> bytes:
    """The root over a power of two of hashes."""
    row = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]
