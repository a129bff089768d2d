"""The ceremony of the trust list: machines apart, files between them, and lists put in place."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from keys.errors import SourceFileError, TrustListError, TrustListRollbackError
from keys.instants import format_time
from keys.kid import kid
from keys.purpose import Purpose
from keys.signer import SeedSigner
from keys.trustenvelope import encode_envelope, sign_payload
from keys.trustlist import (
    Ending,
    TrustList,
    decode_roots,
    encode_roots,
    encode_trust_list,
    verify_trust_list,
)
from keys.trustplace import (
    ROOTS_FILE,
    TRUST_LIST_FILE,
    Place,
    newer_trust_list,
    put_trust_list,
)
from keys.trusttext import changes_text, trust_list_text
from keys.trustupdate import accept_trust_list
from tests.machine_support import Machine, refused
from tests.vectors import generate_trust_list as generate

DAY: Final = 86_400
START: Final = 1_607_788_800  # 13 December 2020, 00:00 in China
#: Holders whose machines are there.
EVERYBODY: Final = range(5)


class Ceremony:
    """Machines that never read each other's folders; `carry` is the only way between them."""

    def __init__(self, folder: Path) -> None:
        self.desk = Machine(folder / "desk")
        self.holders = [Machine(folder / f"holder-{number}") for number in range(6)]
        self.kids = [holder.new_key("trust-root", "100000") for holder in self.holders]
        self.issuer = Machine(folder / "issuer")
        self.public, self.trust = folder / "public", folder / "issuer" / "trust"
        self.public.mkdir()
        self.trust.mkdir()
        self.source: dict[str, Any] = {}

    @staticmethod
    def carry(file: Path, to: Machine) -> Path:
        return Path(shutil.copy(file, to.folder))

    def record(self, machine: Machine, key_id: str) -> str:
        """A key's public record, carried to the desk: its name there."""
        out = machine.folder / f"{key_id}.json"
        if not out.exists():
            machine.export(key_id, out)
        return self.carry(out, self.desk).name

    def roots(self, epoch: int, holders: list[int]) -> Path:
        records = [self.record(self.holders[number], self.kids[number]) for number in holders]
        out = self.desk.folder / f"roots-{epoch}.cbor"
        self.desk.do(
            "trust", "roots", *(self.desk.folder / name for name in records), "--epoch", epoch,
            "--threshold", 3, "--out", out,
        )  # fmt: skip
        return out

    def next_source(self, **changes: object) -> None:
        """The source of the next version: of the list in force, with changes."""
        version = self.source.get("version", 0) + 1
        issued_at = START + version * 3_600
        self.source |= {
            "version": version,
            "issued_at": format_time(issued_at),
            "next_update": format_time(issued_at + DAY),
            "not_after": format_time(issued_at + 14 * DAY),
            **changes,
        }

    def draft(self, *held: object) -> Path:
        version = self.source["version"]
        file = self.desk.folder / f"source-{version}.json"
        file.write_text(json.dumps(self.source))
        out = self.desk.folder / f"draft-{version}"
        self.desk.do("trust", "draft", file, *held, "--out", out)
        return out

    def sign(self, draft: Path, holders: list[int], held: Path | None = None) -> list[Path]:
        """Each holder signs on their own machine; the signed parts come back to the desk."""
        parts = []
        for number in holders:
            holder = self.holders[number]
            there = self.carry(draft, holder)
            known = [] if held is None else ["--held", self.carry(held, holder)]
            part = holder.folder / f"{draft.name}-{number}.part"
            typed = f"{self.source['version']}\n"
            holder.do(
                "trust", "sign", there, *known, "--kid", self.kids[number], "--out", part,
                text=typed,
            )  # fmt: skip
            parts.append(self.carry(part, self.desk))
        return parts

    def combine(self, parts: list[Path], roots: Path) -> Path:
        out = self.desk.folder / f"list-{self.source['version']}.cbor"
        self.desk.do("trust", "combine", *parts, "--roots", roots, "--out", out)
        return out

    def publish(self, made: Path, roots: Path) -> str:
        return self.desk.do("trust", "publish", made, "--roots", roots, *self.places())

    def places(self) -> list[object]:
        at = format_time(START + DAY)
        return ["--public", self.public, "--issuer", self.trust, "--at", at]

    def take_over(self, made: Path) -> None:
        """Go on from a list as it was made: what `show --json` prints is its source."""
        self.source = json.loads(self.desk.do("trust", "show", made, "--json"))


