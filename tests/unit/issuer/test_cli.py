"""`celadon` makes an issuer and says in one line what is missing."""

import json
import os
import secrets
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from nacl import bindings

from issuer import opening
from issuer.cli import main
from issuer.colour.risk import shipped_risk_table, sign_risk_table
from issuer.people.outbox import LocalOutbox, code_message
from issuer.rules.rules import shipped_rules, sign_rules
from issuer.settings import SETTINGS
from issuer.storage.sealing import mac
from keys.lifecycle import KeyState, Purpose
from keys.sealing import MODERATE_MEM, MODERATE_OPS
from keys.signer import SeedSigner
from keys.trustlist import (
    ListedKey,
)
from tests.installation_support import hand_out, listed, opened_keystore, settings_below
from tests.issuing_support import NOW
from tests.token_support import Hsm

DAY_S = 86_400
RULES = "shaanxi-2020-12"


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings for an issuer that is not made yet, on 13 December 2020."""
    values = settings_below(tmp_path)
    for setting in SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(opening, "clock", lambda: NOW)
    return values


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def require_one_line(result: Result, code: int, *words: str) -> None:
    assert result.exit_code == code, result.output
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")
    for word in words:
        assert word in result.stderr


def database_file(environ: dict[str, str], name: str) -> Path:
    return Path(environ[f"CELADON_{name.upper()}_DATABASE"].removeprefix("sqlite:///"))


def database(environ: dict[str, str], name: str) -> sqlite3.Connection:
    return sqlite3.connect(database_file(environ, name))


def trust(environ: dict[str, str], *others: ListedKey, now: int = NOW) -> None:
    """What the keepers of the trust list do: list the issuer's keys, sign, hand out."""
    hand_out(Path(environ["CELADON_TRUST"]), listed(environ, *others), now=now)


def set_up(environ: dict[str, str]) -> None:
    """An issuer with keys and tables, on a trust list."""
    assert run("init").exit_code == 0
    trust(environ)


