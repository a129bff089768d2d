"""An issuer that runs for days: keys and trust lists change under it, and it is never restarted."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest
from structlog.testing import capture_logs

from audit.events import Kind as EventKind
from issuer.codes.issue import CodeRequest, Issued, issue
from issuer.codes.lists import SPREAD_S
from issuer.codes.shards import read_code_keys, write_code_key
from issuer.colour.decisions import Cause
from issuer.colour.declare import Declared
from issuer.colour.evidence import Kind
from issuer.colour.evidence import Kind as EvidenceKind
from issuer.colour.reassess import start_job
from issuer.colour.risk import shipped_risk_table
from issuer.errors import IntegrityError, NoCodeKeyError
from issuer.keyroom import key_events
from issuer.people.identity import Identity
from issuer.people.own import declare
from issuer.people.people import IndexCost
from issuer.rules.rules import shipped_rules
from issuer.stage import Clock, Place, RootHolder, Site, make_site, opened, put_trust, sign_together
from issuer.storage.store import read_store
from issuer.storage.tx import Done, Tx
from issuer.storage.writer import Writer
from keys.errors import KeyLifecycleError
from keys.lifecycle import Environment, KeyInfo, KeyState, Purpose
from keys.rotation import SPARE_S
from keys.store import Keystore
from keys.trustlist import Roots, TrustList
from tests.issuing_support import DAY_S, NOW
from tests.log_support import log_away
from verifier.check import Reason, check_code
from verifier.claims import KID_PLACE

REGION = "610000"
CHEAP = IndexCost(ops=1, mem=8192)


class Scene:
    """One issuer, the holder of its only root, and the time."""

    def __init__(self, out: Path, stack: ExitStack) -> None:
        self.clock = Clock(NOW)
        self.site: Site = make_site(
            out, Place(REGION, "陕西", "Shaanxi", 0), now=NOW - DAY_S, shards=4
        )
        self.holder = RootHolder.new(out / "root", now=NOW - DAY_S)
        self.version = 0
        self.withdrawn: frozenset[bytes] = frozenset()
        self.hold_ceremony()
        policy = shipped_rules("shaanxi-2020-12", now=NOW), shipped_risk_table("2020-12-13")
        self.office = stack.enter_context(opened(self.site, self.clock, policy, cost=CHEAP)).office
        self.subject = self.office.enrolment.register(
            Identity("王秀兰", "+8613800138000", "11010519491231002X"), "610113"
        ).subject
        self._asked = 0

    @property
    def keystore(self) -> Keystore:
        return self.site.keystore

    def hold_ceremony(self, *, without: Iterable[bytes] = ()) -> None:
        """List every key that may be listed, sign, and put the list where the issuer looks."""
        self.version += 1
        now, listed = self.clock(), self.site.listed()
        infos = {info.kid: info for info in self.keystore.held()}
        gone = set(without) | {
            kid
            for kid, info in infos.items()
            if info.state in {KeyState.COMPROMISED, KeyState.DESTROYED}
            or info.honoured_until <= now
        }
        stolen = {k for k, info in infos.items() if info.state is KeyState.COMPROMISED}
        self.withdrawn |= stolen
        keys = tuple(key for key in listed.keys if key.kid not in gone)
        self.trust = TrustList(
            version=self.version,
            issued_at=now,
            next_update=now + DAY_S,
            not_after=now + 30 * DAY_S,
            roots=Roots(1, 1, (self.holder.info.public_key,), Environment.TEST),
            issuers=(replace(listed, keys=keys),),
            withdrawn=self.withdrawn,
        )
        signed = sign_together(self.trust, [self.holder], now=now)
        put_trust(self.site.settings.trust, self.trust.roots, signed)

    def paper(self) -> bytes:
        """A new code, as a door takes it under the list in force."""
        self._asked += 1
        request = CodeRequest(self.subject, f"key {self._asked}")
        (result,) = self.office.writer.run(lambda tx: issue(tx, [request]), now=self.clock())
        assert isinstance(result, Issued), result
        (code,) = result.codes
        trust = self.office.writer.authority.trust
        assert not isinstance(check_code(code, trust, now=self.clock()), Reason)
        return code

    def kid(self) -> bytes:
        """Of the key that signs the next code."""
        return self.paper()[KID_PLACE]

    def elsewhere(self) -> Keystore:
        """The keystore, as another process opens it."""
        passphrase = self.site.settings.passphrase_file.read_text().strip()
        return Keystore.open(self.site.settings.keystore, passphrase)

    def succeed(self, purpose: Purpose) -> tuple[KeyInfo, KeyInfo]:
        """A next key is made, listed and active, the one before retired: old and new."""
        now = self.clock()
        (old,) = (i for i in self.keystore.held() if i.purpose is purpose)
        new = self.keystore.new(purpose, REGION, now - 1, now + 90 * DAY_S, now=now)
        self.keystore.move(new.kid, KeyState.ACTIVE, now)
        self.clock.wait(60)
        self.hold_ceremony()
        self.elsewhere().move(old.kid, KeyState.DEACTIVATED, self.clock())
        self.office.renew_keys()
        return old, new

    def next_day(self) -> None:
        """Twelve hours, a ceremony, and twelve hours, with a round of upkeep after each."""
        for _ in range(2):
            self.clock.wait(DAY_S // 2)
            self.office.renew_keys()
            self.hold_ceremony()
        self.office.renew_keys()

    def logged(self) -> list[tuple[bytes, str | None, str]]:
        return [
            (e.details["kid"], e.details["from"], e.details["to"])  # type: ignore[misc] # as the spec has them
            for e in self.office.log.events_of_kinds([EventKind.KEY_CHANGED])
        ]


@contextmanager
def _scene(out: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(out, stack)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with _scene(tmp_path) as made:
        yield made


def info_of(scene: Scene, kid: bytes) -> KeyInfo:
    return scene.keystore.info(kid)


def test_issuer_runs_for_days_with_another_key_each_day(scene: Scene) -> None:
    """Lists and keys change under it; each code is signed by a key of its day, listed before."""
    kids = []
    for _ in range(6):
        kids.append(scene.kid())
        assert info_of(scene, kids[-1]).not_before == scene.clock() - scene.clock() % DAY_S
        scene.next_day()
    assert len(set(kids)) == 6
    assert scene.office.reconcile() == []
    states = [info_of(scene, kid).state for kid in kids]
    assert set(states) == {KeyState.DEACTIVATED}


def test_midnight_needs_no_round_of_upkeep(scene: Scene) -> None:
    """The next day's key is open before its day begins: there is no second without a key."""
    midnight = NOW - NOW % DAY_S + DAY_S
    scene.next_day()
    scene.next_day()
    midnight += 2 * DAY_S
    scene.clock.wait(midnight - 600 - scene.clock())
    scene.office.renew_keys()
    scene.clock.wait(599)
    before = scene.kid()
    scene.clock.wait(1)
    after = scene.kid()
    assert info_of(scene, before).not_after == info_of(scene, after).not_before == midnight


