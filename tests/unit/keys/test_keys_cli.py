"""The commands `keys` and `trust`: a whole ceremony with files, and one clear line on errors."""

import errno
import hashlib
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from keys import cli, sealing
from keys.errors import SourceFileError
from keys.instants import format_time, parse_time
from keys.kid import kid
from keys.lifecycle import Environment
from keys.trustlist import decode_roots, encode_roots, encode_trust_list, verify_trust_list
from tests.keystore_support import PASSPHRASE
from tests.machine_support import FROM, GROUPS, UNTIL, Machine, refused
from tests.token_support import Hsm
from tests.vectors import generate_trust_list as generate


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


def _source(
    desk: Path, roots: Path, records: list[str], changes: dict[str, object] | None = None
) -> Path:
    found = decode_roots(roots.read_bytes())
    source: dict[str, Any] = {
        "version": 1,
        "issued_at": "2020-12-12T16:00:00Z",
        "next_update": "2020-12-13T16:00:00Z",
        "not_after": "2020-12-26T16:00:00Z",
        "roots": {
            "epoch": found.epoch,
            "threshold": found.threshold,
            "environment": "test",
            "keys": [key.hex() for key in found.keys],
        },
        "issuers": [
            {
                "region": "610000",
                "name_zh": "陕西省",
                "name_en": "Shaanxi",
                "status_base": "https://shaanxi.example/status/",
                "first_list": 0,
                "last_list": 999,
                "contact": "office@shaanxi.example",
                "keys": [{"record": name} for name in records],
            }
        ],
        "withdrawn": [],
    }
    path = desk / "source.json"
    path.write_text(json.dumps(source | (changes or {})))
    return path


def test_ceremony_from_new_keys_to_a_list_that_verifiers_take(tmp_path: Path) -> None:
    """Three root holders and an issuer, each on a machine of their own, exchange files only; two
    of the three make a list in force, and one does not."""
    desk = tmp_path / "desk"
    desk.mkdir()
    holders = [Machine(tmp_path / f"holder-{i}") for i in range(3)]
    issuer = Machine(tmp_path / "issuer")
    root_kids = [holder.new_key("trust-root", "100000") for holder in holders]
    records = [
        holder.export(name, desk / f"{name}.json")
        for holder, name in zip(holders, root_kids, strict=True)
    ]
    code_key, status_key = issuer.new_key("code"), issuer.new_key("status")
    issuer.export(code_key, desk / "code.json")
    issuer.export(status_key, desk / "status.json")

    roots = desk / "roots.cbor"
    issuer.do("trust", "roots", *records, "--epoch", 1, "--threshold", 2, "--out", roots)
    source = _source(desk, roots, ["code.json", "status.json"])
    draft = desk / "draft.cbor"
    drafted = issuer.do("trust", "draft", source, "--out", draft)
    parts = []
    for holder, name in zip(holders, root_kids, strict=True):
        part = desk / f"{name}.part"
        shown = holder.do("trust", "sign", draft, "--kid", name, "--out", part, text="1\n")
        assert drafted in shown
        parts.append(part)
    made = desk / "trust-list.cbor"
    alone = issuer.run("trust", "combine", parts[0], "--roots", roots, "--out", made)
    assert "1 signatures by the roots of epoch 1, 2 needed" in refused(alone)
    assert not made.exists()
    issuer.do("trust", "combine", *parts[1:], "--roots", roots, "--out", made)
    good = issuer.do("trust", "verify", made, "--roots", roots, "--at", "2020-12-13T00:00:00Z")
    signers = ", ".join(sorted(root_kids[1:]))
    assert good == (
        f"good: version 1, test, 1 issuers, until 2020-12-26T16:00:00Z, signed by {signers}\n"
    )
    late = issuer.run("trust", "verify", made, "--roots", roots)
    assert "ended at 2020-12-26T16:00:00Z" in refused(late)
    trust = verify_trust_list(made.read_bytes(), decode_roots(roots.read_bytes()))
    found = trust.find(bytes.fromhex(code_key))
    assert found is not None
    assert found[0].name_en == "Shaanxi"