@pytest.fixture
def ceremony(tmp_path: Path) -> Ceremony:
    return Ceremony(tmp_path)


def _shaanxi(*keys: str) -> dict[str, object]:
    return {
        "region": "610000",
        "name_zh": "陕西省",
        "name_en": "Shaanxi",
        "status_base": "https://shaanxi.example/status/",
        "first_list": 0,
        "last_list": 999,
        "contact": "appeals@shaanxi.example",
        "keys": [{"record": name} for name in keys],
    }


def _yanan(*keys: str) -> dict[str, object]:
    return _shaanxi(*keys) | {
        "region": "610600",
        "name_zh": "延安市",
        "name_en": "Yan'an",
        "first_list": 1_000,
        "last_list": 1_009,
    }


def test_ceremony_of_five_roots_over_new_keys_an_ending_and_a_rotation(ceremony: Ceremony) -> None:
    """Five roots, a desk and an issuer carry files only, from the first list to the first that new
    roots sign alone; a venue with the first roots takes each list in its turn."""
    first_roots = ceremony.roots(1, [0, 1, 2, 3, 4])
    issuer = ceremony.issuer
    code, status = (ceremony.record(issuer, issuer.new_key(use)) for use in ("code", "status"))
    city = ceremony.record(issuer, issuer.new_key("code", "610600"))
    ceremony.next_source(
        roots=ceremony_roots(first_roots),
        issuers=[_shaanxi(code, status), _yanan(city)],
    )
    first = ceremony.combine(ceremony.sign(ceremony.draft(), [0, 2, 4]), first_roots)
    ceremony.publish(first, first_roots)

    # A new key of the issuer arrives as a public record, and Yan'an's end is announced.
    ceremony.take_over(first)
    issuers = ceremony.source["issuers"]
    issuers[0]["keys"].append({"record": ceremony.record(issuer, issuer.new_key("code"))})
    issuers[1]["ending"] = {
        "successor": "610000",
        "ends_at": format_time(START + 20 * DAY),
        "grace_until": format_time(START + 28 * DAY),
    }
    ceremony.next_source()
    draft = ceremony.draft("--held", first)
    told = ceremony.desk.do("trust", "diff", first, draft)
    assert "+ 610600: ENDS 2021-01-01T16:00:00Z" in told
    assert "counts less than 24 h after the issue" in told
    second = ceremony.combine(ceremony.sign(draft, [1, 2, 3], held=first), first_roots)
    ceremony.publish(second, first_roots)

    # Holder 0 leaves, holder 5 comes. Three of the old roots sign, and three of the new ones.
    next_roots = ceremony.roots(2, [1, 2, 3, 4, 5])
    ceremony.take_over(second)
    ceremony.next_source(roots=ceremony_roots(next_roots))
    draft = ceremony.draft("--held", second)
    assert f"! root {ceremony.kids[0]} leaves unnamed" in ceremony.desk.do(
        "trust", "diff", second, draft
    )
    draft.unlink()
    record = json.loads((ceremony.desk.folder / f"{ceremony.kids[0]}.json").read_text())
    ceremony.source["former_roots"] = [record["public_key"]]
    draft = ceremony.draft("--held", second)
    assert "leaves unnamed" not in ceremony.desk.do("trust", "diff", second, draft)
    old_alone = ceremony.sign(draft, [1, 2])
    both = ceremony.sign(draft, [0, 5], held=second)
    out = ceremony.desk.folder / "too-few"
    for parts in (old_alone, [*old_alone, both[0]], [*old_alone, both[1]]):
        result = ceremony.desk.run("trust", "combine", *parts, "--roots", first_roots, "--out", out)
        assert "3 needed" in refused(result)
        assert not out.exists()
    third = ceremony.combine([*old_alone, *both], first_roots)
    ceremony.publish(third, first_roots)
    assert (ceremony.trust / ROOTS_FILE).read_bytes() == next_roots.read_bytes()

    # From now on the new roots sign alone. Whoever leaves signs beside them no more.
    ceremony.take_over(third)
    ceremony.next_source()
    fourth = ceremony.combine(ceremony.sign(ceremony.draft(), [3, 4, 5], held=third), next_roots)
    ceremony.publish(fourth, next_roots)

    roots, held = decode_roots(first_roots.read_bytes()), None
    for number, made in enumerate((first, second, third, fourth), 1):
        held = accept_trust_list(held, made.read_bytes(), roots=roots, now=START + DAY)
        assert held.version == number
    assert (ceremony.public / TRUST_LIST_FILE).read_bytes() == fourth.read_bytes()
    assert sorted(path.name for path in ceremony.public.iterdir()) == [TRUST_LIST_FILE]
    assert sorted(path.name for path in ceremony.trust.iterdir()) == [ROOTS_FILE, TRUST_LIST_FILE]


