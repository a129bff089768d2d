"""An update that dies, or whose disk fails, at any call: old lists or new ones, never half (C81).

`test_cache_folder.py` kills a change of the folder alone; here a whole update is killed, what was
not synced is lost or torn, and the venue that finds the rest has to go on from there.
"""

import errno
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.code_support import NOW
from tests.disk_support import Recorder, crashes, materialise, tree
from tests.repository_support import Country, Host, Venue, refusals
from verifier import folder as module
from verifier.cache import Cache
from verifier.claims import HOUR_S
from verifier.errors import CacheError

Files = dict[str, bytes]


def country(hours: int) -> Country:
    """A small country some hours on: one region, whose three lists change all the time."""
    made = Country(size=1)
    for number in range(3):
        made.open_list(number)
    for hour in range(hours):
        made.pass_time()
        made.take_back(hour % 3, hour)
    return made


@cache
def host_files(hours: int) -> Files:
    return country(hours).files()


def held(folder: Path) -> Files:
    return Venue.at(folder).contents()


def update(folder: Path, hours: int) -> None:
    """An honest update, and no problem with it."""
    report = Venue.at(folder).update(Host(host_files(hours)), now=NOW + hours * HOUR_S)
    assert refusals(report) == []


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """These tests save a few thousand times; what a sync does is the model's part."""
    monkeypatch.setattr(module, "os", Recorder(tmp_path))


@pytest.fixture
def venue(tmp_path: Path) -> Path:
    """A venue in its third generation: there is an old one that the next update removes."""
    folder = tmp_path / "venue"
    Venue(folder, country(0))
    update(folder, 0)
    update(folder, 1)
    return folder


def test_update_loses_power_at_any_call_leaves_old_or_new(
    tmp_path: Path, venue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D2: whatever was not synced is lost or torn; what is found is whole, and goes on."""
    before, old = tree(venue), held(venue)
    recorder = Recorder(venue)
    monkeypatch.setattr(module, "os", recorder)
    update(venue, 2)
    monkeypatch.setattr(module, "os", Recorder(venue))
    new = held(venue)
    assert new != old
    assert len(recorder.log) > 30
    states = {}
    for calls, found in crashes(before, recorder.log):
        states[tuple(sorted(found.items(), key=lambda item: item[0]))] = (calls, found)
    outcomes = []
    for number, (calls, found) in enumerate(states.values()):
        folder = tmp_path / str(number)
        materialise(found, folder)
        outcomes.append(held(folder))
        assert outcomes[-1] in (old, new), calls
        if number % 5 == 0:
            update(folder, 3)
            assert held(folder) == newest(tmp_path)
        shutil.rmtree(folder)
    assert len(states) > 100
    assert old in outcomes
    assert new in outcomes


def newest(tmp_path: Path) -> Files:
    """What a venue holds that was updated at all the hours and never died."""
    folder = tmp_path / "newest"
    if not folder.exists():
        Venue(folder, country(0))
        for hours in range(4):
            update(folder, hours)
    return held(folder)


@pytest.mark.parametrize("left_out", ["files", "folders"])
def test_model_of_the_disk_notices_what_is_not_synced(
    venue: Path, monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    """The test above can fail: without the syncs of either kind a crash leaves a mixture."""
    before = tree(venue)
    recorder = Recorder(venue)
    monkeypatch.setattr(module, "os", recorder)
    update(venue, 2)
    monkeypatch.setattr(module, "os", Recorder(venue))
    folders = {name for name, data in tree(venue).items() if data is None} | {"."}
    log = [
        op
        for op in recorder.log
        if op.call != "fsync" or (op.path in folders) is (left_out == "files")
    ]
    whole = {frozenset(generation(before).items()), frozenset(generation(tree(venue)).items())}
    found = {frozenset(generation(state).items()) for _, state in crashes(before, log)}
    assert not found <= whole


def generation(found: dict[str, bytes | None]) -> dict[str, bytes]:
    """The files that `current` names in a tree, by their names below it."""
    name = (found.get("current") or b"").decode().strip() + "/"
    return {
        k.removeprefix(name): v for k, v in found.items() if v is not None and k.startswith(name)
    }


def failing(number: int, code: int, *, lasting: bool) -> Callable[[int, str], None]:
    """From call *number* on, or at it alone, the disk fails with this code."""

    def before(call: int, name: str) -> None:
        # Giving space or a descriptor back works on a full disk.
        if (call == number or (lasting and call > number)) and name != "close":
            raise OSError(code, os.strerror(code))

    return before


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
def test_update_with_a_disk_that_fails_at_any_call_keeps_old_or_new(
    venue: Path, monkeypatch: pytest.MonkeyPatch, code: int, *, lasting: bool
) -> None:
    """D3, D4: the update says that the disk failed, or it happened; the next one succeeds."""
    counting = Recorder(venue)
    work = venue.parent / "work"
    shutil.copytree(venue, work)
    monkeypatch.setattr(module, "os", counting)
    update(work, 2)
    monkeypatch.setattr(module, "os", Recorder(venue))
    old, new = held(venue), held(work)
    outcomes = set()
    for number in range(1, counting.calls + 1):
        shutil.rmtree(work)
        shutil.copytree(venue, work)
        monkeypatch.setattr(module, "os", Recorder(work, failing(number, code, lasting=lasting)))
        try:
            update(work, 2)
            said = False
        except (OSError, CacheError):
            said = True
        monkeypatch.setattr(module, "os", Recorder(venue))
        after = held(work)
        assert after in (old, new)
        assert said or after == new
        outcomes.add((said, after == new))
        update(work, 3)
        assert held(work) == newest(venue.parent)
    assert outcomes >= {(True, False), (False, True)}


def test_update_on_a_full_disk_takes_no_more_of_it_each_time(
    venue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D4: what a failed update left is removed by the next try, so a disk does not fill up."""

    def full(_: int, name: str) -> None:
        if name == "replace":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    old = held(venue)
    counts = []
    for _ in range(4):
        monkeypatch.setattr(module, "os", Recorder(venue, full))
        with pytest.raises(OSError, match="space"):
            update(venue, 2)
        monkeypatch.setattr(module, "os", Recorder(venue))
        counts.append(len(list(venue.glob("lists-*"))))
    assert len(set(counts)) == 1
    assert held(venue) == old
    update(venue, 3)
    assert len(list(venue.glob("lists-*"))) == 2


def test_update_during_an_update_is_refused_and_disturbs_nothing(venue: Path) -> None:
    """Of two updates at once the second says so; the first goes on to its end."""
    at = country(2)
    host = Host(at.files())
    refused = []

    def meanwhile(_: Host, data: bytes | None) -> bytes | None:
        with pytest.raises(CacheError, match="another update") as caught:
            Venue.at(venue).update(Host(country(3).files()), now=country(3).now)
        refused.append(caught)
        return data

    host.bends["*"] = meanwhile
    assert Venue.at(venue).update(host, now=at.now).problems == ()
    assert len(refused) == len(host.asked)
    assert Cache(str(venue)).trust() == at.trust
    update(venue, 3)
