"""Trees kept in tiles of 256 hashes, against the definition."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import ProofError
from audit.tlog.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from audit.tlog.tiles import Edge, TileChange, edge_of, frontier_of, subtrees
from tests.naive_merkle import leaf, naive_root

LARGE: Final = 66_000  # three levels of tiles
LEAVES: Final = [leaf(number.to_bytes(3, "big")) for number in range(LARGE)]


class Tiles:
    """A store of tiles that takes changes only where they fit what it holds."""

    def __init__(self) -> None:
        self.held: dict[tuple[int, int], bytes] = {}
        self.reads = 0

    def read(self, level: int, tile_index: int) -> bytes:
        self.reads += 1
        return self.held.get((level, tile_index), b"")

    def take(self, changes: list[TileChange]) -> None:
        for change in changes:
            key = change.level, change.tile_index
            assert self.held.get(key, b"") == change.before
            assert change.after.startswith(change.before)
            assert len(change.before) < len(change.after) <= 8192
            self.held[key] = change.after


def grown(*batches: int) -> tuple[Edge, Tiles]:
    """A tree that grew by so many leaves at a time."""
    edge, tiles, size = Edge(Frontier(), ()), Tiles(), 0
    for batch in batches:
        edge, changes = edge.extended(LEAVES[size : size + batch])
        tiles.take(changes)
        size += batch
    return edge, tiles


@pytest.fixture(scope="module")
def large() -> tuple[Edge, Tiles]:
    return grown(*[1000] * (LARGE // 1000))


@given(st.lists(st.integers(1, 700), min_size=1, max_size=12))
def test_edge_any_batches_give_the_same_tiles_as_one(batches: list[int]) -> None:
    """How a log grew cannot be seen from its tiles."""
    edge, tiles = grown(*batches)
    whole, whole_tiles = grown(sum(batches))
    assert tiles.held == whole_tiles.held
    assert edge.tiles == whole.tiles
    assert edge.frontier.hashes == whole.frontier.hashes


@given(st.integers(1, 1500))
def test_edge_of_stored_tiles_is_the_edge_that_wrote_them(size: int) -> None:
    """A log that is opened again goes on where it stopped."""
    edge, tiles = grown(size)
    again = edge_of(size, tiles.read)
    assert (again.tiles, again.frontier.hashes) == (edge.tiles, edge.frontier.hashes)
    assert again.frontier.root() == naive_root(LEAVES[:size])


def test_tiles_hold_the_subtrees_that_their_place_says(large: tuple[Edge, Tiles]) -> None:
    """Hash i of tile n on level l is the subtree of height 8 l at index 256 n + i."""
    _, tiles = large
    assert {level for level, _ in tiles.held} == {0, 1, 2}
    assert tiles.held[1, 0][32:64] == naive_root(LEAVES[256:512])
    assert tiles.held[1, 1] == naive_root(LEAVES[65536 : 65536 + 256])
    assert tiles.held[2, 0] == naive_root(LEAVES[:65536])


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_535, 65_536, 65_537, 66_000])
def test_proofs_from_tiles_verify_at_the_edges_of_tiles(
    large: tuple[Edge, Tiles], size: int
) -> None:
    """Roots, inclusion and consistency proofs come out of the tiles right at every seam."""
    subtree = subtrees(large[1].read)
    root = naive_root(LEAVES[:size])
    assert root_of(size, subtree) == root
    assert frontier_of(size, subtree).root() == root
    for index in {0, 1, 254, 255, 256, 257, 65_535, 65_536, size // 2, size - 1}:
        if index < size:
            verify_inclusion(
                LEAVES[index], index, size, inclusion_proof(index, size, subtree), root
            )
            proof = consistency_proof(index, size, subtree)
            verify_consistency(index, size, naive_root(LEAVES[:index]), root, proof)


def test_proof_in_a_large_tree_reads_few_tiles(large: tuple[Edge, Tiles]) -> None:
    """A proof touches at most two tiles a level, whatever the log's size."""
    _, tiles = large
    before = tiles.reads
    inclusion_proof(12_345, LARGE, subtrees(tiles.read))
    assert tiles.reads - before <= 6


@pytest.mark.parametrize("tile", [(0, 257), (1, 1), (2, 0)])
@pytest.mark.parametrize("left", [0, 31, 33])
def test_edge_of_an_unfinished_tile_of_another_length_is_refused(
    tile: tuple[int, int], left: int
) -> None:
    """A log does not open over tiles that are not all there."""
    _, tiles = grown(LARGE - 17)
    edge_of(LARGE - 17, tiles.read)
    tiles.held[tile] = tiles.held[tile][:left].ljust(left, b"\0")
    with pytest.raises(ProofError, match=f"tile {tile[0]}/{tile[1]}"):
        edge_of(LARGE - 17, tiles.read)


def test_subtrees_missing_tile_is_named(large: tuple[Edge, Tiles]) -> None:
    """A proof over tiles that are not all there is refused, with the tile's name."""
    held = {key: tile for key, tile in large[1].held.items() if key != (0, 3)}
    subtree = subtrees(lambda level, index: held.get((level, index), b""))
    with pytest.raises(ProofError, match="tile 0/3 is too short"):
        inclusion_proof(3 * 256, LARGE, subtree)
