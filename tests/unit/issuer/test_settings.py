"""The service starts with known, well-formed, safe settings, or says all that is wrong."""

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from issuer.settings import SETTINGS, SettingsError, from_env, read_passphrase
from keys.arguments import ask_passphrase
from keys.keyring import TokenPlace

ROOT = Path(__file__).parents[3]
CANARY = "hunter2-wang-xiulan"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The smallest set of settings that starts."""
    for folder in ("keystore", "outbox"):
        (tmp_path / folder).mkdir(mode=0o700)
    (tmp_path / "public").mkdir()
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(secrets.token_hex() + "\n")
    passphrase.chmod(0o600)
    return {
        "PATH": "/usr/bin",
        "CELADON_ENVIRONMENT": "test",
        "CELADON_REGION": "610000",
        "CELADON_LOG_ORIGIN": "celadon.example/610000",
        "CELADON_ISSUER_DATABASE": f"sqlite:///{tmp_path}/issuer.sqlite",
        "CELADON_AUDIT_DATABASE": f"sqlite:///{tmp_path}/audit.sqlite",
        "CELADON_KEYSTORE": str(tmp_path / "keystore"),
        "CELADON_PASSPHRASE_FILE": str(passphrase),
        "CELADON_TRUST": str(tmp_path / "trust"),
        "CELADON_PUBLIC": str(tmp_path / "public"),
        "CELADON_OUTBOX": str(tmp_path / "outbox"),
    }


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        from_env(environ)
    assert str(caught.value).splitlines() == list(caught.value.problems)
    return caught.value.problems


def test_from_env_smallest_set_has_the_documented_defaults(environ: dict[str, str]) -> None:
    """What is not set has the default of its row; variables of others are passed over."""
    settings = from_env(environ)
    assert settings.environment == "test"
    assert (settings.listen_host, settings.listen_port) == ("127.0.0.1", 8080)
    assert settings.behind_proxy is False
    assert settings.session_s == 30 * 86_400


def test_settings_shown_show_no_database_url(environ: dict[str, str]) -> None:
    """A settings object in a traceback tells nobody where the databases are."""
    assert "sqlite" not in repr(from_env(environ))


@pytest.mark.parametrize(
    "setting", [s for s in SETTINGS if s.default is None], ids=lambda s: s.name
)
def test_from_env_without_a_needed_one_names_it(environ: dict[str, str], setting: object) -> None:
    """Each setting without default is needed."""
    variable: str = setting.variable  # type: ignore[attr-defined]
    del environ[variable]
    (problem,) = problems(environ)
    assert problem.startswith(f"{variable} is not set")


def test_from_env_unknown_name_is_refused_with_the_nearest(environ: dict[str, str]) -> None:
    """A misspelt setting does not silently become its default."""
    environ["CELADON_LISTEN_PROT"] = "80"
    assert problems(environ) == (
        "CELADON_LISTEN_PROT is not a setting; did you mean CELADON_LISTEN_PORT?",
    )


def test_from_env_settings_of_a_door_are_passed_over(environ: dict[str, str]) -> None:
    """One environment may hold the settings of both processes; each checks its own."""
    assert from_env({**environ, "CELADON_VERIFY_LISTS": "/srv/lists"}) == from_env(environ)


def test_from_env_unknown_name_with_control_characters_stays_one_line(
    environ: dict[str, str],
) -> None:
    """A name cannot forge a second line."""
    environ["CELADON_X\nCELADON_REGION is fine\u2028\x1b[2J"] = ""
    (problem,) = problems(environ)
    assert problem.isprintable()
    assert len(problem) < 200


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CELADON_ENVIRONMENT", "prod"),
        ("CELADON_REGION", "61000"),
        ("CELADON_REGION", "６１００００"),  # noqa: RUF001 - full-width digits
        ("CELADON_LOG_ORIGIN", "two words"),
        ("CELADON_LISTEN_HOST", "localhost"),
        ("CELADON_LISTEN_PORT", "0"),
        ("CELADON_LISTEN_PORT", "65536"),
        ("CELADON_LISTEN_PORT", "8_080"),
        ("CELADON_LISTEN_PORT", " 8080"),
        ("CELADON_LISTEN_PORT", "٨٠٨٠"),
        ("CELADON_BEHIND_PROXY", "true"),
        ("CELADON_SESSION_S", "299"),
        ("CELADON_SESSION_S", "7776001"),
        ("CELADON_SESSION_S", "1e6"),
        ("CELADON_KEYSTORE", "keystore"),
        ("CELADON_PUBLIC", "/srv/../etc"),
        ("CELADON_OUTBOX", ""),
        ("CELADON_ISSUER_DATABASE", "sqlite://"),
        ("CELADON_ISSUER_DATABASE", "sqlite:///issuer.sqlite"),
        ("CELADON_ISSUER_DATABASE", "sqlite:////srv/i.sqlite?mode=memory"),
        ("CELADON_ISSUER_DATABASE", "mysql://issuer@db/issuer"),
        ("CELADON_ISSUER_DATABASE", f"postgresql+psycopg://issuer:{CANARY}@db/issuer"),
        ("CELADON_ISSUER_DATABASE", f"postgresql+psycopg://issuer@db/issuer?password={CANARY}"),
        ("CELADON_ISSUER_DATABASE", "postgresql+psycopg://db/issuer"),
        ("CELADON_ISSUER_DATABASE", CANARY),
        ("CELADON_CODE_TOKEN", ""),
        ("CELADON_CODE_TOKEN", "pkcs11:token=hsm"),
        ("CELADON_CODE_TOKEN", "pkcs11:token=hsm?module-path=hsm.so&pin-source=file:/pin"),
        ("CELADON_CODE_TOKEN", "pkcs11:token=hsm?module-path=/hsm.so&pin-source=file:pin"),
        ("CELADON_CODE_TOKEN", "pkcs11:token=hsm?module-path=/a/%2E%2E/hsm.so&pin-source=file:/p"),
        ("CELADON_CODE_TOKEN", f"pkcs11:token=hsm?module-path=/hsm.so&pin-value={CANARY}"),
    ],
)
def test_from_env_malformed_value_is_refused_and_not_repeated(
    environ: dict[str, str], variable: str, value: str
) -> None:
    """Each form is checked, and no message contains a value."""
    environ[variable] = value
    (problem,) = problems(environ)
    assert problem.startswith(f"{variable} is malformed: expected ")
    assert CANARY not in problem


def test_from_env_reads_where_a_token_is(environ: dict[str, str], tmp_path: Path) -> None:
    """A PKCS#11 URI names label, module and PIN file; its escapes are undone."""
    environ["CELADON_CODE_TOKEN"] = (
        f"pkcs11:token=code%20keys?module-path=/usr/lib/hsm.so&pin-source=file:{tmp_path}/the%26pin"
    )
    assert from_env(environ).code_token == TokenPlace(
        Path("/usr/lib/hsm.so"), "code keys", tmp_path / "the&pin"
    )


