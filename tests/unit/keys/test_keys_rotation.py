"""keys.rotation: thirty days of code keys in both keyrings, and how a day can go wrong."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partialmethod
from pathlib import Path

import pytest

from issuer.codes.issue import MAX_DAYS
from issuer.codes.mint import expiries
from keys.errors import KeysError
from keys.keyring import Keyring, TokenKeyring, open_token
from keys.lifecycle import CODE_LIFE_S, Environment, KeyInfo, KeyState, Purpose
from keys.rotation import (
    DAY_S,
    MAX_LISTED,
    SPARE_S,
    Rotated,
    Supply,
    off_the_list,
    onto_the_list,
    plan_rotation,
    rotate,
)
from keys.signer import SeedSigner
from keys.store import Keystore
from keys.trustlist import (
    MAX_BYTES,
    ListedIssuer,
    ListedKey,
    Roots,
    TrustList,
    encode_trust_list,
    sign_trust_list,
    verify_trust_list,
)
from keys.trustmodel import PUBLISHED_S
from tests.keystore_support import at, make_store
from verifier.claims import Medium

REGION = "610000"
#: 13 December 2020, 00:00 UTC, and noon.
TODAY = 1_607_817_600
NOON = TODAY + DAY_S // 2
ROOT = SeedSigner(bytes(32))
SMALL = Supply(days=3, shards=2, spares=2)


class Issuer:
    """A keyring, and keepers of a trust list who list what they are asked to, when they meet."""

    def __init__(self, ring: Keyring, supply: Supply = SMALL) -> None:
        self.ring = ring
        self.supply = supply
        self.trust: TrustList | None = None
        self.withdrawn: frozenset[bytes] = frozenset()

    def rotate(self, now: int) -> Rotated:
        return rotate(self.ring, self.trust, region=REGION, supply=self.supply, now=now)

    def hold_ceremony(self, now: int) -> None:
        """The next list: on with what is new, off with what is over, withdrawn what is stolen."""
        infos = self.ring.held()
        gone = {info.kid for info in off_the_list(infos, self.trust, now)}
        stolen = {info.kid for info in infos if info.state is KeyState.COMPROMISED}
        self.withdrawn |= stolen & gone
        before = [] if self.trust is None else [i for i in infos if self.trust.find(i.kid)]
        wanted = [i for i in (*before, *onto_the_list(infos, self.trust, now)) if i.kid not in gone]
        self.trust = trust_list([listed_issuer(610000, wanted)], self.withdrawn, now)

    def signing(self, now: int) -> list[KeyInfo]:
        """Keys that would sign a code now and that verifiers honour until it ends."""
        found = []
        for info in self.ring.held():
            entry = None if self.trust is None else self.trust.find(info.kid)
            try:
                signer = self.ring.signer(
                    info.kid, purpose=Purpose.CODE, region=REGION, clock=at(now)
                )
                signer.sign(b"code")
            except KeysError:
                continue
            if (
                entry
                and entry[1].not_before <= now
                and now + CODE_LIFE_S <= entry[1].not_after + DAY_S
            ):
                found.append(info)
        return found

    def states(self) -> dict[bytes, KeyState]:
        return {info.kid: info.state for info in self.ring.held()}


def listed_issuer(region: int, infos: list[KeyInfo], first_list: int = 0) -> ListedIssuer:
    return ListedIssuer(
        region=f"{region}",
        name_zh="陕西",
        name_en="Shaanxi",
        status_base="https://shaanxi.example/status/",
        first_list=first_list,
        last_list=first_list + 9,
        contact="https://shaanxi.example/help",
        keys=tuple(
            ListedKey(info.public_key, info.purpose, info.not_before, info.honoured_until)
            for info in infos
        ),
    )


def trust_list(
    issuers: list[ListedIssuer], withdrawn: frozenset[bytes] = frozenset(), now: int = NOON
) -> TrustList:
    return TrustList(
        version=now - TODAY + 1,
        issued_at=now,
        next_update=now + DAY_S,
        not_after=now + 30 * DAY_S,
        roots=Roots(1, 1, (ROOT.public_key,), Environment.TEST),
        issuers=tuple(issuers),
        withdrawn=withdrawn,
    )


@pytest.fixture(params=["folder", "token"])
def issuer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Issuer]:
    store = make_store(tmp_path / "keystore")
    with ExitStack() as stack:
        if request.param == "folder":
            yield Issuer(store)
        else:
            token = stack.enter_context(open_token(request.getfixturevalue("hsm").new_token()))
            yield Issuer(TokenKeyring(store, token))


@pytest.fixture
def local(tmp_path: Path) -> Issuer:
    return Issuer(make_store(tmp_path / "keystore"))


def settled(issuer: Issuer) -> int:
    """Begun at noon, with a list every day at noon, until the noon of the fourth day."""
    for day in range(4):
        now = NOON + day * DAY_S
        issuer.rotate(now)
        issuer.hold_ceremony(now)
        issuer.rotate(now)
    return NOON + 3 * DAY_S


def test_code_life_is_that_of_the_longest_code() -> None:
    """No code that can be asked for ends later than its key is honoured."""
    ends = [
        expiries(medium, MAX_DAYS if medium is Medium.PHONE else 1, now=NOON)[-1]
        for medium in Medium
    ]
    assert max(ends) <= NOON + CODE_LIFE_S


def test_thirty_days_each_has_its_keys_and_none_signs_unpublished(issuer: Issuer) -> None:
    """A list once a day: every hour has all shards of its day, and no other key at all.

    Each of them has stood on a list for a day before it signs (but for the first day of all), and
    keys are destroyed when the last code is over.
    """
    first_listed: dict[bytes, int] = {}
    for hour in range(0, 30 * 24, 4):
        now = NOON + hour * 3600
        issuer.rotate(now)
        if hour % 24 == 0:
            issuer.hold_ceremony(now)
            issuer.rotate(now)
            assert issuer.trust is not None
            for entry in issuer.trust.issuers[0].keys:
                first_listed.setdefault(entry.kid, now)
            assert len(issuer.trust.issuers[0].keys) <= issuer.supply.listed
        signing = issuer.signing(now)
        assert len(signing) == SMALL.shards, hour
        for info in signing:
            assert info.not_before == now - now % DAY_S
            assert hour < 24 or first_listed[info.kid] + PUBLISHED_S <= now
    for info in issuer.ring.held():
        over = info.not_after + CODE_LIFE_S <= now
        used = any(moved.state is KeyState.ACTIVE for moved in info.history)
        if used:
            assert (info.state is KeyState.DESTROYED) is over


def test_second_run_does_nothing(issuer: Issuer) -> None:
    """At any hour, rotating twice is rotating once."""
    for hour in range(0, 20 * 24, 5):
        now = NOON + hour * 3600
        issuer.rotate(now)
        if hour % 25 == 0:
            issuer.hold_ceremony(now)
            issuer.rotate(now)
        before = issuer.ring.held()
        done = issuer.rotate(now)
        assert not done
        assert issuer.ring.held() == before


def test_day_changes_without_a_second_that_has_no_key(local: Issuer) -> None:
    """Keys are active before midnight and sign from midnight on; those of the day before stop."""
    settled(local)
    midnight = TODAY + 4 * DAY_S
    local.rotate(midnight - 600)
    before, after = local.signing(midnight - 1), local.signing(midnight)
    assert [i.not_before for i in before] == [midnight - DAY_S] * 2
    assert [i.not_before for i in after] == [midnight] * 2


@pytest.mark.parametrize("state", [KeyState.COMPROMISED, KeyState.DESTROYED, KeyState.SUSPENDED])
def test_spare_key_takes_the_place_of_one_that_is_lost(issuer: Issuer, state: KeyState) -> None:
    """Stolen, lost or stopped: the next run has as many keys at work as before, all published."""
    now = settled(issuer)
    first, second = issuer.signing(now)
    issuer.ring.move(first.kid, state, now)
    done = issuer.rotate(now + 10)
    (spare,) = [info for info in done.moved if info.state is KeyState.ACTIVE]
    assert spare.not_after - spare.not_before == SPARE_S
    assert spare.published_at is not None
    assert spare.published_at + PUBLISHED_S <= now
    assert {i.kid for i in issuer.signing(now + 10)} == {second.kid, spare.kid}
    # And the reserve is filled up again.
    assert [info.not_after - info.not_before for info in done.made] == [SPARE_S]
    issuer.hold_ceremony(now + 30)
    assert issuer.trust is not None
    if state is KeyState.COMPROMISED:
        assert first.kid in issuer.trust.withdrawn
    assert (issuer.trust.find(first.kid) is None) is (state is not KeyState.SUSPENDED)


def test_no_more_spare_keys_than_keys_that_are_missing(local: Issuer) -> None:
    """With all shards at work, the reserve stays where it is, whatever the settings say now."""
    now = settled(local)
    local.supply = Supply(days=3, shards=5, spares=2)
    done = local.rotate(now)
    assert done.moved == ()
    assert len(local.signing(now)) == 2


def test_key_that_was_listed_too_late_waits_and_a_spare_one_signs(local: Issuer) -> None:
    """The keepers met too late: the day's keys are not used before a door can know them."""
    for day in range(3):
        local.rotate(NOON + day * DAY_S)
        if day == 0:
            local.hold_ceremony(NOON)
            local.rotate(NOON)
    # Keys of day 4 and after are on no list yet; they come on it one hour before day 4.
    late = TODAY + 4 * DAY_S
    local.rotate(late - 7200)
    local.hold_ceremony(late - 3600)
    local.rotate(late - 3600)
    local.rotate(late)
    signing = local.signing(late)
    assert {info.not_after - info.not_before for info in signing} == {SPARE_S}
    assert len(signing) == 2
    # A day after they were listed they would be ready; their own day is over then.
    local.rotate(late + DAY_S)
    assert all(
        i.published_at and i.published_at + PUBLISHED_S <= late + DAY_S
        for i in local.signing(late + DAY_S)
    )