def test_key_that_another_process_compromised_signs_nothing_more(scene: Scene) -> None:
    """Not after a round: at once. The next shard takes over, and a round later a spare as well."""
    first = scene.kid()
    scene.elsewhere().move(first, KeyState.COMPROMISED, scene.clock())
    second = scene.kid()
    assert second != first
    assert info_of(scene, second).not_before == info_of(scene, first).not_before
    active = {s.kid for s in scene.office.writer.authority.code_keys}
    scene.office.renew_keys()
    now_active = {s.kid for s in scene.office.writer.authority.code_keys}
    assert first not in now_active
    (spare,) = now_active - active
    assert info_of(scene, spare).not_after - info_of(scene, spare).not_before == SPARE_S
    assert (first, "active", "compromised") in scene.logged()


def test_keystore_out_of_an_older_copy_learns_from_the_log_what_was_stopped(
    tmp_path: Path,
) -> None:
    """A stolen key does not sign again because the keystore was put back; its history is whole."""
    with _scene(tmp_path) as scene:
        folder, copy = scene.site.settings.keystore, tmp_path / "copy"
        stolen = scene.kid()
        copytree(folder, copy)
        scene.clock.wait(60)
        scene.elsewhere().move(stolen, KeyState.SUSPENDED, scene.clock())
        scene.clock.wait(60)
        scene.elsewhere().move(stolen, KeyState.COMPROMISED, scene.clock())
        scene.office.renew_keys()
        before = info_of(scene, stolen)
        clock, site = scene.clock, scene.site
    rmtree(folder)
    copytree(copy, folder)
    assert site.keystore.info(stolen).state is KeyState.ACTIVE
    policy = shipped_rules("shaanxi-2020-12", now=NOW), shipped_risk_table("2020-12-13")
    with capture_logs() as lines, opened(site, clock, policy, cost=CHEAP) as again:
        assert stolen not in {s.kid for s in again.office.writer.authority.code_keys}
        assert site.keystore.info(stolen).history == before.history
    said = [line for line in lines if line["event"] == "key_move_forgotten"]
    states = [line["reason"] for line in said if line["kid"] == stolen.hex()]
    assert states == ["suspended", "compromised"]


def test_all_keys_of_the_day_lost_at_once_and_the_spare_ones_sign(scene: Scene) -> None:
    """The day of the thief: one round later codes are issued under keys that doors know already."""
    listed = {key.kid for key in scene.trust.issuers[0].keys}
    other = scene.elsewhere()
    for signer in scene.office.writer.authority.code_keys:
        other.move(signer.kid, KeyState.COMPROMISED, scene.clock())
    with pytest.raises(NoCodeKeyError):
        scene.paper()
    scene.office.renew_keys()
    assert scene.kid() in listed