def ceremony_roots(file: Path) -> dict[str, object]:
    """How a file of roots stands in a source."""
    found = decode_roots(file.read_bytes())
    return {
        "epoch": found.epoch,
        "threshold": found.threshold,
        "environment": found.environment.value,
        "keys": [key.hex() for key in found.keys],
    }


def _places(folder: Path) -> tuple[Place, Place]:
    public, trust = folder / "public", folder / "trust"
    public.mkdir()
    trust.mkdir()
    return Place(public, keeps_roots=False), Place(trust, keeps_roots=True)


def _files(*places: Place) -> dict[Path, bytes]:
    return {path: path.read_bytes() for place in places for path in place.folder.iterdir()}


def test_publish_puts_a_list_where_it_may_follow_and_nowhere_else(tmp_path: Path) -> None:
    """Every vector: both places get a list that verifiers take, and neither gets another."""
    for number, vector in enumerate(generate.vectors()):
        if vector.name == generate.ASKS_ROOTS_ABOUT_HELD:
            continue
        (tmp_path / str(number)).mkdir()
        public, trust = _places(tmp_path / str(number))
        if vector.held is not None:
            public.list_file.write_bytes(vector.held)
            trust.list_file.write_bytes(vector.held)
            trust.roots_file.write_bytes(encode_roots(vector.roots))
        before = _files(public, trust)
        try:
            put_trust_list(vector.data, [public, trust], roots=vector.roots, now=vector.now)
            result = "accepted"
        except TrustListError as error:
            result = type(error).__name__
        assert result == vector.expect
        if result == "accepted":
            assert public.list_file.read_bytes() == vector.data
            assert trust.list_file.read_bytes() == vector.data
        else:
            assert _files(public, trust) == before


def test_publish_where_one_place_refuses_changes_none(tmp_path: Path) -> None:
    """An issuer that is ahead of the public folder keeps both as they are."""
    public, trust = _places(tmp_path)
    trust.list_file.write_bytes(generate.GOOD)
    with pytest.raises(TrustListRollbackError):
        put_trust_list(generate.HELD, [public, trust], roots=generate.ROOTS, now=generate.NOW)
    assert list(public.folder.iterdir()) == []
    assert not trust.roots_file.exists()


def test_publish_for_an_issuer_trusts_the_issuers_own_roots(tmp_path: Path) -> None:
    """Roots on the command line do not make an issuer trust somebody else's list."""
    public, trust = _places(tmp_path)
    trust.roots_file.write_bytes(encode_roots(generate.ALL_NEW_ROOTS))
    with pytest.raises(TrustListError, match="3 needed"):
        put_trust_list(generate.GOOD, [public, trust], roots=generate.ROOTS, now=generate.NOW)
    assert list(public.folder.iterdir()) == []