def test_key_that_left_the_list_is_not_activated(local: Issuer) -> None:
    """What the list held does not name, no run activates."""
    settled(local)
    local.trust = trust_list([listed_issuer(610000, [])], now=NOON + 3 * DAY_S)
    done = local.rotate(TODAY + 4 * DAY_S)
    assert KeyState.ACTIVE not in {info.state for info in done.moved}


def test_without_a_trust_list_keys_are_made_and_none_is_activated(issuer: Issuer) -> None:
    """The first thing of all: keys for today and the days ahead, waiting to be carried."""
    done = issuer.rotate(NOON)
    days = SMALL.days + 1
    assert len(done.made) == days * SMALL.shards + SMALL.spares
    assert set(issuer.states().values()) == {KeyState.PRE_ACTIVATION}
    assert set(onto_the_list(issuer.ring.held(), None, NOON)) == set(done.made)


def test_rotation_that_slept_for_weeks_ends_what_is_over_and_begins_again(local: Issuer) -> None:
    """A timer that did not run: old keys are destroyed in one run, nothing signs out of its day."""
    settled(local)
    late = NOON + 40 * DAY_S
    done = local.rotate(late)
    assert local.signing(late) == []
    assert {info.state for info in done.moved} <= {KeyState.DEACTIVATED, KeyState.DESTROYED}
    for info in local.ring.held():
        if info.honoured_until <= late:
            assert info.state is KeyState.DESTROYED


