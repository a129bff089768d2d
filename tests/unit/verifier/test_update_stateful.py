"""Any sequence of honest and hostile moves leaves a venue that never went back.

The country goes on honestly; between its publications a host serves any mixture of all files that
were ever published, bent in any way, and lists that a thief signs by a stolen status key. What must
hold after every move are the invariants below.
"""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.disk_support import Recorder
from tests.repository_support import (
    Bend,
    Country,
    Files,
    Host,
    Venue,
    absent,
    cut,
    endless,
    other_bytes,
    redirected,
    slow,
    snapshot_name,
)
from verifier import folder as module
from verifier.cache import Cache
from verifier.check import Reason
from verifier.claims import HOUR_S
from verifier.statuslist import Status

REGIONS = ("110000", "120000", "130000")
INDEX = st.integers(0, 3)
REGION = st.sampled_from(REGIONS)
STATUS = st.sampled_from((Status.WITHDRAWN, Status.SUPERSEDED))
#: Everything that is published, and the most that a file of any kind may have.
NAMES = tuple(Country().files())
LARGEST = 2**22
BENDS: dict[str, Bend] = {
    "absent": absent, "cut": cut, "endless": endless, "redirected": redirected, "slow": slow,
    "sorry": other_bytes(b"<html>"), "empty": other_bytes(b""),
}  # fmt: skip


