"""Positions in status lists."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.codes.pseudonym import LIST_SIZE, MAX_LIST_SIZE, Permutation, positions

KEY = bytes(range(32))


def order_of(key: bytes, number: int, size: int, count: int | None = None) -> list[int]:
    """The first *count* positions of a list, or all of them."""
    return positions(key, number, size, first=0, count=size if count is None else count)


def test_permutation_of_every_small_list_has_every_position_once() -> None:
    """A bijection, by looking at all of it: every size up to 600, so every width of the halves."""
    for size in range(1, 601):
        assert sorted(order_of(KEY, size, size)) == list(range(size))


@given(
    size=st.integers(1, 3000),
    number=st.integers(0, 2**20 - 1),
    key=st.binary(min_size=32, max_size=32),
)
def test_permutation_of_any_list_has_every_position_once(
    size: int, number: int, key: bytes
) -> None:
    """Whatever the key, number and size: each position is given out exactly once."""
    assert sorted(order_of(key, number, size)) == list(range(size))


@pytest.mark.parametrize("size", [LIST_SIZE - 1, LIST_SIZE, LIST_SIZE + 1, MAX_LIST_SIZE])
def test_permutation_of_a_full_sized_list_has_every_position_once(size: int) -> None:
    """The same for the size that is in use, its neighbours, and the largest."""
    assert sorted(order_of(KEY, 7, size)) == list(range(size))


def test_permutation_other_key_number_or_size_gives_another_order() -> None:
    """Key, list number and size each decide the order."""
    orders = [
        tuple(order_of(key, number, size, 100))
        for key, number, size in [
            (KEY, 1, 1000), (bytes(32), 1, 1000), (KEY, 2, 1000), (KEY, 1, 1001),
        ]
    ]  # fmt: skip
    assert len(set(orders)) == 4


def test_permutation_same_inputs_give_the_order_written_down_here() -> None:
    """The order may never change between releases: positions would be used twice."""
    assert order_of(KEY, 4711, 16) == PINNED


PINNED = [12, 3, 4, 0, 14, 13, 8, 2, 11, 9, 1, 10, 6, 7, 5, 15]


def test_permutation_neighbours_in_time_are_not_neighbours_in_place() -> None:
    """The mean distance of consecutive positions is that of independent draws, a third."""
    order = order_of(KEY, 1, 20_000)
    steps = [abs(a - b) for a, b in itertools.pairwise(order)]
    assert sum(steps) / len(steps) == pytest.approx(20_000 / 3, rel=0.03)


@given(cuts=st.lists(st.integers(0, 200), max_size=10))
def test_positions_taken_in_any_portions_never_repeat(cuts: list[int]) -> None:
    """However requests cut the list into portions, no position comes twice."""
    edges = [0, *sorted(cuts), 200]
    taken = [
        position
        for first, last in itertools.pairwise(edges)
        for position in positions(KEY, 3, 200, first=first, count=last - first)
    ]
    assert sorted(taken) == list(range(200))


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, 201), (200, 1), (5, -6)])
def test_positions_beyond_the_list_are_refused(first: int, count: int) -> None:
    """A full list gives out nothing, instead of starting again."""
    with pytest.raises(ValueError, match="do not fit"):
        positions(KEY, 3, 200, first=first, count=count)


@pytest.mark.parametrize("size", [0, -1, 2**20 + 1])
def test_permutation_of_a_size_out_of_bounds_is_refused(size: int) -> None:
    """Status indexes have 20 bits."""
    with pytest.raises(ValueError, match="positions"):
        Permutation(KEY, 1, size)