def test_crash_between_any_two_steps_is_made_good_by_the_next_run(tmp_path: Path) -> None:
    """Wherever a run stops, the next one leads to what an undisturbed one would have led to."""

    class CrashError(Exception):
        pass

    def run(stop: int) -> tuple[list[tuple[int, int, KeyState]], int]:
        issuer = Issuer(make_store(tmp_path / f"{stop}"))
        now = settled(issuer) + DAY_S
        count = 0

        def counted(
            ring: Keystore, step: Callable[..., object], *args: object, **named: object
        ) -> object:
            nonlocal count
            count += 1
            if count == stop:
                raise CrashError
            return step(ring, *args, **named)

        with pytest.MonkeyPatch.context() as patch:
            for name in ("new", "move", "published"):
                step = getattr(Keystore, name)
                patch.setattr(Keystore, name, partialmethod(counted, step))
            with suppress(CrashError):
                issuer.rotate(now)
        issuer.rotate(now)
        return sorted((i.not_before, i.not_after, i.state) for i in issuer.ring.held()), count

    whole, steps = run(0)
    assert steps > 3
    for stop in range(1, steps + 1):
        assert run(stop)[0] == whole


def test_plan_of_any_history_is_allowed_and_settles(tmp_path: Path) -> None:
    """Random operators: whatever they did to the keys, each run's moves are allowed ones."""
    chance = random.Random(7)  # noqa: S311 - the same in every run
    issuer = Issuer(make_store(tmp_path / "keystore"))
    now = NOON
    for _ in range(120):
        now += chance.randrange(1, DAY_S)
        issuer.rotate(now)
        assert not issuer.rotate(now)
        if chance.random() < 0.6:
            issuer.hold_ceremony(now)
        info = chance.choice(issuer.ring.held())
        state = chance.choice(list(KeyState))
        try:
            issuer.ring.move(info.kid, state, now)
        except KeysError:
            assert issuer.ring.info(info.kid) == info
        for kid in issuer.withdrawn:
            assert issuer.states()[kid] in {KeyState.COMPROMISED, KeyState.DESTROYED}