def test_sign_without_the_right_version_signs_nothing(tmp_path: Path) -> None:
    """Who types another version than the one shown has not read it."""
    machine = Machine(tmp_path / "machine")
    draft, out = tmp_path / "draft", tmp_path / "part"
    draft.write_bytes(generate.PAYLOAD)
    result = machine.run("trust", "sign", draft, "--kid", "00000000", "--out", out, text="6\n")
    assert result.exit_code == 1
    assert "version 7 was not signed" in result.stderr
    assert not out.exists()


def test_sign_with_a_key_of_another_purpose_or_environment_isrefused(tmp_path: Path) -> None:
    """An issuer's key cannot sign a list, and a test root cannot sign for production (C47)."""
    machine = Machine(tmp_path / "machine")
    production, test, out = tmp_path / "production", tmp_path / "test", tmp_path / "part"
    production.write_bytes(generate.PAYLOAD)
    result = machine.run(
        "trust", "sign", production, "--kid", machine.new_key("trust-root"), "--out", out,
        text="7\n",
    )  # fmt: skip
    assert "a test root cannot sign for production" in result.stderr
    roots = replace(generate.ROOTS, environment=Environment.TEST)
    test.write_bytes(encode_trust_list(replace(generate.LIST, roots=roots)))
    result = machine.run(
        "trust", "sign", test, "--kid", machine.new_key("code"), "--out", out, text="7\n"
    )
    assert "is for code, not for trust-root" in result.stderr
    assert not out.exists()


def test_source_that_show_prints_drafts_the_same_list(machine: Machine, tmp_path: Path) -> None:
    """show --json and draft are each other's inverse, for every list that is accepted."""
    for number, vector in enumerate(generate.vectors()):
        if vector.expect != "accepted":
            continue
        signed, source, draft = (tmp_path / f"{number}.{end}" for end in ("cbor", "json", "draft"))
        signed.write_bytes(vector.data)
        source.write_text(machine.do("trust", "show", signed, "--json"))
        machine.do("trust", "draft", source, "--out", draft)
        assert vector.data.find(draft.read_bytes()) > 0


def test_show_names_everything_that_the_list_says(machine: Machine, tmp_path: Path) -> None:
    """A person reads every key, range, address, time and withdrawal; changes stand apart."""
    new, old, roots = tmp_path / "new", tmp_path / "old", tmp_path / "roots"
    new.write_bytes(generate.GOOD)
    changed = replace(
        generate.OLDER,
        issuers=(generate.SHAANXI, generate.YANAN, replace(generate.ANKANG, ending=None)),
        policies=generate.POLICIES[:1],
        withdrawn=frozenset({b"\0\0\0\1"}),
    )
    old.write_bytes(generate.signed(changed))
    text = machine.do("trust", "show", new)
    for key in (
        *generate.ROOTS.keys,
        *(k.public_key for i in generate.LIST.issuers for k in i.keys),
    ):
        assert key.hex() in text
        assert kid(key).hex() in text
    for issuer in generate.LIST.issuers:
        assert issuer.status_base in text
        assert f"{issuer.first_list} to {issuer.last_list}" in text
    for policy in generate.POLICIES:
        assert f"policy {policy.name} from version {policy.version}" in text
        assert policy.digest.hex() in text.replace(" ", "")
    assert "00000001 00000002" in text
    assert "no signature was verified" in text
    changes = machine.do("trust", "diff", old, new)
    assert changes.startswith("Changes since version 6:\n")
    assert "+ 230000: 230000 黑龙江省 Heilongjiang" in changes
    assert "+ withdrawn 00000002" in changes
    assert "+ policy shaanxi-2020-12 from version 1" in changes
    assert (
        "+ 610900: ENDS 2020-12-19T16:00:00Z, its codes count until 2020-12-27T16:00:00Z, "
        "then those of 610000" in changes
    )
    assert "610000:" not in changes
    assert "610600:" not in changes
    assert "risk-table" not in changes
    roots.write_bytes(encode_roots(generate.ROOTS))
    assert "epoch 1, 3 of 5 must sign" in machine.do("trust", "show", roots)