@pytest.mark.parametrize("epoch", [1, 2])
def test_list_that_only_looks_like_the_one_held_does_not_bring_its_own_roots(
    tmp_path: Path, epoch: int
) -> None:
    """Whoever writes into the public folder does not say whose signatures count there."""
    thief = replace(generate.ALL_NEW_ROOTS, epoch=epoch)
    signers = generate.NEXT_SIGNERS[:3]
    forged = generate.signed(replace(generate.OLDER, roots=thief), signers)
    following = generate.signed(replace(generate.LIST, roots=thief), signers)
    assert verify_trust_list(following, thief).roots == thief
    public, _ = _places(tmp_path)
    public.list_file.write_bytes(forged)
    with pytest.raises(SourceFileError, match=TRUST_LIST_FILE):
        put_trust_list(following, [public], roots=generate.ROOTS, now=generate.NOW)
    assert public.list_file.read_bytes() == forged
    new, roots = tmp_path / "new", tmp_path / "roots"
    new.write_bytes(following)
    roots.write_bytes(encode_roots(generate.ROOTS))
    at = format_time(generate.NOW)
    machine = Machine(tmp_path / "machine")
    said = refused(
        machine.run(
            "trust", "verify", new, "--roots", roots, "--held", public.list_file, "--at", at
        )
    )
    assert TRUST_LIST_FILE in said


@pytest.mark.parametrize("name", [TRUST_LIST_FILE, ROOTS_FILE])
def test_publish_over_a_file_that_is_none_of_ours_is_refused(tmp_path: Path, name: str) -> None:
    """What is damaged is looked into, not written over; the error says which file."""
    public, trust = _places(tmp_path)
    (trust.folder / name).write_bytes(b"something else")
    with pytest.raises(SourceFileError, match=name):
        put_trust_list(generate.GOOD, [public, trust], roots=generate.ROOTS, now=generate.NOW)
    assert list(public.folder.iterdir()) == []


def test_publish_command_refuses_in_one_line(ceremony: Ceremony, tmp_path: Path) -> None:
    """An older list, one folder for two things, and a folder that is not there."""
    roots, new, old = (tmp_path / name for name in ("roots", "new", "old"))
    roots.write_bytes(encode_roots(generate.ROOTS))
    new.write_bytes(generate.GOOD)
    old.write_bytes(generate.HELD)
    desk, places = ceremony.desk, ceremony.places()
    told = desk.do("trust", "publish", new, "--roots", roots, *places)
    assert told.splitlines() == [
        f"version 7 is in {folder / TRUST_LIST_FILE}"
        for folder in (ceremony.public, ceremony.trust)
    ]
    assert told == desk.do("trust", "publish", new, "--roots", roots, *places)
    back = desk.run("trust", "publish", old, "--roots", roots, *places)
    assert refused(back) == "error: version 6, and 7 is held\n"
    same = desk.run(
        "trust", "publish", new, "--roots", roots, "--public", ceremony.public, "--issuer",
        ceremony.public,
    )  # fmt: skip
    assert same.exit_code == 2
    missing = desk.run("trust", "publish", new, "--roots", roots, "--public", tmp_path / "none")
    assert missing.exit_code == 2
    assert (ceremony.public / TRUST_LIST_FILE).read_bytes() == generate.GOOD


def test_newer_of_two_lists_is_the_later_epoch_then_the_later_version(tmp_path: Path) -> None:
    """What keepers published while an issuer ran is not taken back by what it read before."""
    published = tmp_path / TRUST_LIST_FILE
    assert newer_trust_list(generate.HELD, published) == generate.HELD
    published.write_bytes(generate.GOOD)
    assert newer_trust_list(generate.HELD, published) == generate.GOOD
    published.write_bytes(generate.HELD)
    assert newer_trust_list(generate.GOOD, published) == generate.GOOD
    rotated = generate.signed(
        replace(generate.OLDER, version=1, roots=replace(generate.ROOTS, epoch=2))
    )
    published.write_bytes(rotated)
    assert newer_trust_list(generate.GOOD, published) == rotated
    published.write_bytes(b"damaged")
    assert newer_trust_list(generate.GOOD, published) == generate.GOOD


