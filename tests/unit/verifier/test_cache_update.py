"""What a venue takes and what it refuses: rollbacks, mixtures, lists that forget (C71-C90)."""

import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from keys import cbor
from keys.cose import sign_sign1
from keys.lifecycle import Purpose
from keys.trustlist import Roots, TrustList, encode_trust_list, sign_trust_list
from tests.code_support import (
    DAY_S,
    HEILONGJIANG,
    NOW,
    SHAANXI,
    World,
    listed,
    paper_code,
    signer,
)
from tests.venue_support import (
    Run,
    delta_of,
    publish,
    published,
    region_files,
    roots_of,
    signed,
    snapshot_of,
    venue,
)
from verifier.cache import SEEN, Cache, Seen, Statuses, encode_seen
from verifier.check import VENUE, Kind, Lists, Reason, check
from verifier.claims import HOUR_S, Cti
from verifier.errors import CacheError
from verifier.folder import Folder
from verifier.sources import FolderSource
from verifier.statuslist import Status, contents_digest, pack_statuses
from verifier.transport import encode_text
from verifier.update import KEEP_DROPPED_S, Report, set_up, update

CODE = encode_text(paper_code(cti=Cti(1, 4711)))
LATER = NOW + HOUR_S


def later(world: World | None = None, *, hours: int = 1) -> World:
    """The world an hour on: a newer trust list and newer status lists."""
    world = world or World()
    shift = hours * HOUR_S
    trust = replace(
        world.trust,
        version=world.trust.version + hours,
        issued_at=world.trust.issued_at + shift,
        next_update=world.trust.next_update + shift,
        not_after=world.trust.not_after + shift,
    )
    return replace(world, now=world.now + shift, trust=trust)


def take(command: Run, files: dict[str, bytes], *, now: int = LATER) -> Report:
    """Update from a folder that holds exactly these files."""
    public = command.folder.parent / f"public-{len(list(command.folder.parent.iterdir()))}"
    return update(str(command.folder), [FolderSource(str(publish(public, files)))], now=now)


def verdict(command: Run, *, now: int = LATER, code: str = CODE) -> Reason:
    cache = Cache(str(command.folder))
    trust = cache.trust()
    if trust is None:
        raise AssertionError("no trust list")
    seen = cache.seen()
    lists = Lists(trust, Statuses(cache.files, trust), seen.newest, seen.confirmed)
    return check(code, lists, now=now, policy=VENUE).reason


def texts(report: Report, *, refused: bool) -> str:
    return "\n".join(p.text for p in report.problems if p.refused is refused)


@pytest.fixture
def command(tmp_path: Path) -> Run:
    return venue(tmp_path, World())


def test_update_with_newer_lists_takes_them_all(command: Run) -> None:
    """Lists that follow the ones held are taken, and decide from then on."""
    world = later().with_status(SHAANXI, 1, 4711, Status.WITHDRAWN)
    assert verdict(command) is Reason.ADMITTED
    report = take(command, published(world))
    assert (report.regions, report.problems, report.changed) == (("230000", "610000"), (), 5)
    assert verdict(command) is Reason.WITHDRAWN


def test_update_with_the_same_lists_changes_nothing(command: Run) -> None:
    """An update without news writes nothing to the disk."""
    before = Cache(str(command.folder)).stamp
    report = take(command, published(World()))
    assert (report.changed, report.problems) == (0, ())
    assert Cache(str(command.folder)).stamp == before


def test_update_before_set_up_says_so(tmp_path: Path) -> None:
    """Without roots nothing can be trusted, and the message names the command that helps."""
    with pytest.raises(CacheError, match="setup"):
        update(str(tmp_path), [], now=NOW)
    with pytest.raises(CacheError, match="setup"):
        update(str(tmp_path / "none"), [], now=NOW)


def test_set_up_with_other_roots_is_refused(command: Run) -> None:
    """Roots once trusted are not exchanged by running setup again."""
    other = replace(World().trust.roots, threshold=1)
    world = replace(World(), trust=replace(World().trust, roots=other))
    with pytest.raises(CacheError, match="other roots"):
        set_up(str(command.folder), roots_of(world), ["/media/stick"])
    set_up(str(command.folder), roots_of(World()), ["/media/stick"])
    set_up(str(command.folder), None, ["/media/other"])
    assert Cache(str(command.folder)).sources() == ("/media/other",)
    assert verdict(command) is Reason.ADMITTED