def test_verify_says_each_refusal_in_one_line(machine: Machine, tmp_path: Path) -> None:
    """Every vector that is refused is refused by the command too, in one line, without a trace."""
    for number, vector in enumerate(generate.vectors()):
        files = [tmp_path / f"{number}.{end}" for end in ("data", "roots", "held")]
        files[0].write_bytes(vector.data)
        files[1].write_bytes(encode_roots(vector.roots))
        arguments: list[object] = [files[0], "--roots", files[1]]
        if vector.held is not None:
            files[2].write_bytes(vector.held)
            arguments += ["--held", files[2]]
        at = format_time(vector.now)
        result = machine.run("trust", "verify", *arguments, "--at", at)
        if vector.expect == "accepted" and vector.name != generate.ASKS_ROOTS_ABOUT_HELD:
            assert result.exit_code == 0, (vector.name, result.output)
        else:
            refused(result)


def test_keys_walk_through_their_states(machine: Machine) -> None:
    """new, activate, suspend, retire, compromise, destroy: each is written down and shown."""
    name = machine.new_key("code")
    for command, state in (
        ("suspend", "suspended"),
        ("activate", "active"),
        ("retire", "deactivated"),
        ("compromise", "compromised"),
    ):
        told = machine.do("keys", command, name)
        assert state in told
        assert (f'add "{name}" to "withdrawn"' in told) == (command == "compromise")
        assert state in machine.do("keys", "list")
    assert "cannot become active" in refused(machine.run("keys", "activate", name))
    kept = machine.run("keys", "destroy", name, text="n\n")
    assert kept.exit_code == 1
    assert "compromised" in machine.do("keys", "list")
    assert "destroyed" in machine.do("keys", "destroy", name, "--yes")


def test_export_of_a_compromised_or_destroyed_key_is_refused(
    machine: Machine, tmp_path: Path
) -> None:
    """A record says nothing of a key's state, and would put it back on a list."""
    name, out = machine.new_key("code"), tmp_path / "record.json"
    for command in (("compromise", name), ("destroy", name, "--yes")):
        machine.do("keys", *command)
        said = refused(machine.run("keys", "export-public", name, "--out", out))
        assert "no list may name it" in said
        assert not out.exists()


def test_export_of_a_cose_key_is_the_published_form(machine: Machine, tmp_path: Path) -> None:
    """The bare COSE_Key has the kid as the beginning of its SHA-256."""
    name = machine.new_key("code")
    out = tmp_path / "key.cosekey"
    machine.do("keys", "export-public", name, "--format", "cose", "--out", out)
    assert hashlib.sha256(out.read_bytes()).hexdigest()[:8] == name