def test_draft_and_sign_refuse_what_verifiers_that_hold_the_list_in_force_would(
    ceremony: Ceremony, tmp_path: Path
) -> None:
    """An ending that vanished is refused before anybody signs, and leaves no file."""
    held, source, draft, out = (tmp_path / name for name in ("held", "source", "draft", "out"))
    held.write_bytes(generate.HELD)
    lost = replace(generate.LIST, issuers=(generate.SHAANXI, generate.HEILONGJIANG))
    draft.write_bytes(encode_trust_list(lost))
    source.write_text(ceremony.desk.do("trust", "show", draft, "--json"))
    for command in (
        ("draft", source),
        ("sign", draft, "--kid", ceremony.kids[0]),
    ):
        result = ceremony.holders[0].run(
            "trust", *command, "--held", held, "--out", out, text="7\n"
        )
        assert "the end of region 610600 is gone" in refused(result)
        assert not out.exists()


@pytest.mark.parametrize("signers", [(), generate.NEXT_SIGNERS[:3]], ids=["nobody", "strangers"])
def test_list_that_no_roots_signed_does_not_hide_a_change_from_signers(
    ceremony: Ceremony, tmp_path: Path, signers: tuple[SeedSigner, ...]
) -> None:
    """Whoever prepares a draft could add a key to what is shown as in force, and it would be no
    change: signers compare with nothing that the roots did not sign."""
    held, draft, source, out = (tmp_path / name for name in ("held", "draft", "source", "out"))
    draft.write_bytes(encode_trust_list(generate.LIST))
    source.write_text(ceremony.desk.do("trust", "show", draft, "--json"))
    payload = encode_trust_list(generate.OLDER)
    forged = encode_envelope(payload, [sign_payload(payload, signer) for signer in signers])
    for data in (forged, payload):
        held.write_bytes(data)
        for command in (("draft", source), ("sign", draft, "--kid", ceremony.kids[0])):
            said = refused(
                ceremony.holders[0].run("trust", *command, "--held", held, "--out", out, text="7\n")
            )
            assert said.startswith(f"error: {held}: ")
            assert not out.exists()


Change = Callable[[TrustList], TrustList]


def _issuer(**change: Any) -> Change:  # noqa: ANN401 - members of an issuer
    def changed(trust: TrustList) -> TrustList:
        others = [issuer for issuer in trust.issuers if issuer.region != "230000"]
        return replace(trust, issuers=(*others, replace(generate.HEILONGJIANG, **change)))

    return changed