# --- the trust list -----------------------------------------------------------------------------


def with_trust(trust: TrustList, roots: tuple[int, ...] = (1, 2)) -> dict[str, bytes]:
    """The world's files with another trust list."""
    return {**published(World()), "trust-list.cbor": signed(trust, roots)}


NEWER = later().trust
REFUSED_TRUST_LISTS: dict[str, Callable[[], bytes]] = {
    "C71 older": lambda: signed(replace(NEWER, version=6)),
    "C72 same version, other content": lambda: signed(replace(NEWER, version=7)),
    "C74 one signature of two": lambda: signed(NEWER, (1,)),
    "C74 a stranger signs": lambda: signed(NEWER, (1, 9)),
    "C75 roots jump an epoch": lambda: signed(replace(NEWER, roots=replace(NEWER.roots, epoch=3))),
    "C76 version out of reach": lambda: signed(replace(NEWER, version=2**53 - 1)),
    "C81 cut short": lambda: signed(NEWER)[:-1],
    "C14 a byte more": lambda: signed(NEWER) + b"\0",
    "empty": lambda: b"",
    "C46 a status list": lambda: published(World())["status/1.cwt"],
}


@pytest.mark.parametrize("name", REFUSED_TRUST_LISTS)
def test_update_with_a_trust_list_that_may_not_follow_keeps_the_old(
    command: Run, name: str
) -> None:
    """Whatever is wrong with a new trust list, it is reported and the old one goes on deciding."""
    data = REFUSED_TRUST_LISTS[name]()
    report = take(command, {**published(World()), "trust-list.cbor": data})
    assert "public-" in texts(report, refused=True)
    assert report.trust.version == 7
    assert verdict(command) is Reason.ADMITTED


def test_update_after_a_test_list_keeps_production(command: Run) -> None:
    """C47: a list of the test environment never enters a production venue."""
    roots = replace(NEWER.roots, environment=type(NEWER.roots.environment)("test"))
    report = take(command, with_trust(replace(NEWER, roots=roots)))
    assert "test list" in texts(report, refused=True)


def test_update_follows_the_roots_one_step_at_a_time(command: Run) -> None:
    """New roots, signed by the old ones, are the roots from then on; the old ones are not."""
    keys = tuple(signer(f"root {n}").public_key for n in (4, 5, 6))
    roots = Roots(2, 2, keys, NEWER.roots.environment)
    former = tuple(signer(f"root {n}").public_key for n in (1, 2, 3))
    trust = replace(NEWER, roots=roots, former_roots=former)
    assert take(command, with_trust(trust, (1, 2, 4, 5))).problems == ()
    assert Cache(str(command.folder)).roots() == roots
    assert verdict(command) is Reason.ADMITTED
    after = replace(later(hours=2).trust, roots=roots)
    by_old = take(command, with_trust(replace(after, roots=NEWER.roots), (1, 2)))
    assert by_old.trust.version == 8
    assert take(command, with_trust(after, (4, 6))).trust.version == 9


def test_update_by_a_rotation_that_could_not_be_read_again_keeps_the_old(command: Run) -> None:
    """A list whose signers the roots that it brings do not know would stop a venue for good."""
    keys = tuple(signer(f"root {n}").public_key for n in (4, 5, 6))
    trust = replace(NEWER, roots=Roots(2, 2, keys, NEWER.roots.environment))
    report = take(command, with_trust(trust, (1, 2, 4, 5)))
    assert "nor a former one" in texts(report, refused=True)
    assert verdict(command) is Reason.ADMITTED


def test_update_without_any_trust_list_says_why(tmp_path: Path) -> None:
    """A new venue whose source has no usable trust list is told which source and why."""
    set_up(str(tmp_path / "venue"), roots_of(World()), [])
    command = Run(tmp_path / "venue", NOW)
    with pytest.raises(CacheError, match="no such folder"):
        take(command, {})
    with pytest.raises(CacheError, match="no source"):
        update(str(command.folder), [], now=NOW)


# --- status lists -------------------------------------------------------------------------------


def test_update_of_one_region_does_not_wait_for_another(command: Run) -> None:
    """A province whose lists are missing does not keep another's from being updated."""
    world = later().with_status(SHAANXI, 1, 4711, Status.SUPERSEDED)
    files = published(world)
    del files["status/230000.snapshot"]
    report = take(command, files)
    assert report.regions == ("610000",)
    assert "no such file" in texts(report, refused=False)
    assert verdict(command) is Reason.SUPERSEDED