def test_keys_of_other_purposes_and_regions_are_left_alone(local: Issuer) -> None:
    """Rotation is about the code keys of one issuer."""
    others = [
        local.ring.new(Purpose.STATUS, REGION, TODAY, TODAY + DAY_S, now=TODAY),
        local.ring.new(Purpose.CODE, "230000", TODAY, TODAY + DAY_S, now=TODAY),
    ]
    settled(local)
    local.rotate(NOON + 20 * DAY_S)
    for info in others:
        assert local.ring.info(info.kid).history == info.history


@pytest.mark.parametrize(
    ("days", "shards", "spares"), [(1, 4, 4), (7, 0, 4), (7, 4, -1), (7, 6, 4), (40, 2, 0)]
)
def test_supply_that_fits_on_no_trust_list_is_refused(days: int, shards: int, spares: int) -> None:
    """Fewer than two days cannot be published a day ahead; more than 90 keys do not fit."""
    with pytest.raises(ValueError, match=r"at least two days|at most 90"):
        Supply(days, shards, spares)


def test_trust_list_of_34_issuers_with_all_that_a_supply_allows_is_taken() -> None:
    """34 times the most keys that settings can ask for is a trust list like any other."""
    largest = max(
        Supply(days, shards, spares).listed
        for days, shards, spares in ((7, 4, 4), (7, 5, 3), (14, 3, 8), (2, 8, 1))
    )
    assert Supply().listed <= largest <= MAX_LISTED
    number = 0
    issuers = []
    for place in range(34):
        infos = []
        for _ in range(MAX_LISTED):
            number += 1
            key = SeedSigner(number.to_bytes(32)).public_key
            infos.append(KeyInfo(key, Purpose.CODE, Environment.TEST, REGION, TODAY, NOON, ()))
        issuers.append(listed_issuer(110000 + 10000 * place, infos, first_list=10 * place))
    data = sign_trust_list(encode_trust_list(trust_list(issuers)), [ROOT])
    assert len(data) < MAX_BYTES
    taken = verify_trust_list(data, Roots(1, 1, (ROOT.public_key,), Environment.TEST))
    assert sum(len(issuer.keys) for issuer in taken.issuers) == 34 * MAX_LISTED


def test_plan_is_the_same_for_keys_in_any_order(local: Issuer) -> None:
    """What is done does not depend on the order of files in a folder, but for their order."""
    now = settled(local) + DAY_S
    infos = list(local.ring.held())
    plan = plan_rotation(infos, local.trust, region=REGION, supply=SMALL, now=now)
    random.Random(3).shuffle(infos)  # noqa: S311 - the same in every run
    again = plan_rotation(infos, local.trust, region=REGION, supply=SMALL, now=now)
    assert sorted(plan.moves) == sorted(again.moves)
    assert plan.windows == again.windows