def test_init_makes_a_store_that_only_its_passphrase_opens(tmp_path: Path) -> None:
    """The store opens with the passphrase typed twice; short ones are not taken."""
    runner = CliRunner()
    folder = tmp_path / "store"
    base = ["--store", str(folder), "init", "--environment", "test", "--strength", "interactive"]
    short = runner.invoke(cli.keys, base, input="short\nshort\n")
    assert "at least 12" in short.stderr
    assert not folder.exists()
    made = runner.invoke(cli.keys, base, input=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    assert made.exit_code == 0, made.output
    assert PASSPHRASE not in made.output
    opened = runner.invoke(cli.keys, ["--store", str(folder), "list"], input=f"{PASSPHRASE}\n")
    assert opened.exit_code == 0
    wrong = runner.invoke(cli.keys, ["--store", str(folder), "list"], input="something else\n")
    assert wrong.exit_code == 1
    assert "the passphrase is wrong" in wrong.stderr


def test_store_that_is_not_there_is_named_before_a_passphrase_is_asked_for(tmp_path: Path) -> None:
    """Nobody types a secret for nothing."""
    result = CliRunner().invoke(cli.keys, ["--store", str(tmp_path / "s"), "list"])
    assert result.exit_code == 1
    assert "Passphrase" not in result.output
    assert "no keystore at" in result.stderr


def test_strength_below_interactive_cannot_be_asked_for(tmp_path: Path) -> None:
    """No option makes a store that is cheaper to guess than libsodium's INTERACTIVE."""
    result = CliRunner().invoke(
        cli.keys,
        ["--store", str(tmp_path / "s"), "init", "--environment", "test", "--strength", "min"],
    )
    assert result.exit_code == 2
    assert all(
        ops >= sealing.INTERACTIVE_OPS and mem >= sealing.INTERACTIVE_MEM
        for ops, mem in cli._STRENGTHS.values()
    )


def test_passphrase_file_that_others_can_read_isrefused(machine: Machine) -> None:
    """A passphrase in a file is as private as the keys."""
    (machine.folder / "passphrase").chmod(0o644)
    assert "open to other users" in refused(machine.run("keys", "list"))


def test_passphrase_file_that_is_no_text_is_refused_without_a_byte_of_it(machine: Machine) -> None:
    """An error about a passphrase shows nothing of it: neither a byte nor its length."""
    (machine.folder / "passphrase").write_bytes(b"correct horse \xe9 staple")
    said = refused(machine.run("keys", "list"))
    assert "UTF-8" in said
    assert "e9" not in said.replace(str(machine.folder), "")
    assert "14" not in said.replace(str(machine.folder), "")


def test_passphrase_typed_in_another_charset_is_refused_without_a_byte_of_it(
    machine: Machine,
) -> None:
    """What a keyboard sends that is no UTF-8 does not come back in the error either."""
    arguments = ["--store", str(machine.folder / "keystore"), "list"]
    result = CliRunner().invoke(cli.keys, arguments, input=b"secret\xa1abc\n")
    assert result.exit_code == 1
    assert "not in UTF-8" in result.stderr
    assert "0xa1" not in result.output
    assert "position" not in result.output


def test_machine_without_the_memory_that_argon2id_asks_for_says_so(tmp_path: Path) -> None:
    """A store of the strongest kind on a small machine is one line, not a traceback."""
    passphrase = tmp_path / "passphrase"
    passphrase.touch(0o600)
    passphrase.write_text(PASSPHRASE)
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29)); "
        "from keys.cli import keys; keys()"
    )
    done = subprocess.run(
        [
            sys.executable, "-c", code, "--store", tmp_path / "keystore", "--passphrase-file",
            passphrase, "init", "--environment", "test", "--strength", "sensitive",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: opening this keystore takes 1024 MiB of memory\n"


def test_file_that_could_not_be_written_whole_is_not_there(tmp_path: Path) -> None:
    """After a full disk the same command can be given again, and nobody carries half a file."""
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)); "
        "from pathlib import Path; from keys.arguments import write_new; "
        "write_new(Path('out'), bytes(20))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env={"PYTHONPATH": str(Path(cli.__file__).parents[1])}, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert "File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "\x1b[2Jx"])
def test_record_of_a_name_that_no_file_has_is_refused(
    machine: Machine, tmp_path: Path, name: str
) -> None:
    """A source names files; it opens nothing else and writes nothing on the terminal."""
    roots, out = tmp_path / "roots", tmp_path / "draft"
    roots.write_bytes(encode_roots(generate.ROOTS))
    source = _source(tmp_path, roots, [name])
    said = refused(machine.run("trust", "draft", source, "--out", out))
    assert "record is not the name of a file" in said