def test_every_move_is_logged_once_before_the_key_signs_in_its_new_state(scene: Scene) -> None:
    """No entry, no signer: while the log is away, a key that was activated stays unused."""
    moves = sum(len(info.history) for info in scene.keystore.held())
    assert len(scene.logged()) == len(set(scene.logged())) == moves
    keys = scene.office.writer.authority.code_keys
    scene.elsewhere().move(keys[0].kid, KeyState.SUSPENDED, scene.clock())
    scene.elsewhere().move(keys[0].kid, KeyState.ACTIVE, scene.clock())
    with log_away(scene.office.log), pytest.raises(OSError, match="away"):
        scene.office.renew_keys()
    assert scene.kid() != keys[0].kid
    scene.office.renew_keys()
    assert scene.logged()[-2:] == [
        (keys[0].kid, "active", "suspended"), (keys[0].kid, "suspended", "active"),
    ]  # fmt: skip
    assert scene.kid() == keys[0].kid


def test_events_of_a_history_are_the_same_whoever_tells_them(scene: Scene) -> None:
    """Ids follow from kid and place, so two processes that tell the log tell it once."""
    other = scene.elsewhere()
    for info in scene.keystore.held():
        events = list(key_events(info))
        assert events == list(key_events(other.info(info.kid)))
        assert len({event.event_id for event in events}) == len(info.history)
        assert [event.at for event in events] == [moved.at for moved in info.history]
        before = len(scene.logged())
        scene.office.log.append(events, now=scene.clock())
        assert len(scene.logged()) == before


def test_list_that_may_not_follow_is_refused_and_everything_else_goes_on(scene: Scene) -> None:
    """Somebody puts an older list back: it is told, and keys are renewed under the one held."""
    older = (scene.site.settings.trust / "trust-list.cbor").read_bytes()
    scene.clock.wait(60)
    scene.hold_ceremony()
    scene.office.renew_keys()
    held = scene.office.trust_list
    (scene.site.settings.trust / "trust-list.cbor").write_bytes(older)
    first = scene.kid()
    scene.elsewhere().move(first, KeyState.COMPROMISED, scene.clock())
    with capture_logs() as lines:
        scene.office.renew_keys()
    assert [line["event"] for line in lines].count("trust_list_refused") == 1
    assert scene.office.trust_list == held
    assert scene.kid() != first


def test_key_that_the_next_list_withdraws_is_not_used_any_more(scene: Scene) -> None:
    """The keepers know of a theft before the issuer does: their list is enough."""
    first = scene.kid()
    scene.clock.wait(60)
    scene.hold_ceremony(without=[first])
    scene.office.renew_keys()
    assert scene.office.writer.authority.trust.version == scene.version
    assert scene.kid() != first


def test_status_key_is_changed_without_a_restart(scene: Scene) -> None:
    """The publisher signs with the newest status key that may sign."""
    _, new = scene.succeed(Purpose.STATUS)
    assert scene.office.publisher.signer.kid == new.kid
    scene.office.publish()


def test_evidence_key_is_changed_without_a_restart(scene: Scene) -> None:
    """What people say from now on has the new key as its source, and the log knew the key first."""
    old, new = scene.succeed(Purpose.EVIDENCE)
    authority = scene.office.writer.authority
    assert authority.source == new.kid.hex()
    told = [event.event_id for event in key_events(scene.keystore.info(new.kid))]
    assert scene.office.log.knows(told) == set(told)
    scene.office.writer.run(
        lambda tx: declare(tx, scene.subject, [Declared(EvidenceKind.SURVEY, "clear", tx.now)]),
        now=scene.clock(),
    )
    with read_store(scene.office.engine) as store:
        sources = store.rows("SELECT source FROM evidence ORDER BY recorded_at")
    assert sources == [(old.kid.hex(),), (new.kid.hex(),)]


def test_issuer_without_an_evidence_key_goes_on_and_says_so(scene: Scene) -> None:
    """Nothing is signed with a stolen key, and codes are issued and published all the same."""
    (old,) = (i for i in scene.keystore.held() if i.purpose is Purpose.EVIDENCE)
    scene.keystore.move(old.kid, KeyState.COMPROMISED, scene.clock())
    with capture_logs() as lines:
        scene.office.renew_keys()
    assert "no_evidence_key" in [line["event"] for line in lines]
    with pytest.raises(KeyLifecycleError):
        scene.office.writer.authority.evidence_key.sign(b"anything")
    scene.paper()
    scene.office.publish()