def test_from_env_token_with_a_pin_that_others_can_read_is_refused(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """The mode of a PIN's file is looked at before anything starts."""
    pin_file = tmp_path / "pin"
    pin_file.touch()
    pin_file.chmod(0o640)
    environ["CELADON_CODE_TOKEN"] = f"pkcs11:token=a?module-path=/a.so&pin-source=file:{pin_file}"
    (problem,) = problems(environ)
    assert problem.startswith("CELADON_CODE_TOKEN can be reached by other users")


def open_to_all(folder: Path) -> None:
    folder.chmod(0o755)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda e, _: e.update(CELADON_LISTEN_HOST="0.0.0.0"),  # noqa: S104 - it is refused
            "CELADON_LISTEN_HOST is open to others",
        ),
        (
            lambda e, _: e.update(CELADON_LISTEN_HOST="::"),
            "CELADON_LISTEN_HOST is open to others",
        ),
        (
            lambda e, _: e.update(CELADON_AUDIT_DATABASE=e["CELADON_ISSUER_DATABASE"]),
            "CELADON_ISSUER_DATABASE and CELADON_AUDIT_DATABASE are one database",
        ),
        (
            lambda e, t: e.update(CELADON_AUDIT_DATABASE=f"sqlite:///{t}/public/../issuer.sqlite"),
            "CELADON_ISSUER_DATABASE and CELADON_AUDIT_DATABASE are one database",
        ),
        (
            lambda e, _: e.update(
                CELADON_ISSUER_DATABASE="postgresql://issuer@db/celadon",
                CELADON_AUDIT_DATABASE="postgresql+psycopg://audit@db:5432/celadon",
            ),
            "CELADON_ISSUER_DATABASE and CELADON_AUDIT_DATABASE are one database",
        ),
        (
            lambda e, _: e.update(
                CELADON_ISSUER_DATABASE="postgresql+psycopg://celadon@db/issuer",
                CELADON_AUDIT_DATABASE="postgresql+psycopg://celadon@db/audit",
            ),
            "CELADON_ISSUER_DATABASE and CELADON_AUDIT_DATABASE have one role",
        ),
        (lambda _, t: open_to_all(t / "keystore"), "CELADON_KEYSTORE can be reached"),
        (lambda _, t: open_to_all(t / "outbox"), "CELADON_OUTBOX can be reached"),
        (lambda _, t: (t / "passphrase").chmod(0o640), "CELADON_PASSPHRASE_FILE can be reached"),
        (lambda _, t: (t / "passphrase").unlink(), "CELADON_PASSPHRASE_FILE cannot be read"),
        (lambda _, t: (t / "passphrase").write_text("short"), "CELADON_PASSPHRASE_FILE holds"),
        (lambda _, t: (t / "passphrase").write_text("x" * 2000), "CELADON_PASSPHRASE_FILE holds"),
        (lambda _, t: (t / "passphrase").write_text("ab" * 20), "CELADON_PASSPHRASE_FILE holds"),
        (
            lambda _, t: (t / "passphrase").write_text("Celadon-Passphrase-2020"),
            "CELADON_PASSPHRASE_FILE holds",
        ),
        (
            lambda _, t: (t / "passphrase").write_bytes(bytes(range(0xE0, 0x100))),
            "CELADON_PASSPHRASE_FILE holds no UTF-8 text",
        ),
        (
            lambda _, t: (t / "issuer.sqlite").touch(mode=0o644),
            "CELADON_ISSUER_DATABASE can be reached",
        ),
        (
            lambda e, t: e.update(CELADON_KEYSTORE=f"{t}/public/keystore"),
            "CELADON_KEYSTORE is inside CELADON_PUBLIC",
        ),
        (
            lambda e, t: e.update(CELADON_AUDIT_DATABASE=f"sqlite:///{t}/public/a.sqlite"),
            "CELADON_AUDIT_DATABASE is inside CELADON_PUBLIC",
        ),
        (
            lambda e, t: e.update(
                CELADON_PASSPHRASE_FILE=str(shutil.copy(t / "passphrase", t / "keystore"))
            ),
            "CELADON_PASSPHRASE_FILE is inside CELADON_KEYSTORE",
        ),
        (lambda _, t: (t / "trust").mkdir(mode=0o777), "CELADON_TRUST can be changed"),
        (
            lambda _, t: ((t / "trust").mkdir(mode=0o755), (t / "trust/roots.cbor").touch()),
            "CELADON_TRUST can be changed",
        ),
    ],
    ids=[
        "open-ipv4",
        "open-ipv6",
        "same-url",
        "same-file",
        "same-server",
        "same-role",
        "open-keystore",
        "open-outbox",
        "open-passphrase",
        "no-passphrase",
        "short",
        "long",
        "monotonous",
        "well-known",
        "binary",
        "open-database",
        "published-keystore",
        "published-database",
        "passphrase-with-the-keys",
        "open-trust",
        "open-roots",
    ],
)
def test_from_env_unsafe_setting_is_refused(
    environ: dict[str, str],
    tmp_path: Path,
    change: Callable[[dict[str, str], Path], object],
    expected: str,
) -> None:
    """What works but harms is refused like what does not work, in one line."""
    umask = os.umask(0)
    try:
        change(environ, tmp_path)
    finally:
        os.umask(umask)
    (problem,) = problems(environ)
    assert problem.startswith(expected)