def test_disk_that_is_full_is_said_without_a_file_that_is_none(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system names no file when a write fails."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    name = machine.new_key("code")
    monkeypatch.setattr(cli, "write_new", full)
    said = refused(machine.run("keys", "export-public", name, "--out", tmp_path / "out"))
    assert "No space left" in said
    assert "None" not in said


def test_out_never_writes_over_a_file(machine: Machine, tmp_path: Path) -> None:
    """What somebody may have signed already is not replaced."""
    name = machine.new_key("code")
    out = tmp_path / "record.json"
    out.write_text("mine")
    result = machine.run("keys", "export-public", name, "--out", out)
    assert "File exists" in refused(result)
    assert out.read_text() == "mine"


def _ending(successor: str) -> dict[str, object]:
    return {"successor": successor, "ends_at": FROM, "grace_until": FROM}


def _city(ending: object) -> dict[str, object]:
    """Yan'an in a source, with this ending."""
    return {
        "region": "610600",
        "name_zh": "延安市",
        "name_en": "Yan'an",
        "status_base": "https://yanan.example/status/",
        "first_list": 1000,
        "last_list": 1009,
        "contact": "appeals@yanan.example",
        "keys": [],
        "ending": ending,
    }


SOURCE_DEFECTS: dict[str, tuple[dict[str, object], str]] = {
    "unknown-name": ({"colour": "green"}, "'colour' is not a known name"),
    "version-text": ({"version": "1"}, "version is not a whole number"),
    "version-true": ({"version": True}, "version is not a whole number"),
    "time-without-zone": ({"issued_at": "2020-12-12T16:00:00"}, "is not a time like"),
    "time-30-february": ({"issued_at": "2020-02-30T16:00:00Z"}, "does not exist"),
    "time-arabic-digits": ({"issued_at": "٢٠٢٠-12-12T16:00:00Z"}, "is not a time like"),
    "withdrawn-not-hex": ({"withdrawn": ["0000000G"]}, "withdrawn is not 4 bytes"),
    "withdrawn-upper-case": ({"withdrawn": ["0000000A"]}, "withdrawn is not 4 bytes"),
    "issuers-not-a-list": ({"issuers": {}}, "issuers is not an array"),
    "roots-missing": ({"roots": {}}, "epoch is missing"),
    "policy-without-sha256": (
        {"policies": [{"name": "risk-table", "version": 1}]},
        "sha256 is missing",
    ),
    "policy-short-sha256": (
        {"policies": [{"name": "risk-table", "version": 1, "sha256": "00"}]},
        "sha256 is not 32 bytes",
    ),
    "policy-name": (
        {"policies": [{"name": "Risk table", "version": 1, "sha256": "00" * 32}]},
        "lower-case words",
    ),
    "policies-not-a-list": ({"policies": {}}, "policies is not an array"),
    **{
        f"ending-{name}": ({"issuers": [_city(ending)]}, message)
        for name, ending, message in (
            ("without-grace", {"successor": "610000", "ends_at": FROM}, "grace_until is missing"),
            ("a-text", "610000", "this is not an object"),
            ("unlisted", _ending("620000"), "ends in favour of 620000, which is not listed"),
            ("itself", _ending("610600"), "ends in favour of 610600, which is not listed"),
            ("backwards", _ending("610000") | {"ends_at": UNTIL}, "over before the end"),
            ("not-a-time", _ending("610000") | {"ends_at": "soon"}, "is not a time like"),
        )
    },
    "ends-too-early": ({"not_after": "2020-12-13T00:00:00Z"}, "not in this order"),
}


@pytest.mark.parametrize(("changes", "message"), SOURCE_DEFECTS.values(), ids=SOURCE_DEFECTS.keys())
def test_draft_from_a_source_with_a_defect_says_where(
    machine: Machine, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    """A mistake in the source is named in one line, and no draft is written."""
    roots, out = tmp_path / "roots", tmp_path / "draft"
    roots.write_bytes(encode_roots(generate.ROOTS))
    source = _source(tmp_path, roots, [], changes)
    assert message in refused(machine.run("trust", "draft", source, "--out", out))
    assert not out.exists()


def test_draft_with_a_record_of_another_region_or_environment_isrefused(
    machine: Machine, tmp_path: Path
) -> None:
    """A key goes only onto the list that it was made for (C47)."""
    roots, out = tmp_path / "roots", tmp_path / "draft"
    roots.write_bytes(encode_roots(generate.ROOTS))
    machine.export(machine.new_key("code", "230000"), tmp_path / "other.json")
    machine.export(machine.new_key("code"), tmp_path / "own.json")
    source = _source(tmp_path, roots, ["other.json"])
    assert "a key of region 230000" in refused(machine.run("trust", "draft", source, "--out", out))
    source.write_text(
        _source(tmp_path, roots, ["own.json"]).read_text().replace('"test"', '"production"')
    )
    assert "a test key on a production list" in refused(
        machine.run("trust", "draft", source, "--out", out)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"version": 1, "version": 2}', "stands twice"),
        ('{"version": NaN}', "not a JSON number"),
        ("[]", "this is not an object"),
        ("\xff", "codec can't decode"),
    ],
    ids=["empty", "deep", "duplicate", "nan", "array", "charset"],
)
def test_draft_from_something_else_than_a_source_says_so(
    machine: Machine, tmp_path: Path, text: str, message: str
) -> None:
    """Files that are no source at all give one line too."""
    source, out = tmp_path / "source.json", tmp_path / "draft"
    source.write_text(text, encoding="latin-1")
    assert message in refused(machine.run("trust", "draft", source, "--out", out))


