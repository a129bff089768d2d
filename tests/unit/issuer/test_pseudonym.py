"""Positions in status lists."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.pseudonym import LIST_SIZE, Permutation, positions

KEY = bytes(range(32))


@given(
    size=st.integers(1, 3000),
    number=st.integers(0, 2**20 - 1),
    key=st.binary(min_size=32, max_size=32),
)
def test_permutation_of_any_list_has_every_position_once(
    size: int, number: int, key: bytes
) -> None:
    """Whatever the key, number and size: each position is given out exactly once."""
    assert sorted(Permutation(key, number, size)[:]) == list(range(size))


def test_permutation_of_a_full_sized_list_has_every_position_once() -> None:
    """The same for the size that is in use."""
    assert sorted(Permutation(KEY, 7, LIST_SIZE)[:]) == list(range(LIST_SIZE))


def test_permutation_other_key_number_or_size_gives_another_order() -> None:
    """Key, list number and size each decide the order."""
    orders = [
        bytes(Permutation(key, number, size)[:100])
        for key, number, size in [
            (KEY, 1, 1000), (bytes(32), 1, 1000), (KEY, 2, 1000), (KEY, 1, 1001),
        ]
    ]  # fmt: skip
    assert len(set(orders)) == 4


def test_permutation_same_inputs_give_the_order_written_down_here() -> None:
    """The order may never change between releases: positions would be used twice."""
    assert list(Permutation(KEY, 4711, 16)[:]) == PINNED


PINNED = [3, 7, 10, 1, 11, 0, 13, 9, 4, 8, 14, 15, 5, 6, 2, 12]


def test_permutation_neighbours_in_time_are_not_neighbours_in_place() -> None:
    """The mean distance of consecutive positions is that of independent draws, a third."""
    order = Permutation(KEY, 1, 20_000)[:]
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
