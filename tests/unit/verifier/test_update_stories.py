"""Longer stories of a venue: several hosts, several days, several generations of roots."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from keys.trustupdate import MAX_STEP
from tests.code_support import DAY_S, NOW
from tests.repository_support import (
    TRUST_LIST,
    Country,
    Host,
    Venue,
    absent,
    cut,
    endless,
    other_bytes,
    redirected,
    refusals,
    root_names,
    sign_trust,
    slow,
    snapshot_name,
    token_name,
)
from verifier.cache import Cache, delta_name
from verifier.check import Reason
from verifier.claims import HOUR_S
from verifier.errors import CacheError
from verifier.sources import DEADLINE_S
from verifier.statusdelta import StatusDelta, encode_changes, sign_delta
from verifier.statuslist import Snapshot, Status, contents_digest
from verifier.update import KEEP_DROPPED_S

A, B, C = "110000", "120000", "130000"
LIST_A, LIST_B = 0, 1000


@pytest.fixture
def country() -> Country:
    return Country()


@pytest.fixture
def venue(tmp_path: Path, country: Country) -> Venue:
    made = Venue(tmp_path / "venue", country)
    assert made.update(Host(country.files()), now=country.now).problems == ()
    return made


def take_all(venue: Venue, country: Country, *hosts: Host) -> None:
    """An update by an honest host (or these) after which the venue is as the country is."""
    report = venue.update(*(hosts or [Host(country.files())]), now=country.now)
    assert report.problems == ()
    assert report.regions == tuple(sorted(country.issuers))


# --- several hosts ------------------------------------------------------------------------------


def test_hosts_with_two_lists_of_one_version_are_both_refused(
    venue: Venue, country: Country
) -> None:
    """C72: nobody at a venue can tell which of two genuine lists is true, so it takes neither."""
    held = venue.contents()
    country.pass_time()
    other = replace(country.trust, issuers=country.trust.issuers[:2])
    liar = Host({**country.files(), TRUST_LIST: country.signed_trust(other)}, name="liar")
    report = venue.update(Host(country.files()), liar, now=country.now)
    assert refusals(report)[0] == ("trust list", "TrustListEquivocationError")
    assert report.problems[0].source == "host, liar"
    assert venue.contents() == held
    country.pass_time()
    take_all(venue, country)


def test_hosts_with_two_lists_of_one_version_and_a_third_with_a_newer(
    venue: Venue, country: Country
) -> None:
    """A newer list ends a dispute about the one before it, and the dispute is still told."""
    country.pass_time()
    other = replace(country.trust, issuers=country.trust.issuers[:2])
    one = Host(country.files(), name="one")
    two = Host({**country.files(), TRUST_LIST: country.signed_trust(other)}, name="two")
    country.pass_time()
    report = venue.update(one, two, Host(country.files()), now=country.now)
    assert refusals(report) == [("trust list", "TrustListEquivocationError")]
    assert report.trust.version == country.version
    assert report.regions == tuple(sorted(country.issuers))


def test_hosts_with_one_list_by_different_signers_agree(venue: Venue, country: Country) -> None:
    """Whichever two roots signed, it is the same list."""
    country.pass_time()
    other = {**country.files(), TRUST_LIST: sign_trust(country.trust, root_names(1)[1:])}
    take_all(venue, country, Host(country.files()), Host(other, name="other"))


def test_hosts_with_two_snapshots_of_one_second_are_both_refused(
    venue: Venue, country: Country
) -> None:
    """A region that says two things at once is not believed either time; the others are."""
    country.pass_time()
    honest = Host(country.files())
    country.take_back(LIST_A, 3)
    liar = Host({**honest.files, **country.region_files(A)}, name="liar")
    report = venue.update(honest, liar, now=country.now)
    assert refusals(report) == [(A, "StatusListRollbackError")]
    assert report.regions == (B, C)
    country.pass_time()
    take_all(venue, country)


HOSTILE: dict[str, Callable[[Country], Host]] = {
    "frozen": lambda _: Host(Country().files()),
    "one file frozen": lambda country: Host(
        {**country.files(), snapshot_name(A): Country().files()[snapshot_name(A)]}
    ),
    "snapshots without lists": lambda country: Host(
        {name: data for name, data in country.files().items() if not name.endswith(".cwt")}
    ),
    "silent": lambda _: Host({}),
    "endless": lambda country: Host(country.files(), bends={"*": endless}),
    "slow": lambda country: Host(country.files(), bends={"*": slow}),
    "redirecting": lambda country: Host(country.files(), bends={"*": redirected}),
    "cutting": lambda country: Host(country.files(), bends={"*": cut}),
    "sorry": lambda country: Host(country.files(), bends={"*": other_bytes(b"<html>")}),
    "of another country": lambda country: other_country(country),  # noqa: PLW0108 - defined below
}


def other_country(country: Country) -> Host:
    """Everything signed by roots that this venue never heard of."""
    other = country.branch()
    other.epoch = 9
    return Host(other.files())


@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_host_beside_an_honest_one_costs_nothing_but_time(
    venue: Venue, country: Country, kind: str, where: str
) -> None:
    """Whatever one host does for a day, a venue with one honest host is as new as that host."""
    country.take_back(LIST_A, 3)
    for _ in range(4):
        country.pass_time(6 * HOUR_S)
        hostile = HOSTILE[kind](country)
        hostile.name = "hostile"
        honest = Host(country.files())
        hosts = [hostile, honest] if where == "first" else [honest, hostile]
        report = venue.update(*hosts, now=country.now)
        assert report.trust.version == country.version
        assert report.regions == tuple(sorted(country.issuers))
        assert {problem.source for problem in report.problems} <= {"hostile"}
        assert venue.contents()[token_name(LIST_A)] == honest.files[token_name(LIST_A)]
        assert hostile.seconds <= DEADLINE_S
    assert venue.verdict(country.code(A, 3), now=country.now) is Reason.WITHDRAWN
    assert venue.verdict(country.code(A, 4), now=country.now) is Reason.ADMITTED


def test_each_region_may_publish_for_itself(venue: Venue, country: Country) -> None:
    """Regions come from whichever host has them; what others lack is no problem."""
    country.pass_time()
    hosts = [Host({TRUST_LIST: country.signed_trust()}, name="roots")]
    hosts += [
        Host({TRUST_LIST: country.signed_trust(), **country.region_files(region)}, name=region)
        for region in country.issuers
    ]
    take_all(venue, country, *hosts)


# --- honest, attacked, recovered ----------------------------------------------------------------


def test_fast_forward_by_stolen_roots_ends_with_new_roots(venue: Venue, country: Country) -> None:
    """C76: whoever holds a quorum burns the versions; new roots begin again below them."""
    thief = country.branch()
    for _ in range(3):
        thief.now += 60
        thief.version += MAX_STEP
        report = venue.update(Host({TRUST_LIST: thief.signed_trust()}), now=thief.now)
        assert report.trust.version == thief.version
    country.pass_time()
    honest = venue.update(Host(country.files()), now=country.now)
    assert refusals(honest)[0] == ("trust list", "TrustListRollbackError")
    country.change_roots()
    country.pass_time()
    take_all(venue, country)
    assert venue.lists().trust.version == country.version == 9
    thief.now = country.now
    late = venue.update(Host({TRUST_LIST: thief.signed_trust()}), now=country.now)
    assert refusals(late)[0] == ("trust list", "TrustListQuorumError")


def test_roots_change_four_times_and_withdrawn_keys_stay_withdrawn(
    venue: Venue, country: Country
) -> None:
    """A venue follows epoch by epoch; the kids of stolen keys outlive all roots that named them."""
    stolen = country.code(A, 1)
    country.withdraw_code_key(A)
    for epoch in range(2, 6):
        country.change_roots()
        country.pass_time()
        take_all(venue, country)
        assert Cache(venue.folder).roots() == country.roots
        assert country.roots.epoch == epoch
        assert venue.verdict(stolen, now=country.now) is Reason.KEY_WITHDRAWN
        old = country.branch()
        old.epoch, old.former_epochs = epoch - 1, ()
        old.pass_time(0)
        report = venue.update(Host({TRUST_LIST: old.signed_trust()}), now=country.now)
        assert refusals(report)[0] == ("trust list", "TrustListQuorumError")
    assert venue.verdict(country.code(A, 1), now=country.now) is Reason.ADMITTED


def test_venue_that_missed_two_changes_of_roots_needs_them_by_hand(
    tmp_path: Path, venue: Venue, country: Country
) -> None:
    """C75: the chain from root to root has no gap; without the middle one it stays where it was."""
    held = venue.contents()
    for _ in range(2):
        country.change_roots()
        country.pass_time()
    report = venue.update(Host(country.files()), now=country.now)
    assert refusals(report)[0] == ("trust list", "TrustListQuorumError")
    assert venue.contents() == held
    take_all(Venue(tmp_path / "by hand", country), country)


def test_issuer_that_leaves_and_comes_back_brings_no_code_back(
    venue: Venue, country: Country
) -> None:
    """A region that is struck off the list and put back begins where it ended, not before."""
    country.take_back(LIST_A, 3)
    country.pass_time()
    take_all(venue, country)
    code = country.code(A, 3)
    issuer = country.strike_off(A)
    country.pass_time()
    take_all(venue, country)
    assert venue.verdict(code, now=country.now) is Reason.UNKNOWN_KEY
    country.issuers[A] = issuer
    country.statuses[LIST_A].clear()
    country.pass_time()
    report = venue.update(Host(country.files()), now=country.now)
    assert refusals(report) == [(A, "StatusListClearedError")]
    assert venue.verdict(code, now=country.now) is Reason.WITHDRAWN
    country.take_back(LIST_A, 3)
    country.pass_time()
    take_all(venue, country)
    assert venue.verdict(code, now=country.now) is Reason.WITHDRAWN


def test_list_that_is_named_no_more_and_then_again_brings_no_code_back(
    venue: Venue, country: Country
) -> None:
    """Dropping a list and opening it anew does not empty it while its codes can live."""
    country.take_back(LIST_A, 3)
    country.open_list(1)
    country.pass_time()
    take_all(venue, country)
    country.drop_list(LIST_A)
    for _ in range(KEEP_DROPPED_S // DAY_S - 1):
        country.pass_time(DAY_S)
        take_all(venue, country)
    country.open_list(LIST_A)
    country.pass_time()
    assert refusals(venue.update(Host(country.files()), now=country.now)) == [
        (A, "StatusListRollbackError")
    ]
    country.drop_list(LIST_A)
    country.pass_time(2 * DAY_S)
    take_all(venue, country)
    assert token_name(LIST_A) not in venue.contents()
    country.open_list(LIST_A)
    country.pass_time()
    take_all(venue, country)


def test_clock_that_runs_ahead_makes_a_venue_forget_nothing(venue: Venue, country: Country) -> None:
    """D8: a venue that thinks it is next year keeps the lists of an issuer that left."""
    country.take_back(LIST_A, 3)
    country.pass_time()
    take_all(venue, country)
    country.strike_off(A)
    country.pass_time()
    take_all(venue, country)
    report = venue.update(Host(country.files()), now=country.now + 400 * DAY_S)
    assert {error for _, error in refusals(report)} == {
        "TrustListExpiredError",
        "StatusListSignerError",  # their keys have ended by then
    }
    assert token_name(LIST_A) in venue.contents()


def test_lists_pass_to_another_issuer_with_their_memory(venue: Venue, country: Country) -> None:
    """A city's lists that go to the province keep what the city took back."""
    country.take_back(LIST_A, 3)
    country.pass_time()
    take_all(venue, country)
    city = country.strike_off(A)
    country.issuers[B] = replace(country.issuers[B], first_list=city.first_list)
    country.statuses[LIST_A] = {}
    country.pass_time()
    assert refusals(venue.update(Host(country.files()), now=country.now)) == [
        (B, "StatusListClearedError")
    ]
    country.take_back(LIST_A, 3)
    country.pass_time()
    take_all(venue, country)