def test_record_whose_kid_is_not_the_keys_isrefused(machine: Machine, tmp_path: Path) -> None:
    """The kid in a record is for people to compare; it must be the key's own."""
    record, out = tmp_path / "record.json", tmp_path / "roots"
    name = machine.new_key("trust-root")
    record.write_text(machine.export(name, tmp_path / "r").read_text().replace(name, "00000000"))
    result = machine.run("trust", "roots", record, "--epoch", 1, "--threshold", 1, "--out", out)
    assert f"the key's own is {name}" in refused(result)


@pytest.mark.parametrize("command", ["keys", "trust"])
def test_help_of_every_command_tells_what_it_does(machine: Machine, command: str) -> None:
    """Each command has a sentence, and each of its options too."""
    group = GROUPS[command]
    assert group.help
    for name, sub in group.commands.items():
        assert sub.help, name
        assert sub.help.split("\n")[0] in " ".join(machine.do(command, name, "--help").split())
        for option in sub.params:
            assert isinstance(option, click.Argument) or getattr(option, "help", None), option.name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new", "--purpose", "code", "--region", "610000", "--until", "tomorrow"], "not a time"),
        (["new", "--purpose", "code", "--region", "61", "--until", UNTIL], "six digits"),
        (["new", "--purpose", "code", "--region", "610000", "--until", FROM], "window"),
        (["rotate", "--region", "61x000", "--trust", "."], "six digits"),
        (["activate", "0000000G"], "lower-case hex"),
        (["activate", "00"], "lower-case hex"),
        (["new", "--purpose", "all", "--region", "610000", "--until", UNTIL], "'all' is not one"),
    ],
    ids=["time", "region", "window", "rotated-region", "kid", "short-kid", "purpose"],
)
def test_wrong_call_exits_with_2_and_says_what_is_wrong(
    machine: Machine, arguments: list[str], message: str
) -> None:
    """A wrong call is told from a refusal by its exit code."""
    result = machine.run("keys", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_roots_of_records_that_share_a_name_are_all_there(machine: Machine, tmp_path: Path) -> None:
    """Each holder may call the file alike: none of them is dropped without a word."""
    records = []
    for holder in ("a", "b", "c"):
        (tmp_path / holder).mkdir()
        record = tmp_path / holder / "root.json"
        records.append(machine.export(machine.new_key("trust-root", "100000"), record))
    out = tmp_path / "roots.cbor"
    machine.do("trust", "roots", *records, "--epoch", 1, "--threshold", 1, "--out", out)
    assert len(decode_roots(out.read_bytes()).keys) == 3


def test_roots_of_another_purpose_or_of_two_environments_arerefused(
    machine: Machine, tmp_path: Path
) -> None:
    """Only roots of one environment make a file of roots."""
    out = tmp_path / "roots"
    code = machine.export(machine.new_key("code"), tmp_path / "code.json")
    root = machine.export(machine.new_key("trust-root"), tmp_path / "root.json")
    end = ["--epoch", 1, "--threshold", 1, "--out", out]
    assert "for code, not for trust-root" in refused(machine.run("trust", "roots", code, *end))
    other = machine.export(machine.new_key("trust-root"), tmp_path / "other.json")
    other.write_text(other.read_text().replace('"test"', '"production"'))
    assert "different environments" in refused(machine.run("trust", "roots", root, other, *end))
    other.write_text(other.read_text().replace('"production"', '"demo"'))
    assert "not one of production, test" in refused(
        machine.run("trust", "roots", root, other, *end)
    )
    weak = json.loads(root.read_text()) | {"public_key": "00" * 32}
    other.write_text(json.dumps(weak))
    assert "main subgroup" in refused(machine.run("trust", "roots", other, *end))
    assert not out.exists()


def test_times_survive_from_the_first_second_to_the_last() -> None:
    """What is printed can be typed again; instants that no one can write are numbers."""
    for at in (0, 951_782_400, 1_607_788_800, 253_402_300_799):
        assert parse_time(format_time(at)) == at
    assert format_time(253_402_300_800) == "253402300800"
    with pytest.raises(SourceFileError, match="before 1970"):
        parse_time("1969-12-31T23:59:59Z")


def test_keys_in_a_token_live_their_life_by_the_same_commands(machine: Machine, hsm: Hsm) -> None:
    """New, active, exported, stopped, destroyed: the keystore lists a token's keys as well."""
    place = hsm.new_token()
    token = ("keys", "--token", place.label, "--module", place.module, "--pin-file", place.pin_file)
    own = machine.new_key("status")
    made = machine.do(
        *token, "new", "--purpose", "code", "--region", "610000", "--from", FROM, "--until", UNTIL
    )
    assert machine.do(*token, "list") == made
    assert {line[:8] for line in machine.do("keys", "list").splitlines()} == {own, made[:8]}
    assert "active" in machine.do(*token, "activate", made[:8])
    machine.do(*token, "export-public", made[:8], "--out", machine.folder / "record")
    assert json.loads((machine.folder / "record").read_text())["kid"] == made[:8]
    assert "suspended" in machine.do("keys", "suspend", made[:8])
    assert "is in the token" in refused(machine.run("keys", "destroy", made[:8], "--yes"))
    assert "destroyed" in machine.do(*token, "destroy", made[:8], "--yes")
    assert own in refused(machine.run(*token, "retire", own))


def test_keys_with_half_a_token_is_a_wrong_call(machine: Machine, hsm: Hsm) -> None:
    """A token without its module or PIN is not passed over for the keystore."""
    place = hsm.new_token()
    half = machine.run("keys", "--token", place.label, "--pin-file", place.pin_file, "list")
    assert half.exit_code == 2
    assert "go together" in half.stderr


def test_keys_with_a_token_that_refuses_says_why_in_one_line(machine: Machine, hsm: Hsm) -> None:
    """A wrong PIN, and a token that is not there."""
    place = hsm.new_token()
    rest = ("--module", place.module, "--pin-file", place.pin_file, "list")
    assert "has no token 'other'" in refused(machine.run("keys", "--token", "other", *rest))
    place.pin_file.write_text("wrong\n")
    assert "is wrong" in refused(machine.run("keys", "--token", place.label, *rest))


def test_rotate_makes_keys_writes_their_records_and_does_nothing_the_second_time(
    machine: Machine, tmp_path: Path
) -> None:
    """From a timer: the first run says what to carry, every other run says it again and no more."""
    out = tmp_path / "carry"
    asked = [
        "rotate", "--region", "610000", "--trust", tmp_path / "trust", "--days", 2, "--shards", 2,
        "--spares", 1, "--out", out,
    ]  # fmt: skip
    first = machine.do("keys", *asked).splitlines()
    made = [line for line in first if line.startswith("made ")]
    assert len(made) == 3 * 2 + 1
    records = sorted(path.read_text() for path in out.iterdir())
    second = machine.do("keys", *asked).splitlines()
    assert second == [line for line in first if line.startswith("list it ")]
    assert len(second) == len(made)
    assert sorted(path.read_text() for path in out.iterdir()) == records
    for info in machine.store.held():
        record = json.loads((out / f"{info.kid.hex()}.json").read_text())
        assert record["not_before"] == format_time(info.not_before)
        assert record["not_after"] == format_time(info.not_after)


def test_rotate_activates_what_the_list_held_names_and_names_what_leaves_it(
    machine: Machine, tmp_path: Path
) -> None:
    """Records go out, a list comes back, keys of today begin; a stolen one is to be withdrawn."""
    folder, out = tmp_path / "trust", tmp_path / "carry"
    folder.mkdir()
    asked = [
        "rotate", "--region", "610000", "--trust", folder, "--days", 2, "--shards", 2, "--spares",
        1, "--out", out,
    ]  # fmt: skip
    machine.do("keys", *asked)
    root = machine.new_key("trust-root", "100000")
    roots = folder / "roots.cbor"
    record = machine.export(root, tmp_path / "root.json")
    machine.do("trust", "roots", record, "--epoch", 1, "--threshold", 1, "--out", roots)
    now = int(time.time())
    times: dict[str, object] = {
        "issued_at": format_time(now), "next_update": format_time(now + 86_400),
        "not_after": format_time(now + 20 * 86_400),
    }  # fmt: skip
    names = sorted(path.name for path in out.iterdir())
    source = _source(out, roots, names, times)
    draft, part = tmp_path / "draft.cbor", tmp_path / "part"
    machine.do("trust", "draft", source, "--out", draft)
    machine.do("trust", "sign", draft, "--kid", root, "--out", part, text="1\n")
    made = folder / "trust-list.cbor"
    machine.do("trust", "combine", part, "--roots", roots, "--out", made)
    moved = [line.split() for line in machine.do("keys", *asked).splitlines()]
    assert len(moved) in {2, 4}  # in the last hour of a day the next day's keys as well
    assert {(line[0], line[4]) for line in moved} == {("moved", "active")}
    machine.do("keys", "compromise", moved[0][1])
    lines = [line.split() for line in machine.do("keys", *asked).splitlines()]
    assert ["withdraw", moved[0][1]] in [line[:2] for line in lines]
    assert [line[4] for line in lines if line[0] == "moved"] == ["active"]  # the spare one


def test_rotate_that_would_fill_the_trust_list_is_a_wrong_call(
    machine: Machine, tmp_path: Path
) -> None:
    """More keys than fit are refused before one is made."""
    result = machine.run(
        "keys", "rotate", "--region", "610000", "--trust", tmp_path, "--shards", 30
    )
    assert result.exit_code == 2
    assert "at most 90 may be" in result.stderr
    assert machine.store.held() == ()


def test_rotate_for_a_region_that_the_keystore_has_no_key_of_is_refused(
    machine: Machine, tmp_path: Path
) -> None:
    """A slip in CELADON_REGION does not fill an issuer's keystore with another region's keys."""
    machine.new_key("status", "610000")
    before = machine.store.held()
    result = machine.run("keys", "rotate", "--region", "620000", "--trust", tmp_path)
    assert "keys of 610000 and none of 620000" in refused(result)
    assert machine.store.held() == before


def test_rotate_under_a_list_that_the_roots_did_not_sign_does_nothing(
    machine: Machine, tmp_path: Path
) -> None:
    """A damaged list is an error in one line, and no key moves under it."""
    (tmp_path / "roots.cbor").write_bytes(encode_roots(generate.ROOTS))
    (tmp_path / "trust-list.cbor").write_bytes(generate.GOOD[:-1])
    refused(machine.run("keys", "rotate", "--region", "610000", "--trust", tmp_path))
    assert machine.store.held() == ()
