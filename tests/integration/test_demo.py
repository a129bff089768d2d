"""`make demo` as a new user runs it: the real programs, into an empty folder."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from issuer.demo.cast import HEILONGJIANG, NOW, PEOPLE, SHAANXI, TRAVELLER
from keys.errors import TokenMissingError
from keys.lifecycle import KeyState, Purpose
from keys.store import Keystore

REPOSITORY = Path(__file__).parents[2]
PENDING = {"xu-lei"}
CODES = {part.slug for part in (*PEOPLE, TRAVELLER)} - PENDING
ADMITTED = {"wang-xiulan", "li-na", "li-xiaobao", "lin-tao", "liu-yang"}


@dataclass(frozen=True, slots=True)
class Told:
    out: Path
    story: str

    def chapter(self, number: int) -> str:
        """The text of one chapter, its line breaks undone."""
        rest = re.split(r"^(\d+)\. .*─$", self.story, flags=re.MULTILINE)
        texts = dict(zip(rest[1::2], rest[2::2], strict=True))
        return " ".join(texts[str(number)].split())


@pytest.fixture(scope="module", params=[[], ["--token"]], ids=["keystore", "token"])
def told(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Told:
    """The story, by code keys in the keystore and by code keys inside SoftHSM."""
    out = tmp_path_factory.mktemp("demo") / "demo-out"
    command = [sys.executable, "-m", "issuer.demo", *request.param, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return Told(out, done.stdout)


def test_demo_codes_everybody_who_is_not_pending_has_text_and_picture(told: Told) -> None:
    """Each code is there twice; nobody whose colour is pending has one."""
    codes = told.out / "codes"
    assert {path.stem for path in codes.glob("*.txt")} == CODES
    assert {path.stem for path in codes.glob("*.png")} == CODES


def test_demo_public_folder_holds_all_that_a_web_server_publishes(told: Told) -> None:
    """The layout that verifiers and outsiders rely on."""
    public = told.out / "public"
    for name in ("trust-list.cbor", "risk-table.cbor", "log/checkpoint", "log/vkey"):
        assert (public / name).stat().st_size > 0
    for pattern in ("status/*.cwt", "status/*.snapshot", "keys/*.cosekey", "rules/*.cbor"):
        assert list(public.glob(pattern)), pattern
    proofs = json.loads((public / "log/proofs.json").read_text())
    assert proofs["inclusion"]
    assert proofs["consistency"]


def test_demo_rules_of_the_other_province_speak_of_that_province(told: Told) -> None:
    """Who comes to Heilongjiang does not read there that they came to Shaanxi."""
    rules = (told.out / "public/rules/standard-230000.cbor").read_bytes().decode(errors="ignore")
    assert "来黑" in rules
    assert "陕" not in rules
    assert "Shaanxi" not in rules


def test_demo_private_files_are_for_their_owner_alone(told: Told) -> None:
    """No database, key or passphrase can be read by another user."""
    loose = [path for path in (told.out / "private").rglob("*") if path.stat().st_mode & 0o077]
    assert loose == []


@pytest.mark.parametrize("door", ["Xi'an", "Harbin"])
def test_demo_doors_of_both_provinces_admit_the_same_people(told: Told, door: str) -> None:
    """Mutual recognition: where the door stands makes no difference."""
    text = told.chapter(5).split(f"At a door in {door}:")[1].split("At a door")[0]
    verdicts = dict(re.findall(r"([a-z-]+) [√×?!] \S+ (ADMIT|DO NOT ADMIT)", text))  # noqa: RUF001
    assert {slug for slug, verdict in verdicts.items() if verdict == "ADMIT"} == ADMITTED
    assert verdicts.keys() == CODES


def test_demo_risen_compound_touches_only_the_one_who_came_from_there(told: Told) -> None:
    """One of thirteen is looked at; her old code then says "check again"."""
    chapter = told.chapter(6)
    assert "Shaanxi: 1 looked at again, 1 with another colour." in chapter
    assert "何静 He Jing: yellow -> red" in chapter
    assert "CHECK AGAIN" in chapter


def test_demo_clerk_the_31st_look_up_is_refused_and_she_reads_who_looked(told: Told) -> None:
    """Thirty in a shift and not one more; the person sees organisation, purpose and case."""
    chapter = told.chapter(7)
    assert "Look-up 31: refused, quota-clerk" in chapter
    assert len(re.findall("refused", chapter)) == 1
    assert "Xi'an First Hospital (desk clerk)" in chapter
    assert "OPD-20201213-0042" in chapter


def test_demo_desk_prints_for_those_without_a_phone_and_she_reads_that_too(told: Told) -> None:
    """Whoever has no phone gets paper from a clerk, through the gate like every look-up."""
    printed = re.findall(r"(\S+) [A-Z]\w+ \w+, on paper, printed by a clerk of", told.chapter(4))
    assert printed == ["王秀兰", "李小宝"]
    assert "Beilin District Service Centre (desk clerk)" in told.chapter(7)
    assert "PAPER-20201213-5" in told.chapter(7)


def test_demo_audit_verifies_and_then_names_the_flipped_entry(told: Told) -> None:
    """Nothing differs before; after one flipped byte, exactly that entry is named."""
    assert "The log verifies" in told.chapter(8)
    assert "Nothing differs." in told.chapter(8)
    (flipped,) = re.findall(r"inside the record of entry (\d+)", told.chapter(9))
    assert f"The audit says: entry {flipped} " in told.chapter(9)


def test_demo_readme_command_for_the_door_works_on_what_the_demo_left(told: Told) -> None:
    """The command that README shows admits the grandmother."""
    (command,) = re.findall(
        r"^\.venv/bin/celadon-verify .*$", (REPOSITORY / "README.md").read_text(), re.MULTILINE
    )
    arguments = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "verifier", *arguments],
        capture_output=True, text=True, check=False, cwd=told.out.parent,
        env={"PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ADMIT" in done.stdout


def test_demo_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    """The demo starts anew only over an earlier demo."""
    (tmp_path / "thesis.txt").write_text("mine")
    command = [sys.executable, "-m", "issuer.demo", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 2
    assert "nothing was touched" in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("told", [["--token"]], indirect=True, ids=["token"])
def test_demo_code_keys_of_tokens_are_in_no_keystore(told: Told) -> None:
    """The keystore has the records of both provinces' code keys, and nothing that could sign."""
    for region in (SHAANXI, HEILONGJIANG):
        folder = told.out / "private" / region
        store = Keystore.open(folder / "keystore", (folder / "passphrase").read_text().strip())
        infos = store.keys()
        made = [info for info in infos if info.purpose is Purpose.CODE]
        active = [info for info in made if info.state is KeyState.ACTIVE]
        assert active
        assert not set(made) & set(store.held())
        for info in active:
            with pytest.raises(TokenMissingError):
                store.signer(info.kid, purpose=Purpose.CODE, region=region, clock=lambda: NOW)


def test_demo_without_soft_hsm_names_the_package(tmp_path: Path) -> None:
    """Who asks for tokens and has none is told what to install, before anything is touched."""
    command = [sys.executable, "-m", "issuer.demo", "--token", str(tmp_path / "out")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=REPOSITORY, env={"PATH": ""}
    )
    assert done.returncode == 2
    assert "`softhsm2`" in done.stderr
    assert not (tmp_path / "out").exists()