def test_publish_on_a_database_without_tables_says_so(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whichever of the two it is: one line, no traceback."""
    set_up(environ)
    for name in ("CELADON_ISSUER_DATABASE", "CELADON_AUDIT_DATABASE"):
        with monkeypatch.context() as other:
            other.setenv(name, f"sqlite:///{tmp_path}/empty.db")
            require_one_line(run("publish"), 1, "SQLITE_ERROR", "migrated")


def test_publish_without_a_database_server_says_what_cannot_be_reached(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A server that is down is not a missing migration, and there are two databases."""
    set_up(environ)
    for name in ("issuer", "audit"):
        with monkeypatch.context() as other:
            url = f"postgresql://celadon_{name}@/celadon_{name}?host={tmp_path}/{name}"
            other.setenv(f"CELADON_{name.upper()}_DATABASE", url)
            result = run("publish")
            require_one_line(result, 1, "cannot be reached", f"{tmp_path}/{name}")
            assert "migrated" not in result.stderr


def test_keystore_of_another_environment_is_refused(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys and lists that are made for a trial never serve as production, nor the other way."""
    run("init")
    trust(environ)
    assert run("adopt").exit_code == 0
    monkeypatch.setenv("CELADON_ENVIRONMENT", "production")
    result = run("publish")
    assert result.exit_code == 2
    assert [line.partition(", and ")[2] for line in result.stderr.splitlines()] == [
        "the keystore is for test",
        "the trust list is for test",
    ]


def test_trust_list_of_another_environment_is_refused(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever trusts the list of a trial would trust its roots."""
    monkeypatch.setenv("CELADON_ENVIRONMENT", "production")
    set_up(environ)
    require_one_line(run("adopt"), 2, "CELADON_ENVIRONMENT", "the trust list is for test")


@pytest.mark.parametrize("name", ["roots.cbor", "trust-list.cbor"])
def test_damaged_trust_folder_is_named(environ: dict[str, str], name: str) -> None:
    """What cannot be read is one of the files that the keepers gave."""
    run("init")
    trust(environ)
    (Path(environ["CELADON_TRUST"]) / name).write_bytes(b"damaged")
    for command in (("adopt",), ("keys", "rotate")):
        require_one_line(run(*command), 1, environ["CELADON_TRUST"])


def test_log_under_another_name_says_which_it_is(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip in the settings does not read like a forged log."""
    run("init")
    trust(environ)
    assert run("adopt").exit_code == 0
    monkeypatch.setenv("CELADON_LOG_ORIGIN", "celadon.example/61000")
    require_one_line(
        run("publish"), 1, "celadon.example/610000, not celadon.example/61000", "CELADON_LOG_ORIGIN"
    )


def test_help_names_every_command() -> None:
    """The first thing that an operator reads."""
    result = run("--help")
    assert result.exit_code == 0
    for command in (
        "init",
        "adopt",
        "risk",
        "notice",
        "publish",
        "replay",
        "serve",
        "outbox",
        "keys",
        "trust",
        "audit",
    ):
        assert f"\n  {command} " in result.output


def _groups(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _groups(command, *path, name)


@pytest.mark.parametrize("path", list(_groups(main)), ids=" ".join)
def test_help_of_a_group_says_what_each_command_does_on_one_whole_line(
    path: tuple[str, ...],
) -> None:
    """click cuts what does not fit, and a sentence without its end says little."""
    assert "..." not in run(*path, "--help").output.partition("Commands:")[2]


def _commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from _commands(command, *path, name)


@pytest.mark.parametrize("path", list(_commands(main)), ids=" ".join)
def test_help_of_every_command_needs_no_setting(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks how a command is called does not have to call it right first."""
    for name in [name for name in os.environ if name.startswith("CELADON_")]:
        monkeypatch.delenv(name)
    result = run(*path, "--help")
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_keys_without_a_keystore_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an option or by the environment."""
    monkeypatch.delenv("CELADON_KEYSTORE", raising=False)
    result = run("keys", "list")
    assert result.exit_code == 2
    assert "--store" in result.stderr
    assert "CELADON_KEYSTORE" in result.stderr


@pytest.mark.parametrize("command", ["init", "adopt", "publish", "serve", "outbox"])
def test_without_settings_every_missing_one_is_named(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing starts without settings, and one line names each that is missing."""
    for setting in SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)
    result = run(command)
    assert result.exit_code == 2
    required = [setting.variable for setting in SETTINGS if setting.default is None]
    lines = result.stderr.splitlines()
    assert len(lines) == len(required)
    for line, name in zip(lines, required, strict=True):
        assert line.startswith(f"error: {name} is not set")


@pytest.mark.usefixtures("environ")
def test_init_makes_private_keys_and_databases(tmp_path: Path) -> None:
    """One key for each purpose of an issuer; files that nobody else can reach; a next step."""
    result = run("init")
    assert result.exit_code == 0, result.output
    for purpose in (
        Purpose.CODE, Purpose.STATUS, Purpose.EVIDENCE, Purpose.RULES, Purpose.CHECKPOINT,
    ):  # fmt: skip
        assert purpose.value in result.output
    assert "celadon adopt" in result.output
    private = [*(tmp_path / "keystore").iterdir(), *(tmp_path / "private").glob("*.db")]
    assert len(private) > 7
    for path in private:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.usefixtures("environ")
def test_init_stretches_the_passphrase_by_moderate_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Demo and drills ask for less, because their passphrases are random; operators do not."""
    limits = []

    def noted(*arguments: object) -> bytes:
        limits.append(arguments[3:5])
        return bytes(32)

    monkeypatch.setattr(bindings, "crypto_pwhash_alg", noted)
    run("init")
    assert limits == [(MODERATE_OPS, MODERATE_MEM)]


def test_init_twice_is_refused(environ: dict[str, str]) -> None:
    """Keys are never overwritten."""
    assert run("init").exit_code == 0
    before = sorted(Path(environ["CELADON_KEYSTORE"]).iterdir())
    require_one_line(run("init"), 1, "not empty")
    assert sorted(Path(environ["CELADON_KEYSTORE"]).iterdir()) == before


def test_each_missing_step_is_one_line(environ: dict[str, str]) -> None:
    """Whoever forgets a step is told which."""
    require_one_line(run("serve"), 1, "no keystore")
    assert run("init").exit_code == 0
    require_one_line(run("serve"), 1, "roots.cbor", "CELADON_TRUST")
    trust(environ)
    require_one_line(run("publish"), 1, "celadon adopt")


@pytest.mark.parametrize(
    "arguments", [("nowhere-2020",), ("--risk-table", "nowhere")], ids=["rules", "risks"]
)
def test_adopt_what_is_not_shipped_says_so(
    environ: dict[str, str], arguments: tuple[str, ...]
) -> None:
    """A mistyped name is a wrong call, and no path inside our own installation."""
    run("init")
    trust(environ)
    result = run("adopt", *arguments)
    assert result.exit_code == 2
    assert "is not shipped" in result.stderr


def test_command_whose_reader_has_gone_ends_quietly() -> None:
    """`celadon drill --list | head -1` is no failure to talk about."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "issuer.cli", "drill", "--list"],
            stdout=gone, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, b"")


def test_adopt_rules_whose_end_has_come_is_refused(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules end by themselves: those of 2020 are not adopted years later."""
    set_up(environ)
    monkeypatch.setattr(opening, "clock", lambda: NOW + 400 * DAY_S)
    require_one_line(run("adopt"), 1, "sunset")


def test_adopt_takes_what_another_rules_key_of_the_trust_list_signed(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """A national rule set is one document: signed once, pinned by the list, adopted everywhere."""
    assert run("init").exit_code == 0
    other = SeedSigner(b"\x0a" * 32)
    trust(environ, ListedKey(other.public_key, Purpose.RULES, NOW - DAY_S, NOW + DAY_S))
    rules = tmp_path / "rules.cbor"
    rules.write_bytes(sign_rules(shipped_rules(RULES, now=NOW), other))
    risks = tmp_path / "risks.cbor"
    risks.write_bytes(sign_risk_table(shipped_risk_table("2020-12-13"), other))
    result = run("adopt", str(rules), "--risk-table", str(risks))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "public" / "rules" / f"{RULES}.cbor").read_bytes() == rules.read_bytes()
    assert (tmp_path / "public" / "risk-table.cbor").read_bytes() == risks.read_bytes()


def test_adopt_what_a_stranger_signed_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    """Rules count by the key that signed them, not by the file that holds them."""
    set_up(environ)
    rules = tmp_path / "rules.cbor"
    rules.write_bytes(sign_rules(shipped_rules(RULES, now=NOW), SeedSigner(b"\x0b" * 32)))
    require_one_line(run("adopt", str(rules)), 1, "not on the trust list for rules")
    require_one_line(run("adopt", str(tmp_path / "none.cbor")), 1, "No such file")


def test_wrong_passphrase_is_one_line(environ: dict[str, str]) -> None:
    """And it says so."""
    assert run("init").exit_code == 0
    Path(environ["CELADON_PASSPHRASE_FILE"]).write_text(secrets.token_hex())
    require_one_line(run("serve"), 1, "passphrase")


def _next_version(path: Path) -> Path:
    """The shipped rule set again, as its next version."""
    shipped = json.loads(resources.files("issuer").joinpath(f"rulesets/{RULES}.json").read_bytes())
    path.write_text(json.dumps({**shipped, "version": 2}))
    return path


def test_adopt_the_next_rules_keeps_the_risk_table_in_force(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Rules change while areas have risen: the table of the first day does not come back."""
    run("init")
    trust(environ)
    assert run("adopt").exit_code == 0
    assert run("risk", "610113", "medium").exit_code == 0
    result = run("adopt", str(_next_version(tmp_path / "next.json")))
    assert result.exit_code == 0, result.output
    assert f"in force: {RULES} version 2, risk table version 2" in result.output


def test_adopt_takes_both_or_neither(environ: dict[str, str], tmp_path: Path) -> None:
    """Where the risk table is refused, the rules of the same command are not in force."""
    run("init")
    trust(environ)
    run("adopt")
    run("risk", "610113", "medium")
    following = str(_next_version(tmp_path / "next.json"))
    refused = run("adopt", following, "--risk-table", "2020-12-13")
    require_one_line(refused, 1, "risk table version 1 does not follow version 2")
    assert f"in force: {RULES} version 1" in run("adopt").output


def test_adopt_and_publish_fill_the_public_folder(environ: dict[str, str], tmp_path: Path) -> None:
    """From nothing to a folder that venues can read."""
    set_up(environ)
    result = run("adopt")
    assert result.exit_code == 0, result.output
    assert run("publish").exit_code == 0
    published = {
        str(p.relative_to(tmp_path / "public")) for p in (tmp_path / "public").rglob("*.*")
    }
    assert {"trust-list.cbor", "risk-table.cbor", "log/proofs.json"} <= published
    assert "status/610000.snapshot" in published


def test_issuer_with_its_code_keys_in_a_token_needs_the_token(
    environ: dict[str, str], hsm: Hsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made in the token by `init`; without the setting, or the token, the issuer does not open."""
    place = hsm.new_token()
    uri = f"pkcs11:token={place.label}?module-path={place.module}&pin-source=file:{place.pin_file}"
    monkeypatch.setenv("CELADON_CODE_TOKEN", uri)
    set_up(environ)
    assert run("adopt").exit_code == 0
    monkeypatch.delenv("CELADON_CODE_TOKEN")
    require_one_line(run("publish"), 1, "is in the token")
    monkeypatch.setenv("CELADON_CODE_TOKEN", uri)
    assert run("publish").exit_code == 0
    hsm.take_out(place)
    require_one_line(run("publish"), 1, f"no token '{place.label}'")


def test_init_with_a_token_that_is_not_there_makes_no_keystore(
    environ: dict[str, str], hsm: Hsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`init` can be tried again when the token is there."""
    place = hsm.new_token()
    uri = f"pkcs11:token=nobody?module-path={place.module}&pin-source=file:{place.pin_file}"
    monkeypatch.setenv("CELADON_CODE_TOKEN", uri)
    require_one_line(run("init"), 1, "no token 'nobody'")
    assert not Path(environ["CELADON_KEYSTORE"]).exists()
    monkeypatch.setenv("CELADON_CODE_TOKEN", uri.replace("nobody", place.label))
    assert run("init").exit_code == 0


@pytest.mark.usefixtures("environ")
def test_outbox_of_nobody_is_empty() -> None:
    """No message, no line."""
    result = run("outbox")
    assert (result.exit_code, result.output) == (0, "")


def test_outbox_with_a_strangers_file_names_it(environ: dict[str, str]) -> None:
    """One line for the file that is no message, and all messages all the same."""
    outbox = LocalOutbox(Path(environ["CELADON_OUTBOX"]))
    outbox.deliver(code_message("+8613800138000", "012345", at=NOW, minutes=10))
    (Path(environ["CELADON_OUTBOX"]) / "a.json").write_text("{")
    result = run("outbox")
    assert "012345" in result.stdout
    require_one_line(result, 1, "a.json", "not a message of ours")


def test_risk_of_a_place_rises_and_is_published(environ: dict[str, str]) -> None:
    """One command signs the next table, adopts and publishes it; twice at once is refused."""
    run("init")
    trust(environ)
    run("adopt")
    published = Path(environ["CELADON_PUBLIC"]) / "risk-table.cbor"
    before = published.read_bytes()
    result = run("risk", "231081-yingze-lidu", "medium")
    assert result.exit_code == 0, result.output
    assert "迎泽丽都小区 is medium in risk table 2: 0 people looked at again" in result.output
    assert published.read_bytes() != before
    require_one_line(run("risk", "231081-yingze-lidu", "low"), 1, "at or after this instant")


def test_risk_of_a_place_without_a_name_is_refused(environ: dict[str, str]) -> None:
    """A typing error changes nothing."""
    run("init")
    trust(environ)
    run("adopt")
    require_one_line(run("risk", "231081-nowhere", "medium"), 1, "neither a division nor")


def test_notice_of_a_source_that_is_not_listed_is_refused(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """A file that no listed key signed is refused in one line."""
    run("init")
    trust(environ)
    run("adopt")
    file = tmp_path / "notice.cbor"
    file.write_bytes(b"not signed")
    require_one_line(run("notice", str(file)), 1, "notice:")


def test_replay_finds_nothing_in_what_the_issuer_wrote_and_everything_in_what_it_did_not(
    environ: dict[str, str],
) -> None:
    """Exit code 0 while the database is as the log says, 1 once a row was slipped in."""
    run("init")
    trust(environ)
    run("adopt")
    result = run("replay")
    assert (result.exit_code, result.output) == (0, "0 people, 0 codes, 0 findings\n")
    with closing(database(environ, "issuer")) as db:
        db.execute(
            "INSERT INTO evidence"
            " VALUES (?, ?, 'contact', 1, NULL, '', 'confirmed', 'ab', '610000', 1)",
            (bytes(16), bytes(16)),
        )
        db.commit()
    result = run("replay")
    assert result.exit_code == 1
    assert "DIFFERS: evidence" in result.output


def test_replay_writes_and_signs_nothing_whatever_is_due(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An auditor's copy stays one: a log that went on in two places would be forked."""
    run("init")
    trust(environ)
    run("adopt")
    monkeypatch.setattr(opening, "clock", lambda: NOW + 2 * DAY_S)  # when keys are due

    def state() -> tuple[list[bytes], list[object]]:
        keys = sorted(Path(environ["CELADON_KEYSTORE"]).iterdir())
        with closing(database(environ, "audit")) as db:
            return [key.read_bytes() for key in keys], list(db.execute("SELECT * FROM log_head"))

    before = state()
    assert run("replay").exit_code == 0
    assert state() == before
    run("publish")
    assert state() != before


def test_replay_names_what_differs_where_the_service_does_not_open(
    environ: dict[str, str],
) -> None:
    """One changed row stops the service; it must not keep an auditor from hearing of the others."""
    run("init")
    trust(environ)
    run("adopt")
    with closing(database(environ, "issuer")) as db:
        db.execute("UPDATE outbox SET tree_size = tree_size + 1")
        db.execute("UPDATE rule_set SET adopted_at = adopted_at + 1")
        db.commit()
    assert run("publish").exit_code == 1
    result = run("replay")
    assert result.exit_code == 1
    assert "DIFFERS: work: outbox row" in result.output
    assert f"DIFFERS: policy: rule set {RULES} version 1" in result.output


def test_replay_of_a_copy_runs_beside_a_public_folder_that_went_on(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was published since the copy was made is no reason to leave the copy unread."""
    run("init")
    trust(environ)
    run("adopt")
    for name in ("issuer", "audit"):
        with closing(database(environ, name)) as db:
            db.execute("VACUUM INTO ?", (str(tmp_path / f"{name}-copy.db"),))
    assert run("risk", "231081", "medium").exit_code == 0
    for name in ("issuer", "audit"):
        copy = tmp_path / f"{name}-copy.db"
        copy.chmod(0o600)
        monkeypatch.setenv(f"CELADON_{name.upper()}_DATABASE", f"sqlite:///{copy}")
    result = run("replay")
    assert (result.exit_code, result.output) == (0, "0 people, 0 codes, 0 findings\n")


def test_reconcile_agrees_with_the_log_and_fails_where_a_count_was_moved(
    environ: dict[str, str],
) -> None:
    """Exit code 0 while counts and log agree; 1 for a key that the log tells less of."""
    run("init")
    trust(environ)
    run("adopt")
    result = run("keys", "reconcile")
    assert (result.exit_code, result.output) == (0, "0 keys differ from the log\n")
    keystore = opened_keystore(environ)
    kid, tag = bytes(4), mac(keystore.secret("rows"), "code_key", (bytes(4), 3, 0, None))
    with closing(database(environ, "issuer")) as db:
        db.execute("INSERT INTO code_key VALUES (?, 3, 0, NULL, ?)", (kid, tag))
        db.commit()
    for _ in range(2):
        result = run("keys", "reconcile")
        assert result.exit_code == 1
        assert "DIFFERS: key 00000000: 3 codes counted, 0 in the log" in result.output


def _rules_of_today(now: int) -> str:
    """The shipped rules, in force since a month ago."""
    rules = json.loads(resources.files("issuer.rulesets").joinpath(f"{RULES}.json").read_text())
    for name, days in (("announced_at", -40), ("valid_from", -30), ("valid_until", 60)):
        moment = datetime.fromtimestamp(now + days * DAY_S, UTC).replace(microsecond=0)
        rules[name] = moment.isoformat()
    return json.dumps(rules, ensure_ascii=False)


def test_serve_answers_until_it_is_told_to_stop(environ: dict[str, str], tmp_path: Path) -> None:
    """The whole way with the real command and clock: init, adopt, serve, one request, stop."""
    now = int(time.time())
    rules = tmp_path / "rules.json"
    rules.write_text(_rules_of_today(now))
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    program = [sys.executable, "-m", "issuer.cli"]
    env = {**os.environ, **environ, "CELADON_LISTEN_PORT": str(port)}
    subprocess.run([*program, "init"], env=env, check=True)
    trust(environ, now=int(time.time()))
    subprocess.run([*program, "adopt", str(rules)], env=env, check=True)
    with subprocess.Popen(
        [*program, "serve"], env=env, stdout=subprocess.PIPE, text=True
    ) as served:
        assert served.stdout is not None
        line = json.loads(served.stdout.readline())
        assert (line["event"], line["port"]) == ("serving", port)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/health") as answer:
            assert json.load(answer) == {"status": "ok"}
        served.terminate()
        rest = served.stdout.read()
    assert served.returncode == 0
    assert '"route":"/api/v1/health"' in rest
    assert "error" not in rest


def _databases(environ: dict[str, str]) -> list[Path]:
    names = ("CELADON_ISSUER_DATABASE", "CELADON_AUDIT_DATABASE")
    return [Path(environ[name].removeprefix("sqlite:///")) for name in names]


def test_recover_makes_an_old_copy_safe_to_go_on_with(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before, refused under the log's old name, told what was done, and open afterwards."""
    set_up(environ)
    assert run("adopt").exit_code == 0
    for database in _databases(environ):
        with (
            closing(sqlite3.connect(database)) as there,
            closing(sqlite3.connect(tmp_path / database.name)) as copy,
        ):
            there.backup(copy)
    monkeypatch.setattr(opening, "clock", lambda: NOW + 60)
    require_one_line(run("recover"), 1, "nothing to recover")
    assert run("risk", "231081-yingze-lidu", "medium").exit_code == 0
    for database in _databases(environ):
        for suffix in ("-wal", "-shm"):
            Path(f"{database}{suffix}").unlink(missing_ok=True)
        database.write_bytes((tmp_path / database.name).read_bytes())
    monkeypatch.setattr(opening, "clock", lambda: NOW + 120)
    require_one_line(run("publish"), 1, "celadon recover")
    require_one_line(run("recover"), 1, "CELADON_LOG_ORIGIN=celadon.example/610000/2")
    monkeypatch.setenv("CELADON_LOG_ORIGIN", "celadon.example/610000/2")
    result = run("recover")
    assert result.exit_code == 0, result.output
    assert "log entries are lost" in result.output
    monkeypatch.setattr(opening, "clock", lambda: NOW + 180)
    assert run("publish").exit_code == 0
    result = run("risk", "231081-yingze-lidu", "low")
    assert "in risk table 3" in result.output, result.output


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "the checkpoint"), (b"celadon.example/610000\n1\n\n", "the checkpoint")],
    ids=["empty", "unsigned"],
)
def test_recover_with_something_else_than_a_checkpoint_is_one_line(
    environ: dict[str, str], tmp_path: Path, content: bytes, says: str
) -> None:
    """Nothing is done by a file that our log did not sign."""
    set_up(environ)
    assert run("adopt").exit_code == 0
    other = tmp_path / "other"
    other.write_bytes(content)
    require_one_line(run("recover", "--checkpoint", str(other)), 1, says)


def test_reissue_of_a_key_in_use_or_of_nobody_is_one_line(environ: dict[str, str]) -> None:
    """The operator is told to stop the key first; a mistyped kid does nothing."""
    set_up(environ)
    assert run("adopt").exit_code == 0
    keystore = opened_keystore(environ)
    infos = keystore.keys()
    kid = next(
        info.kid for info in infos if info.state is KeyState.ACTIVE and info.purpose is Purpose.CODE
    )
    require_one_line(run("reissue", kid.hex()), 1, "celadon keys compromise")
    require_one_line(run("reissue", "00000000"), 1, "00000000")
    assert run("reissue", "xyz").exit_code == 2