def test_issuer_opens_without_an_evidence_key_as_it_runs_on_without_one(scene: Scene) -> None:
    """A restart after the theft changes nothing: what needs the key is refused, and no more."""
    (old,) = (i for i in scene.keystore.held() if i.purpose is Purpose.EVIDENCE)
    scene.keystore.move(old.kid, KeyState.COMPROMISED, scene.clock())
    policy = scene.office.writer.authority.rules, scene.office.writer.authority.risks
    with capture_logs() as lines, opened(scene.site, scene.clock, policy, cost=CHEAP) as again:
        assert "no_evidence_key" in [line["event"] for line in lines]
        assert again.office.writer.authority.source == old.kid.hex()
        with pytest.raises(KeyLifecycleError, match="compromised"):
            again.office.writer.authority.evidence_key.sign(b"anything")
        again.office.publish()


def test_issuer_without_any_code_key_still_publishes_and_says_so(scene: Scene) -> None:
    """Taking back and publishing never stop because nobody can sign codes."""
    for info in scene.keystore.held():
        if info.purpose is Purpose.CODE and info.state is not KeyState.DESTROYED:
            scene.keystore.move(info.kid, KeyState.COMPROMISED, scene.clock())
    with capture_logs() as lines:
        scene.office.renew_keys()
        scene.office.maintain()
        scene.office.watch_keys()
    assert "no_code_key_left" in [line["event"] for line in lines]
    scene.clock.wait(60)
    scene.hold_ceremony()
    scene.office.publish()
    with pytest.raises(NoCodeKeyError):
        scene.paper()


class _Gone:
    """The log as a process sees it that dies between its commits."""

    def size(self) -> int:
        return 0

    def append(self, *_: object, **__: object) -> list[int]:
        raise SystemExit

    def knows(self, _: object) -> set[bytes]:
        return set()


def test_upkeep_pays_what_another_process_owed_when_it_died(scene: Scene) -> None:
    """Several may serve one database: those that live on do not wait for its next start."""
    ours = scene.office.writer
    dying = Writer(ours.engine, _Gone(), ours.secrets, ours.authority)
    said = [Declared(Kind.SYMPTOM, "cough", scene.clock())]
    with pytest.raises(SystemExit):
        dying.run(lambda tx: declare(tx, scene.subject, said), now=scene.clock())
    scene.office.maintain()
    assert ours.recover(now=scene.clock()) == 0


def test_step_of_the_upkeep_that_fails_keeps_no_other_from_its_turn(scene: Scene) -> None:
    """A damaged row of a job is told, and what was taken back appears all the same."""
    snapshot = scene.site.settings.public / "status" / f"{REGION}.snapshot"
    scene.office.publish()
    before = snapshot.read_bytes()
    scene.paper()
    scene.office.writer.run(_with_a_bad_job, now=scene.clock())
    scene.office.enrolment.erase(scene.subject)
    scene.clock.wait(SPREAD_S)
    with pytest.raises(IntegrityError, match="job"):
        scene.office.maintain()
    assert snapshot.read_bytes() != before


def _with_a_bad_job(tx: Tx) -> Done[None]:
    start_job(tx, tx.event_id(), Cause.RULES, None)
    tx.store.run("UPDATE job SET seen = 7")
    return Done(None)


def test_alarm_rings_before_the_keys_are_full_and_when_a_count_differs(scene: Scene) -> None:
    """Less than a tenth left is a warning; a count that the log does not know is an alarm."""

    def lines() -> list[dict[str, Any]]:
        with capture_logs() as found:
            scene.office.watch_keys()
        return [dict(line) for line in found]

    scene.paper()
    assert lines() == []
    writer = scene.office.writer
    writer.authority = replace(writer.authority, codes_per_key=1)
    scene.paper()
    scene.paper()
    assert [line["event"] for line in lines()] == []
    scene.paper()
    (line,) = lines()
    assert (line["event"], line["log_level"]) == ("no_code_key_left", "error")
    with read_store(scene.office.engine) as store:
        row = read_code_keys(store, writer.secrets)[0]

    def one_more(tx: Tx) -> Done[None]:
        write_code_key(tx, row, replace(row, codes=row.codes + 1))
        return Done(None)

    writer.run(one_more, now=scene.clock())
    told = {line["event"]: line for line in lines()}
    assert told["signatures_differ"]["kid"] == row.kid.hex()
    assert (told["signatures_differ"]["count"], told["signatures_differ"]["logged"]) == (2, 1)


def test_keys_that_are_on_no_list_are_told_while_there_is_time(scene: Scene) -> None:
    """The keepers have not met for a week: two days before it matters, a line says so."""
    for _ in range(3):
        scene.clock.wait(DAY_S)
        scene.office.renew_keys()
        assert scene.office.keys.late() == ()
    scene.clock.wait(DAY_S)
    scene.office.renew_keys()
    assert len(scene.office.keys.late()) == scene.site.settings.code_key_shards