class Updating(RuleBasedStateMachine):
    """A country, everything that it ever published, and one venue."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.country = Country()
        self.history: list[Files] = [self.country.files()]
        #: Everything that was ever signed by a key in force, by its bytes.
        self.signed: set[bytes] = set(self.history[0].values())
        self.venue = Venue(self.folder / "venue", self.country)
        #: Codes that a list which this venue took has taken back, with their region.
        self.dead: dict[str, str] = {}
        #: Codes that were ever taken back, by list and index.
        self.taken_back: dict[tuple[int, int], str] = {}
        self.sent = 0
        self.newest: dict[str, int] = {}
        self.before: tuple[int, int, frozenset[bytes]] = (0, 0, frozenset())
        self.update(Host(self.history[0]))
        # There is something to lose from the first move on.
        for region in REGIONS:
            self.code_is_taken_back(region, 0, Status.WITHDRAWN, seen=False)
        self.code_key_is_withdrawn(REGIONS[0])
        self.venue_updates_honestly()

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def update(self, *hosts: Host) -> list[str]:
        """An update, and what it did not take; whatever it took is kept in mind."""
        report = self.venue.update(*hosts, now=self.country.now)
        self.sent = max((host.sent for host in hosts), default=0)
        held = self.venue.lists()
        for (number, index), code in self.taken_back.items():
            status_list = held.statuses.get(number)
            if status_list is not None and status_list.status(index):
                self.dead[code] = str(number)
        return [f"{problem.what}: {problem.text}" for problem in report.problems]

    def publish(self) -> Files:
        self.history.append(self.country.files())
        self.signed |= set(self.history[-1].values())
        return self.history[-1]

    # --- honest moves

    @rule(hours=st.sampled_from((1, 5, 30)))
    def time_passes(self, hours: int) -> None:
        self.country.pass_time(hours * HOUR_S)
        self.publish()

    @rule(region=REGION, index=INDEX, status=STATUS, seen=st.booleans())
    def code_is_taken_back(self, region: str, index: int, status: Status, *, seen: bool) -> None:
        number = self.country.issuers[region].first_list
        held = self.country.statuses[number].get(index)
        if held is not Status.WITHDRAWN:
            self.country.take_back(number, index, status)
        self.taken_back[number, index] = self.country.code(region, index)
        self.time_passes(1)
        if seen:
            self.venue_updates_honestly()

    @rule(region=REGION)
    def code_key_is_withdrawn(self, region: str) -> None:
        self.country.withdraw_code_key(region)
        self.time_passes(1)

    @rule(region=REGION)
    def status_key_changes(self, region: str) -> None:
        self.country.change_status_key(region)
        self.time_passes(1)

    @precondition(lambda self: self.country.roots == self.venue.lists().trust.roots)
    @rule()
    def roots_change(self) -> None:
        self.country.change_roots()
        self.time_passes(1)

    @rule()
    def venue_updates_honestly(self) -> None:
        """Everything is taken, whatever was tried before."""
        self.country.pass_time(60)
        assert self.update(Host(self.publish())) == []
        assert self.venue.lists().trust == self.country.trust

    # --- hostile moves

    @rule(data=st.data())
    def host_mixes_all_that_ever_was(self, data: st.DataObject) -> None:
        """Each file of any time: rollback, freeze and mixture at once."""
        self.update(Host(self.mixture(data)))

    @rule(data=st.data(), name=st.sampled_from(("*", *NAMES)), bend=st.sampled_from([*BENDS]))
    def host_bends_a_file(self, data: st.DataObject, name: str, bend: str) -> None:
        files = self.history[-1] if data.draw(st.booleans()) else self.mixture(data)
        self.update(Host(files, bends={name: BENDS[bend]}))

    @rule(region=REGION)
    def thief_of_a_status_key_brings_codes_back(self, region: str) -> None:
        """Lists of this moment in which nothing was ever taken back."""
        thief = self.country.branch()
        thief.now += 1
        for number in thief.numbers(region):
            thief.statuses[number].clear()
        files = thief.region_files(region)
        self.signed |= set(files.values())
        self.country.now += 1
        self.update(Host({**self.history[-1], **files}))

    @rule(data=st.data(), first=st.booleans())
    def host_lies_beside_an_honest_one(self, data: st.DataObject, *, first: bool) -> None:
        """A venue with one honest host is up to date, whatever another serves."""
        self.country.pass_time(60)
        honest, liar = Host(self.publish()), Host(self.mixture(data), name="liar")
        name = data.draw(st.sampled_from(("*", *NAMES)))
        liar.bends[name] = BENDS[data.draw(st.sampled_from([*BENDS]))]
        hosts = (liar, honest) if first else (honest, liar)
        report = self.venue.update(*hosts, now=self.country.now)
        assert report.regions == REGIONS
        assert {problem.source for problem in report.problems} <= {"liar"}
        assert report.trust == self.country.trust
        self.update(honest)

    @rule(region=REGION, bend=st.sampled_from([*BENDS]))
    def host_attacks_one_region(self, region: str, bend: str) -> None:
        """The other regions are updated all the same."""
        self.country.pass_time(60)
        host = Host(self.publish(), bends={snapshot_name(region): BENDS[bend]})
        report = self.venue.update(host, now=self.country.now)
        if bend != "slow":  # it costs the host its turn, and there is no other
            assert {*report.regions} == {*REGIONS} - {region}
        self.update(Host({}))

    def mixture(self, data: st.DataObject) -> Files:
        times = st.integers(0, len(self.history) - 1)
        return {name: self.history[data.draw(times)][name] for name in NAMES}

    # --- what always holds

    @invariant()
    def version_and_epoch_never_fall_and_withdrawn_keys_stay(self) -> None:
        trust = self.venue.lists().trust
        assert (trust.roots.epoch, trust.version) >= self.before[:2]
        assert trust.withdrawn >= self.before[2]
        self.before = (trust.roots.epoch, trust.version, trust.withdrawn)

    @invariant()
    def no_region_goes_back(self) -> None:
        newest = {r: at for r, (at, _) in Cache(self.venue.folder).seen().snapshots.items()}
        assert all(newest[region] >= at for region, at in self.newest.items())
        self.newest = newest

    @invariant()
    def no_code_taken_back_is_admitted_again(self) -> None:
        for code in self.dead:
            assert self.venue.verdict(code, now=self.country.now) is not Reason.ADMITTED

    @invariant()
    def nothing_is_held_that_nobody_signed(self) -> None:
        ours = {"seen.cbor", "roots.cbor", "sources.txt"}
        for name, data in self.venue.contents().items():
            assert name in ours or data in self.signed, name

    @invariant()
    def what_is_fetched_is_bounded(self) -> None:
        assert self.sent <= 2 * len(NAMES) * (LARGEST + 1)


def test_any_moves_leave_a_venue_that_never_went_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Versions and withdrawals only grow, nothing unsigned is held, honesty recovers all."""
    monkeypatch.setattr(module, "os", Recorder(tmp_path))
    run_state_machine_as_test(
        Updating,
        settings=settings(
            max_examples=20,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