def by_delta(
    country: Country, region: str, changes: dict[int, dict[int, Status]], *, base: int
) -> dict[str, bytes]:
    """What the region publishes where all that its lists say beyond *base* is in its delta."""
    encoded = {n: encode_changes(changes.get(n, {})) for n in country.numbers(region)}
    issuer = country.issuers[region]
    delta = sign_delta(
        StatusDelta(region, country.now, country.now + DAY_S, base, encoded), issuer.status_signer
    )
    digests = {n: contents_digest(country.packed(n)) for n in encoded}
    snapshot = Snapshot(
        region, country.now, country.now + DAY_S, country.version, digests, sha256(delta).digest()
    )
    return {snapshot_name(region): country.sign_snapshot(snapshot), delta_name(region): delta}


def test_lists_that_passed_to_another_issuer_keep_what_its_deltas_say(
    venue: Venue, country: Country
) -> None:
    """The delta that the city left behind does not hide what the province's says since."""
    city = country.strike_off(A)
    country.issuers[B] = replace(country.issuers[B], first_list=city.first_list)
    country.pass_time()
    take_all(venue, country)
    code, base = country.code(B, 3, list_number=LIST_A), country.now
    country.pass_time()
    country.take_back(LIST_A, 3)
    taken_back = {LIST_A: {3: Status.WITHDRAWN}}
    take_all(venue, country, Host(country.files() | by_delta(country, B, taken_back, base=base)))
    assert venue.verdict(code, now=country.now) is Reason.WITHDRAWN
    country.statuses[LIST_A] = {}
    country.pass_time()
    assert refusals(venue.update(Host(country.files()), now=country.now)) == [
        (B, "StatusListClearedError")
    ]


