"""An issuer that the trust list ends: good to its last second, and then silent."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from issuer.errors import IssuerEndedError
from issuer.storage.core import Authority
from issuer.web.problems import STATUS, problem_of
from keys.lifecycle import Purpose
from keys.trustlist import Ending, ListedIssuer
from tests.issuing_support import DAY_S, NOW, authority, desk

ENDING: Final = Ending("230000", NOW + DAY_S, NOW + 9 * DAY_S)
SUCCESSOR: Final = ListedIssuer(
    region="230000",
    name_zh="黑龙江省",
    name_en="Heilongjiang",
    status_base="https://successor.example/status/",
    first_list=5_000,
    last_list=5_999,
    contact="appeals",
    keys=(),
)


def ended() -> Authority:
    held = authority()
    keys = tuple(
        replace(key, not_after=min(key.not_after, ENDING.grace_until))
        if key.purpose is Purpose.CODE
        else key
        for key in held.issuer.keys
    )
    issuer = replace(held.issuer, keys=keys, ending=ENDING)
    return replace(held, issuer=issuer, trust=replace(held.trust, issuers=(issuer, SUCCESSOR)))


def test_issuer_gives_codes_until_the_second_in_which_it_ends(
    engine_url: str, tmp_path: Path
) -> None:
    """The last second before its end gives a code; from then on nobody gets one, and is told."""
    with desk(engine_url, tmp_path, authority=ended()) as office:
        office.residents(2)
        assert office.paper(0, now=ENDING.ends_at - 1)
        for at in (ENDING.ends_at, ENDING.grace_until):
            with pytest.raises(IssuerEndedError, match="by 230000 now") as refused:
                office.paper(1, now=at)
            problem, _ = problem_of(refused.value)
            assert (problem, STATUS[problem]) == ("issuer-ended", 410)