def test_from_env_open_address_behind_a_named_proxy_is_accepted(environ: dict[str, str]) -> None:
    """Whoever says that a proxy ends TLS may listen on other addresses."""
    environ |= {"CELADON_LISTEN_HOST": "10.0.0.7", "CELADON_BEHIND_PROXY": "yes"}
    assert from_env(environ).listen_host == "10.0.0.7"


def test_from_env_open_database_is_named_where_the_other_one_is_malformed(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """A problem is told of the setting that has it, whatever is wrong with those before it."""
    (tmp_path / "audit.sqlite").touch()
    (tmp_path / "audit.sqlite").chmod(0o644)
    environ |= {
        "CELADON_ISSUER_DATABASE": "no database",
        "CELADON_AUDIT_DATABASE": f"sqlite:///{tmp_path}/audit.sqlite",
    }
    malformed, exposed = problems(environ)
    assert malformed.startswith("CELADON_ISSUER_DATABASE is malformed")
    assert exposed.startswith("CELADON_AUDIT_DATABASE can be reached")


def test_from_env_many_problems_are_all_told_at_once(environ: dict[str, str]) -> None:
    """An operator repairs a file once, not once per start."""
    del environ["CELADON_REGION"]
    environ |= {
        "CELADON_DEBUG": "1",
        "CELADON_LISTEN_PORT": "http",
        "CELADON_LISTEN_HOST": "192.0.2.1",
        "CELADON_AUDIT_DATABASE": environ["CELADON_ISSUER_DATABASE"],
    }
    assert len(problems(environ)) == 5


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n", "\nwhat is this for?\n"])
def test_read_passphrase_takes_the_first_line_as_celadon_keys_does(
    tmp_path: Path, ending: str
) -> None:
    """Whatever editor wrote it: the line is the passphrase, with its blanks, and its end is not."""
    path = tmp_path / "passphrase"
    path.touch(mode=0o600)
    path.write_bytes(f" 口令 is long enough {ending}".encode())
    assert read_passphrase(path) == ask_passphrase(path) == " 口令 is long enough "


def test_settings_page_lists_every_setting() -> None:
    """docs/ops/settings.md holds exactly the table of the code."""
    rows = [
        f"| `{s.variable}` | {f'`{s.default}`' if s.default else 'must be set'} | {s.meaning} |"
        for s in SETTINGS
    ]
    page = (ROOT / "docs/ops/settings.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("| `CELADON_")] == rows
