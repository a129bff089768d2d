"""Decoys: entries taken back that belong to nobody, and never to somebody."""

from collections import Counter

import pytest

from issuer.codes.mint import DAY_S
from issuer.codes.pseudonym import LIST_SIZE, positions
from issuer.publication.decoys import DAYS_AHEAD, capacity, decoys, reserve
from verifier.statuslist import Status

KEY = bytes(range(32))
DAY = 18_610


@pytest.mark.parametrize("size", [4, 511, 512, 8192, LIST_SIZE])
def test_decoys_stand_only_where_no_code_ever_does(size: int) -> None:
    """The places given out and those of decoys are apart, each decoy stands once."""
    given_out = set(positions(KEY, 7, size, first=0, count=capacity(size)))
    marked = [decoy.position for decoy in decoys(KEY, 7, size, DAY)]
    assert given_out.isdisjoint(marked)
    assert len(set(marked)) == len(marked) <= reserve(size) == size - capacity(size)


def test_decoys_number_anything_from_none_to_all_with_equal_odds() -> None:
    """Of 900 lists: quarters of the range are met equally often, and both ends are met."""
    size = 512 * 7
    counts = Counter(sum(1 for _ in decoys(KEY, number, size, DAY)) for number in range(900))
    assert set(counts) == set(range(8))
    assert all(70 < times < 160 for times in counts.values())


def test_decoys_appear_over_all_days_of_the_list_and_in_both_kinds() -> None:
    """Moments are spread over the days on which codes of the list are taken back."""
    found = [decoy for number in range(40) for decoy in decoys(KEY, number, LIST_SIZE, DAY)]
    days = Counter(decoy.due_at // DAY_S for decoy in found)
    assert set(days) == set(range(DAY + 1 - DAYS_AHEAD, DAY + 1))
    assert max(days.values()) < 1.3 * min(days.values())
    withdrawn = sum(decoy.status is Status.WITHDRAWN for decoy in found)
    assert 0.03 < withdrawn / len(found) < 0.07


def test_decoys_follow_from_the_secret_and_the_list_alone() -> None:
    """An auditor with the secret finds the same; without it nobody does."""
    same = [list(decoys(KEY, 3, LIST_SIZE, DAY)) for _ in range(2)]
    assert same[0] == same[1]
    for key, number in ((bytes(32), 3), (KEY, 4)):
        assert list(decoys(key, number, LIST_SIZE, DAY)) != same[0]