FILES_OF_230000 = ("status/230000.snapshot", "status/230000.delta", "status/2001.cwt")


def test_update_asks_the_next_source_for_what_the_first_lacks(command: Run, tmp_path: Path) -> None:
    """Each province may publish for itself: a region comes from the first source that has it."""
    files = published(later())
    heilongjiang = {name: files.pop(name) for name in FILES_OF_230000}
    first, second = publish(tmp_path / "a", files), publish(tmp_path / "b", heilongjiang)
    sources = [FolderSource(str(first)), FolderSource(str(second))]
    report = update(str(command.folder), sources, now=LATER)
    assert report.regions == ("230000", "610000")
    assert [problem.what for problem in report.problems] == ["trust list"]


def mixed() -> dict[str, bytes]:
    """C79: the newer snapshot with one list of an hour ago."""
    files = published(later().with_status(SHAANXI, 1, 99, Status.SUPERSEDED))
    return {**files, "status/1.cwt": published(World.at(NOW - HOUR_S))["status/1.cwt"]}


def test_update_with_mixed_lists_refuses_the_region(command: Run) -> None:
    """C79: lists of different times are not combined; the whole region stays as it was."""
    report = take(command, mixed())
    assert report.regions == ("230000",)
    assert "snapshot" in texts(report, refused=True)


def test_update_with_an_older_snapshot_is_refused(command: Run) -> None:
    """C87: a region does not go back to yesterday's lists, genuine as they are."""
    take(command, published(later().with_status(SHAANXI, 1, 4711, Status.WITHDRAWN)))
    report = take(command, {**published(World()), "trust-list.cbor": signed(NEWER)})
    assert report.regions == ()
    assert "not newer" in texts(report, refused=True)
    assert verdict(command) is Reason.WITHDRAWN


def test_update_with_a_snapshot_of_a_newer_trust_list_waits_for_it(command: Run) -> None:
    """A trust list that is held back does not go unnoticed: the lists name a newer one."""
    files = {**published(later()), "trust-list.cbor": published(World())["trust-list.cbor"]}
    report = take(command, files)
    assert report.regions == ()
    assert "newer than the one held" in texts(report, refused=True)


@pytest.mark.parametrize("status", [Status.WITHDRAWN, Status.SUPERSEDED])
def test_update_with_a_list_that_forgets_is_refused(command: Run, status: Status) -> None:
    """C90: what was taken back does not come to life again, whoever signs it."""
    take(command, published(later().with_status(SHAANXI, 1, 4711, status)))
    before = verdict(command)
    report = take(command, published(later(hours=2)), now=NOW + 2 * HOUR_S)
    assert report.regions == ("230000",)
    assert "taken-back entry" in texts(report, refused=True)
    assert verdict(command, now=NOW + 2 * HOUR_S) is before is not Reason.ADMITTED


def test_update_with_a_shorter_list_is_refused(command: Run) -> None:
    """C90: a list does not shrink."""
    report = take(command, published(replace(later(), entries=2**16)))
    assert report.regions == ()


def test_update_with_a_list_that_forgets_under_a_new_key_is_refused(command: Run) -> None:
    """C90: exchanging the issuer's status key does not make a venue forget either."""
    take(command, published(later().with_status(SHAANXI, 1, 4711, Status.WITHDRAWN)))
    world = later(hours=2)
    fresh = signer("a new status key")
    issuer = SHAANXI.listed()
    code_key = next(key for key in issuer.keys if key.purpose is Purpose.CODE)
    keys = (code_key, listed(fresh.public_key, Purpose.STATUS))
    issuers = (replace(issuer, keys=keys), HEILONGJIANG.listed())
    trust = replace(world.trust, issuers=issuers)

    class Rekeyed(type(SHAANXI)):  # type: ignore[misc] # the province with its new key
        status_signer = fresh

    province = Rekeyed(**{name: getattr(SHAANXI, name) for name in SHAANXI.__dataclass_fields__})
    files = published(replace(world, trust=trust))
    empty = bytes(2**15)
    token = province.status_token(1, empty, issued_at=world.now - HOUR_S)
    world = replace(world, trust=trust)
    files |= region_files(world, province, {1: token}, {1: contents_digest(empty)})
    report = take(command, files, now=world.now)
    assert "taken-back entry" in texts(report, refused=True)
    assert verdict(command, now=world.now) is not Reason.ADMITTED