KEY = generate.HEILONGJIANG.keys[0]
CHANGES: Final[dict[str, Change]] = {
    "version": lambda t: replace(t, version=9),
    "issued": lambda t: replace(t, issued_at=t.issued_at + 1),
    "next-update": lambda t: replace(t, next_update=t.next_update + 1),
    "end": lambda t: replace(t, not_after=t.not_after + 1),
    "epoch": lambda t: replace(t, roots=replace(t.roots, epoch=2)),
    "threshold": lambda t: replace(t, roots=replace(t.roots, threshold=4)),
    "root": lambda t: replace(t, roots=replace(generate.NEXT_ROOTS, epoch=1)),
    "former-root": lambda t: replace(t, former_roots=(generate.STRANGER.public_key,)),
    "withdrawn": lambda t: replace(t, withdrawn=t.withdrawn | {b"\7\7\7\7"}),
    "policy-version": lambda t: replace(
        t, policies=(replace(t.policies[0], version=9), *t.policies[1:])
    ),
    "policy-digest": lambda t: replace(
        t, policies=(replace(t.policies[0], digest=bytes(32)), *t.policies[1:])
    ),
    "policy-name": lambda t: replace(
        t, policies=(replace(t.policies[0], name="other"), *t.policies[1:])
    ),
    "name-zh": _issuer(name_zh="龙江"),
    "name-en": _issuer(name_en="Long"),
    "status-base": _issuer(status_base="https://other.example/"),
    "first-list": _issuer(first_list=2_001),
    "last-list": _issuer(last_list=2_998),
    "contact": _issuer(contact="nobody"),
    "successor": _issuer(ending=Ending("610000", 1 << 40, 1 << 41)),
    "keys": _issuer(keys=()),
    "key-purpose": _issuer(keys=(replace(KEY, purpose=Purpose.WITNESS),)),
    "key-begin": _issuer(keys=(replace(KEY, not_before=KEY.not_before + 1),)),
    "key-end": _issuer(keys=(replace(KEY, not_after=KEY.not_after + 1),)),
    "key": _issuer(keys=(replace(KEY, public_key=generate.STRANGER.public_key),)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_text_that_signers_read_shows_every_change(change: Change) -> None:
    """No member of a list can change without a line that changes, the digest aside; and the
    differences alone say the same."""
    before, after = generate.LIST, change(generate.LIST)
    assert before != after
    shown = [trust_list_text(trust).rpartition("\n")[0] for trust in (before, after)]
    assert shown[0] != shown[1]
    assert "  + " in changes_text(before, after) or "  - " in changes_text(before, after)
    assert changes_text(before, before) == "Changes since version 7:\n  none"


def test_text_of_changes_startles_where_signers_should_ask_why() -> None:
    """A code key that counts at once, an end without notice, an issuer that vanishes, new roots."""
    late = replace(
        KEY, public_key=generate.STRANGER.public_key, purpose=Purpose.CODE,
        not_before=generate.ISSUED + DAY - 1,
    )  # fmt: skip
    ending = Ending("610000", generate.ISSUED, generate.ISSUED + 7 * DAY - 1)
    short = replace(late, not_after=ending.grace_until)
    sudden = replace(generate.HEILONGJIANG, keys=(short,), ending=ending)
    after = replace(
        generate.LIST,
        roots=generate.NEXT_ROOTS,
        issuers=(generate.SHAANXI, sudden, generate.YANAN),
    )
    told = changes_text(generate.LIST, after)
    early = (
        f"code key {late.kid.hex()} of 230000 counts less than 24 h after the issue: "
        "doors that are offline will not know it yet"
    )
    gone = kid(generate.ROOT_SIGNERS[0].public_key).hex()
    assert [line[4:] for line in told.splitlines() if line.startswith("  ! ")] == [
        "a new epoch of roots: both quorums must sign, and endings and pins may change",
        f"root {gone} leaves unnamed: it cannot sign this list",
        early,
        "codes of 230000 count for less than 7 days after the issue: people need notice",
        "610900 is gone: doors will know neither its codes nor whose to ask for",
    ]
    in_time = replace(late, not_before=generate.ISSUED + DAY)
    calm = replace(generate.HEILONGJIANG, keys=(*generate.HEILONGJIANG.keys, in_time))
    issuers = (generate.SHAANXI, calm, generate.YANAN, generate.ANKANG)
    assert "!" not in changes_text(generate.LIST, replace(generate.LIST, issuers=issuers))


@pytest.mark.parametrize(
    "command",
    [
        ("verify", "list", "--roots", "junk"),
        ("verify", "list", "--roots", "roots", "--held", "junk"),
        ("combine", "list", "--roots", "junk", "--out", "out"),
        ("sign", "junk", "--kid", "00000000", "--out", "out"),
        ("sign", "draft", "--held", "junk", "--kid", "00000000", "--out", "out"),
        ("show", "junk"),
        ("diff", "list", "junk"),
        ("diff", "junk", "list"),
        ("publish", "list", "--public", ".", "--roots", "junk"),
    ],
    ids=" ".join,
)
def test_error_names_the_file_that_is_none_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """Of several files in one command, the one to look at is named."""
    machine = Machine(tmp_path / "machine")
    monkeypatch.chdir(machine.folder)
    for name, data in (
        ("list", generate.GOOD),
        ("draft", generate.PAYLOAD),
        ("roots", encode_roots(generate.ROOTS)),
        ("junk", b"junk"),
    ):
        Path(name).write_bytes(data)
    assert refused(machine.run("trust", *command)).startswith("error: junk: ")
    assert not Path("out").exists()
