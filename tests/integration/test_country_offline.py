"""One code, recognised everywhere: a country of 34 issuers and a venue without a network."""

import pytest

from keys.trustlist import encode_roots
from tests.code_support import NOW
from tests.repository_support import Country
from tests.venue_support import Run, publish
from verifier.claims import HOUR_S
from verifier.statuslist import DEFAULT_ENTRIES, Status

#: Positions of codes that were taken back before the venue's last update.
WITHDRAWN, SUPERSEDED = 7, DEFAULT_ENTRIES - 1
GOOD, LATER_WITHDRAWN = 4711, 4712


@pytest.fixture(scope="module")
def country() -> Country:
    """34 issuers with lists of full size, some codes of each taken back."""
    made = Country(size=34, entries=DEFAULT_ENTRIES)
    for number in made.statuses:
        made.take_back(number, WITHDRAWN)
        made.take_back(number, SUPERSEDED, Status.SUPERSEDED)
    return made


@pytest.fixture(scope="module")
def venue(country: Country, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Set up and updated by the commands, and never again: the folder of lists is gone."""
    folder = tmp_path_factory.mktemp("country")
    public = publish(folder / "public", country.files())
    roots = folder / "roots.cbor"
    roots.write_bytes(encode_roots(country.roots))
    command = Run(folder / "venue", NOW)
    assert command("setup", "--roots", str(roots), "--source", str(public)).status == 0
    updated = command("update")
    assert (updated.status, updated.lines[0].split(";")[1]) == (
        0, " up to date: 34 of 34 regions",
    )  # fmt: skip
    public.rename(folder / "gone")
    return command


def test_venue_23_h_offline_admits_travellers_of_34_regions(country: Country, venue: Run) -> None:
    """Codes of an hour ago from every region pass; those taken back before do not."""
    venue.now = NOW + 23 * HOUR_S
    country.now = NOW + 22 * HOUR_S
    for region in country.issuers:
        statuses = [
            venue(country.code(region, index)).status for index in (GOOD, WITHDRAWN, SUPERSEDED)
        ]
        assert statuses == [0, 10, 20], region


def test_venue_23_h_offline_does_not_know_what_was_taken_back_since(
    country: Country, venue: Run
) -> None:
    """What a day offline costs, said openly: a code taken back in the meantime still passes."""
    venue.now = NOW + 23 * HOUR_S
    later = country.branch()
    later.take_back(0, LATER_WITHDRAWN)
    assert venue(later.code("110000", LATER_WITHDRAWN)).status == 0


def test_venue_25_h_offline_decides_nothing_for_anybody(country: Country, venue: Run) -> None:
    """A day later every code of every region is "check again", never a yes or a no."""
    venue.now = country.now = NOW + 25 * HOUR_S
    for region in country.issuers:
        for index in (GOOD, WITHDRAWN):
            assert venue(country.code(region, index)).status == 20