#: A position far from the code's. That it changed makes venues fetch the list.
CHANGED = pack_statuses({99: Status.SUPERSEDED})


def with_shaanxi_list(
    token: bytes, packed: bytes = CHANGED, *, world: World | None = None
) -> dict[str, bytes]:
    """The world an hour on, where Shaanxi publishes *token*, and its snapshot names *packed*."""
    world = world or later()
    files = region_files(world, SHAANXI, {1: token}, {1: contents_digest(packed)})
    return {**published(world), **files}


def token_of(packed: bytes = CHANGED, *, number: int = 1, issued_at: int = NOW) -> bytes:
    return SHAANXI.status_token(number, packed, issued_at=issued_at)


REFUSED_STATUS_LISTS: dict[str, Callable[[], bytes]] = {
    "C46 a snapshot": lambda: published(later())["status/610000.snapshot"],
    "C86 another list's address": lambda: token_of(number=2),
    "C86 another issuer's": lambda: published(later())["status/2001.cwt"],
    "C87 from the future": lambda: token_of(issued_at=NOW + DAY_S),
    "C87 older than the delta reaches": lambda: token_of(issued_at=NOW - DAY_S - 1),
    "C84 cut short": lambda: token_of()[:-1],
    "C14 a byte more": lambda: token_of() + b"\0",
    "C34b one bit": lambda: token_of()[:-1] + bytes((token_of()[-1] ^ 1,)),
    "empty": lambda: b"",
}


@pytest.mark.parametrize("name", REFUSED_STATUS_LISTS)
def test_update_with_a_status_list_that_may_not_follow_keeps_the_old(
    command: Run, name: str
) -> None:
    """Even where the snapshot names it, a list that is wrong in itself is refused."""
    data = REFUSED_STATUS_LISTS[name]()
    report = take(command, with_shaanxi_list(data))
    assert report.regions == ("230000",)
    assert texts(report, refused=True)
    assert verdict(command) is Reason.ADMITTED


def test_update_keeps_a_dropped_list_as_long_as_its_codes_can_live(command: Run) -> None:
    """A list that its issuer no longer names is kept until its last code has expired."""
    at = NOW + 9 * DAY_S
    for now, held in ((NOW + KEEP_DROPPED_S - 2 * HOUR_S, True), (at, False)):
        world = replace(World.at(now), statuses={(HEILONGJIANG, 2001): {}})
        world = replace(world, trust=replace(world.trust, version=8 + (now == at)))
        assert take(command, published(world), now=now).problems == ()
        assert (1 in Cache(str(command.folder)).list_numbers()) is held


# --- age, clock and damage ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (-2, Reason.CLOCK),
        (0, Reason.ADMITTED),
        (22, Reason.ADMITTED),
        (24, Reason.STALE_TRUST),
        (24 * 365 * 10, Reason.STALE_TRUST),
    ],
)
def test_held_lists_decide_for_24_hours_and_never_before_they_were_signed(
    command: Run, hours: int, expected: Reason
) -> None:
    """C64, C73, C88, D9: a clock before the lists, or lists of a day ago, decide nothing."""
    assert verdict(command, now=NOW + hours * HOUR_S) is expected


def test_trust_list_is_confirmed_only_by_a_snapshot_that_names_it(command: Run) -> None:
    """ADR 0008: a new list counts from its own issue until issuers say that they work under it."""
    assert Cache(str(command.folder)).seen().confirmed == NOW - HOUR_S
    world = later()
    take(command, {**published(World()), "trust-list.cbor": signed(world.trust)})
    assert Cache(str(command.folder)).seen().confirmed == 0
    take(command, published(world))
    assert Cache(str(command.folder)).seen().confirmed == world.now - HOUR_S


def test_clock_is_held_against_the_newest_list_of_any_region(command: Run) -> None:
    """C64: a list that a code does not need still tells that the clock is wrong."""
    newest = Cache(str(command.folder)).seen().newest
    assert newest == NOW - HOUR_S
    assert verdict(command, now=newest - 1) is Reason.CLOCK
    assert verdict(command, now=newest) is Reason.ADMITTED