def test_thief_who_never_lets_a_list_be_fetched_does_not_make_a_venue_forget_it(
    venue: Venue, country: Country
) -> None:
    """A stolen status key cannot let a held list age for days, drop it, and bring it back empty."""
    base = country.now
    country.open_list(1)
    country.pass_time()
    take_all(venue, country)
    for _ in range(KEEP_DROPPED_S // DAY_S):
        country.pass_time(DAY_S)
        country.take_back(LIST_A, 3)
        stolen = by_delta(country, A, {LIST_A: {3: Status.WITHDRAWN}}, base=base)
        venue.update(Host(country.files() | stolen), now=country.now)
    code = country.code(A, 3)
    assert venue.verdict(code, now=country.now) is Reason.WITHDRAWN
    country.drop_list(LIST_A)
    for _ in range(2):
        country.pass_time()
        take_all(venue, country)
    country.open_list(LIST_A)
    country.pass_time()
    venue.update(Host(country.files()), now=country.now)
    assert venue.verdict(code, now=country.now) is not Reason.ADMITTED


@pytest.mark.parametrize(
    ("hours", "before", "after"),
    [
        (23, Reason.ADMITTED, Reason.ADMITTED),
        (25, Reason.STALE_TRUST, Reason.ADMITTED),
        (30 * 24, Reason.STALE_TRUST, Reason.ADMITTED),
    ],
)
def test_venue_offline_for_hours_decides_for_a_day_and_catches_up(
    venue: Venue, country: Country, hours: int, before: Reason, after: Reason
) -> None:
    """Held lists decide for 24 h and then nothing; one update later all is as for anybody else."""
    country.take_back(LIST_A, 3)
    country.pass_time()
    take_all(venue, country)
    gone = country.now
    country.now += hours * HOUR_S
    good, bad = country.code(A, 4), country.code(A, 3)
    assert venue.verdict(good, now=country.now) is before
    assert venue.verdict(bad, now=country.now) is (
        Reason.WITHDRAWN if before is Reason.ADMITTED else before
    )
    country.version += hours
    country.trust_issued_at = country.now
    take_all(venue, country)
    assert venue.verdict(good, now=country.now) is after
    assert venue.verdict(bad, now=country.now) is Reason.WITHDRAWN
    assert country.now - gone == hours * HOUR_S


def test_freeze_is_felt_after_a_day_and_told_at_every_update(
    venue: Venue, country: Country
) -> None:
    """One host that shows yesterday for ever is refused a day later, and no code passes."""
    frozen = Host(country.files())
    for hours in (6, 12, 23):
        assert venue.update(frozen, now=NOW + hours * HOUR_S).problems == ()
        assert venue.verdict(country.code(A, 4), now=NOW + hours * HOUR_S) is Reason.ADMITTED
    late = venue.update(frozen, now=NOW + 25 * HOUR_S)
    assert refusals(late) == [(region, "StatusListExpiredError") for region in country.issuers]
    assert venue.verdict(country.code(A, 4), now=NOW + 25 * HOUR_S) is Reason.STALE_TRUST
    ended = venue.update(frozen, now=NOW + 20 * DAY_S)
    assert refusals(ended)[0] == ("trust list", "TrustListExpiredError")


def test_hostile_host_for_a_day_then_gone_leaves_nothing_behind(
    venue: Venue, country: Country
) -> None:
    """A day of every kind of attack, hour by hour; then one honest update, and all is right."""
    country.take_back(LIST_A, 3)
    country.pass_time()
    take_all(venue, country)
    for hour, kind in enumerate(HOSTILE, 1):
        country.pass_time(2 * HOUR_S)
        before = venue.contents()
        report = venue.update(HOSTILE[kind](country), now=country.now)
        assert venue.contents().keys() == before.keys(), (hour, kind)
        assert venue.lists().trust.version >= report.trust.version - 1
        assert venue.verdict(country.code(A, 3), now=country.now) in (
            Reason.WITHDRAWN, Reason.STALE_TRUST,
        )  # fmt: skip
    country.pass_time(2 * HOUR_S)
    take_all(venue, country)
    assert venue.verdict(country.code(A, 3), now=country.now) is Reason.WITHDRAWN
    assert venue.verdict(country.code(A, 4), now=country.now) is Reason.ADMITTED


def test_stolen_status_key_is_withdrawn_and_its_lies_are_kept_as_the_safe_side(
    venue: Venue, country: Country
) -> None:
    """A thief of a status key can take codes back for good, and can bring none back."""
    thief = country.branch()
    thief.now += 60
    thief.take_back(LIST_A, 5)
    take_all(venue, thief)
    country.pass_time()
    refused = venue.update(Host(country.files()), now=country.now)
    assert refusals(refused) == [(A, "StatusListClearedError")]
    country.change_status_key(A)
    country.take_back(LIST_A, 5, Status.WITHDRAWN)
    country.pass_time()
    take_all(venue, country)
    assert venue.verdict(country.code(A, 5), now=country.now) is Reason.WITHDRAWN


def test_first_update_from_a_hostile_host_leaves_a_venue_empty(
    tmp_path: Path, country: Country
) -> None:
    """Without one good trust list there is none: a new venue stays new, and says why."""
    venue = Venue(tmp_path / "new", country)
    held = venue.contents()
    for bend in (absent, cut, endless, slow, redirected, other_bytes(b"x")):
        with pytest.raises(CacheError, match="no trust list"):
            venue.update(Host(country.files(), bends={TRUST_LIST: bend}), now=country.now)
        assert venue.contents() == held
    with pytest.raises(CacheError, match="roots"):
        venue.update(other_country(country), now=country.now)
    take_all(venue, country)


def test_lists_that_change_between_two_requests_are_asked_for_again(
    venue: Venue, country: Country
) -> None:
    """Who updates while an issuer publishes gets the one or the other time, and no error."""
    country.pass_time()
    host = Host(country.files())
    country.take_back(LIST_A, 3)
    country.now += 1
    later = country.region_files(A)

    def publishes_now(serving: Host, data: bytes | None) -> bytes | None:
        serving.files.update(later)
        del serving.bends[snapshot_name(A)]
        return data

    host.bends[snapshot_name(A)] = publishes_now
    report = venue.update(host, now=country.now)
    assert [problem for problem in report.problems if problem.what == A] == []
    assert A in report.regions


def test_city_that_ends_is_asked_for_until_its_grace_is_over_and_then_forgotten(
    venue: Venue, country: Country
) -> None:
    """N6: its codes count to the last second of its grace; afterwards its silent host is no
    problem, its lists go, and whoever still shows a code is told whose to get."""
    country.end(C, B, NOW + 2 * DAY_S)
    over = NOW + 9 * DAY_S
    while country.now < over - DAY_S:
        country.pass_time(DAY_S)
        take_all(venue, country)
    country.pass_time(DAY_S - HOUR_S)
    take_all(venue, country)
    code = country.code(C, 1)
    assert venue.verdict(code, now=over - 1) is Reason.ADMITTED
    assert venue.verdict(code, now=over) is Reason.ISSUER_ENDED

    def without_city() -> Host:
        return Host(country.files(), bends={snapshot_name(C): absent})

    clock_ahead = venue.update(without_city(), now=over)
    assert {what for what, _ in refusals(clock_ahead)} == {C}
    for days in (0, KEEP_DROPPED_S // DAY_S):
        country.pass_time(days * DAY_S + HOUR_S)
        report = venue.update(without_city(), now=country.now)
        assert report.problems == ()
        assert (report.wanted, report.regions) == (2, (A, B))
        held = venue.contents().keys()
        assert {token_name(2000), delta_name(C)} & held == (
            {token_name(2000), delta_name(C)} if days == 0 else set()
        )
    assert venue.verdict(code, now=country.now) is Reason.ISSUER_ENDED