def test_held_status_list_of_yesterday_is_stale_not_absent(command: Run) -> None:
    """C88: staff are told that an update is due, not that the issuer is unknown."""
    at = NOW + 24 * HOUR_S
    trust = replace(later(hours=24).trust, version=8)
    report = take(command, {"trust-list.cbor": signed(trust)}, now=at)
    assert report.regions == ()
    assert verdict(command, now=at) is Reason.STALE_STATUS


def test_file_that_a_desktop_left_among_the_lists_is_passed_over(command: Run) -> None:
    """Who looks at the folder with a file manager does not stop its updates for good."""
    current = Path(Cache(str(command.folder)).files.path or "")
    for name in ("Thumbs.db", ".DS_Store", "x.cwt", "\u00b2.cwt"):
        (current / "status" / name).write_bytes(b"")
    assert command("lists").status == 0
    assert take(command, published(World(now=NOW + HOUR_S)), now=NOW + HOUR_S).problems == ()
    assert command("lists").status == 0


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "other list"])
def test_damaged_status_list_never_admits(command: Run, damage: str) -> None:
    """D12: a held list that changed on the disk decides nothing, and the next update repairs it."""
    current = Path(Cache(str(command.folder)).files.path or "")
    path = current / "status" / "1.cwt"
    data = path.read_bytes()
    other = (current / "status" / "2001.cwt").read_bytes()
    changed = {
        "flipped": data[:-1] + bytes((data[-1] ^ 1,)),
        "cut": data[: len(data) // 2],
        "empty": b"",
        "other list": other,
    }
    path.write_bytes(changed[damage])
    assert verdict(command) is Reason.NO_STATUS
    assert Reason.NO_STATUS.kind is Kind.CHECK_AGAIN
    assert take(command, published(World())).problems == ()
    assert verdict(command) is Reason.ADMITTED


@pytest.mark.parametrize("name", ["1.cwt", "610000.delta"])
def test_list_that_the_disk_does_not_give_is_fetched_anew(command: Run, name: str) -> None:
    """D12: what cannot be read is as good as damaged, and the next update repairs it."""
    path = Path(Cache(str(command.folder)).files.path or "") / "status" / name
    data = path.read_bytes()
    path.write_bytes(data + bytes(2**23))
    assert verdict(command) is Reason.NO_STATUS
    assert take(command, published(World())).problems == ()
    assert verdict(command) is Reason.ADMITTED


def test_country_of_all_counties_is_remembered(command: Run) -> None:
    """What was seen of every region that a trust list has room for can be read again."""
    snapshots = {f"{number:06d}": (2**32, bytes(32)) for number in range(4_096)}
    seen = Seen(NOW, NOW, snapshots)
    Folder(str(command.folder)).change({SEEN: encode_seen(seen)}, dropped=frozenset())
    assert Cache(str(command.folder)).seen() == seen


@pytest.mark.parametrize("name", ["trust-list.cbor", "roots.cbor", "seen.cbor"])
def test_damaged_list_of_issuers_is_refused_at_every_byte(command: Run, name: str) -> None:
    """D12: no flipped byte of what trust hangs on goes unnoticed as another good list."""
    cache = Cache(str(command.folder))
    path = Path(cache.files.path or "") / name
    good = path.read_bytes()
    trust, seen = cache.trust(), cache.seen()
    for position in range(len(good)):
        path.write_bytes(good[:position] + bytes((good[position] ^ 1,)) + good[position + 1 :])
        again = Cache(str(command.folder))
        try:
            both = again.trust(), again.seen()
        except CacheError:
            continue
        # seen.cbor is not signed: it may say something else, but not the same by other bytes.
        assert name == "seen.cbor"
        assert both[0] == trust
        assert both[1] != seen


@pytest.mark.parametrize("name", ["trust-list.cbor", "seen.cbor"])
def test_memory_that_is_gone_is_not_begun_anew(command: Run, name: str) -> None:
    """D12: without one of the two an older list could pass for a new one, so nothing goes on."""
    (Path(Cache(str(command.folder)).files.path or "") / name).unlink()
    with pytest.raises(CacheError, match=f"{name} is damaged"):
        take(command, published(World()))
    with pytest.raises(CacheError, match=f"{name} is damaged"):
        verdict(command)


def test_zip_bomb_is_refused_without_inflating_it(command: Run) -> None:
    """C83: a list that inflates to a gigabyte is refused at the size that a list may have."""
    bomb = zlib.compress(bytes(2**22), 9)
    assert len(bomb) < 2**13
    large = pack_statuses({99: Status.SUPERSEDED}, entries=2**20)
    report = take(command, with_shaanxi_list(token_of(large), large))
    assert report.regions == ("230000", "610000")
    claims = {
        2: SHAANXI.uri(1), 4: LATER + DAY_S, 6: NOW + 60,
        65533: {"bits": 2, "lst": bomb}, 65534: 3600,
    }  # fmt: skip
    token = sign_sign1(cbor.encode(claims), SHAANXI.status_signer, typ="application/statuslist+cwt")
    world = later(hours=2)
    refused = take(command, with_shaanxi_list(token, world=world), now=world.now)
    assert "more than" in texts(refused, refused=True)


def test_trust_list_with_a_key_off_the_main_subgroup_is_never_taken(command: Run) -> None:
    """C50, C51: keys are looked at when a list is taken, not at every start of a check."""
    payload = encode_trust_list(NEWER)
    key = NEWER.issuers[0].keys[0].public_key
    small_order = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
    forged = sign_trust_list(
        payload.replace(key, small_order), [signer("root 1"), signer("root 2")]
    )
    report = take(command, {**published(World()), "trust-list.cbor": forged})
    assert report.trust.version == 7
    assert texts(report, refused=True)


# --- deltas and memory --------------------------------------------------------------------------


def by_delta(
    changes: dict[int, Status], *, world: World | None = None, base: int | None = None
) -> dict[str, bytes]:
    """Shaanxi's snapshot and delta of the world an hour on, and no list at all."""
    world = world or later()
    delta = delta_of(world, SHAANXI, [1], {1: changes}, base=base)
    digest = contents_digest(pack_statuses(changes))
    return {
        "trust-list.cbor": signed(world.trust),
        "status/610000.delta": delta,
        "status/610000.snapshot": snapshot_of(world, SHAANXI, {1: digest}, delta),
    }


def test_update_by_the_delta_alone_decides_and_counts_from_then(command: Run) -> None:
    """A venue that holds a list of the last day fetches two files for a region, and no list."""
    world = later(hours=23)
    report = take(command, by_delta({4711: Status.WITHDRAWN}, world=world), now=world.now)
    assert report.regions == ("610000",)
    assert verdict(command, now=world.now) is Reason.WITHDRAWN
    other = encode_text(paper_code(cti=Cti(1, 4712)))
    assert verdict(command, now=world.now + 22 * HOUR_S, code=other) is Reason.ADMITTED


@pytest.mark.parametrize(("seconds", "regions"), [(0, ("610000",)), (1, ())])
def test_update_by_the_delta_alone_serves_a_list_of_one_day_and_no_older(
    command: Run, seconds: int, regions: tuple[str, ...]
) -> None:
    """To the second, however far the delta reaches: what is older would soon be forgotten."""
    world = later(hours=24)
    world = replace(world, now=world.now + seconds)
    report = take(command, by_delta({}, world=world, base=NOW - DAY_S), now=world.now)
    assert report.regions == regions
    assert ("status/1.cwt: no such file" in texts(report, refused=False)) is bool(seconds)


def test_update_by_a_delta_that_reaches_less_far_needs_the_list(command: Run) -> None:
    """A list that is older than the delta's base is fetched anew; without it nothing is taken."""
    files = by_delta({4711: Status.WITHDRAWN}, base=NOW - HOUR_S + 1)
    assert "no such file" in texts(take(command, files), refused=False)
    assert verdict(command) is Reason.ADMITTED
    packed = pack_statuses({4711: Status.WITHDRAWN})
    assert "610000" in take(command, {**files, "status/1.cwt": token_of(packed)}).regions
    assert verdict(command) is Reason.WITHDRAWN


def test_update_without_the_delta_that_the_snapshot_names_is_refused(command: Run) -> None:
    """C79: lists and deltas of two times are not combined."""
    files = by_delta({4711: Status.WITHDRAWN})
    older = published(World())["status/610000.delta"]
    report = take(command, {**files, "status/610000.delta": older})
    assert "the snapshot names" in texts(report, refused=True)
    del files["status/610000.delta"]
    assert "no such file" in texts(take(command, files), refused=False)
    assert verdict(command) is Reason.ADMITTED


@pytest.mark.parametrize("hours", [1, 2])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_damaged_delta_never_admits(command: Run, damage: str, hours: int) -> None:
    """D12: without its delta a list may lack a withdrawal, so it decides nothing until repaired.

    The next update repairs it, by the snapshot that is held and by a newer one.
    """
    take(command, by_delta({99: Status.WITHDRAWN}))
    path = Path(Cache(str(command.folder)).files.path or "") / "status" / "610000.delta"
    data = path.read_bytes()
    path.unlink()
    if damage == "flipped":
        path.write_bytes(data[:-1] + bytes((data[-1] ^ 1,)))
    if damage == "cut":
        path.write_bytes(data[:-1])
    assert verdict(command) is Reason.NO_STATUS
    world = later(hours=hours)
    report = take(command, by_delta({99: Status.WITHDRAWN}, world=world), now=world.now)
    assert "610000" in report.regions
    assert verdict(command, now=world.now) is Reason.ADMITTED


def test_update_that_forgets_what_a_delta_said_is_refused(command: Run) -> None:
    """C90: what only a delta ever said is remembered like what a list said."""
    take(command, by_delta({4711: Status.WITHDRAWN}))
    report = take(command, published(later(hours=2)), now=NOW + 2 * HOUR_S)
    assert "taken-back entry" in texts(report, refused=True)
    assert verdict(command, now=NOW + 2 * HOUR_S) is Reason.WITHDRAWN


def test_update_with_a_list_that_had_ended_and_comes_back_is_refused(command: Run) -> None:
    """C90: an issuer cannot make a venue forget by dropping a list and bringing it again."""
    take(command, by_delta({4711: Status.WITHDRAWN}))
    without = replace(later(hours=2), statuses={(SHAANXI, 2): {}, (HEILONGJIANG, 2001): {}})
    assert take(command, published(without), now=without.now).problems == ()
    assert verdict(command, now=without.now) is Reason.NO_STATUS
    again = later(hours=3)
    report = take(command, published(again), now=again.now)
    assert "had ended" in texts(report, refused=True)
    assert verdict(command, now=again.now) is Reason.NO_STATUS


SOME: Final = (4711, 4712, 4713)


def _hours(draw: random.Random) -> list[dict[str, bytes]]:
    """Genuine publications of six hours, each by list or by delta; some issuers' states forget."""
    said: dict[int, Status] = {}
    made = []
    for hour in range(1, 7):
        position = draw.choice(SOME)
        if said.get(position) is not Status.WITHDRAWN:
            said = {**said, position: draw.choice([Status.WITHDRAWN, Status.SUPERSEDED])}
        shown = said if hour == 1 or draw.random() < 0.8 else {}  # restored from an old backup
        world = later(hours=hour)
        if draw.random() < 0.5:
            made.append({**published(world), **by_delta(shown, world=world)})
        else:
            statuses = {(SHAANXI, 1): shown, (HEILONGJIANG, 2001): {}}
            made.append(published(replace(world, statuses=statuses)))
    return made


@pytest.mark.parametrize("seed", range(12))
def test_withdrawn_never_comes_back_whatever_sources_bring(tmp_path: Path, seed: int) -> None:
    """Old, new, forgetful, mixed and doubled publications in any order: no verdict gets milder."""
    draw = random.Random(seed)  # noqa: S311 - a test's choices
    at = NOW + 6 * HOUR_S
    command = venue(tmp_path, World())
    made = _hours(draw)
    rank = {Reason.ADMITTED: 0, Reason.SUPERSEDED: 1, Reason.WITHDRAWN: 2}
    worst = dict.fromkeys(SOME, 0)
    for turn in range(15):
        files = dict(draw.choice(made[: 1 + turn // 2]))  # newer ones come up as time goes on
        if draw.random() < 0.3:  # some files from another hour
            other = draw.choice(made)
            files |= {name: other[name] for name in draw.sample(sorted(other), 2)}
        source = FolderSource(str(publish(tmp_path / f"turn-{turn}", files)))
        update(str(command.folder), [source], now=at)
        for position in SOME:
            code = encode_text(paper_code(cti=Cti(1, position), now=at))
            now = rank[verdict(command, now=at, code=code)]
            assert now >= worst[position]
            worst[position] = now
    assert any(worst.values())
