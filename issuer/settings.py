"""What the service runs with: read from CELADON_* once, or refused with every problem at once.

Unknown names, malformed values and unsafe ones (a readable secret, a well-known passphrase, one
database for two packages, a private file below the public folder, an open port without a proxy)
stop the start. Messages name settings and rules, never values: a value may be a secret put under
the wrong name. docs/ops/settings.md is this table; a test compares them.
"""

import difflib
import ipaddress
import os
import re
import stat
import urllib.parse
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from issuer.errors import IssuerError
from issuer.storage.core import CODES_PER_KEY
from keys.files import first_line
from keys.keyring import TokenPlace
from keys.rotation import Supply
from keys.trustplace import ROOTS_FILE

__all__ = ["SETTINGS", "Setting", "Settings", "SettingsError", "from_env", "read_passphrase"]

PREFIX: Final = "CELADON_"
_DOORS: Final = "CELADON_VERIFY_"  # of `celadon-verify`, which checks them itself
_DATABASES: Final = ("issuer_database", "audit_database")
_POSTGRESQL: Final = ("postgresql", "postgresql+psycopg")
MIN_PASSPHRASE_BYTES: Final = 16
MAX_PASSPHRASE_BYTES: Final = 1024
_WELL_KNOWN: Final = re.compile(
    rb"(celadon|pass(word|phrase)|secret|change|me|default|example|test|admin|qwerty|[\d\s_.!-])+",
    re.IGNORECASE,
)
#: The three parts of a PKCS#11 URI that name a token, in the order of RFC 7512 §2.3.
_TOKEN: Final = re.compile(
    r"pkcs11:token=([^;?&=]+)\?module-path=([^&]+)&pin-source=file:([^&]+)", re.ASCII
)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_REACHABLE: Final = "can be reached by other users: take away the rights of group and others"


class SettingsError(IssuerError):
    """The settings are refused; *problems* has one line for each reason."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable: its name without the prefix, how it is read, and what it means."""

    name: str
    read: Callable[[str], Any]  # raises ValueError with the form that it wants
    meaning: str
    default: str | None = None  # None: must be set

    @property
    def variable(self) -> str:
        return PREFIX + self.name

    @property
    def attribute(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that one issuer process needs to know. Holds paths to secrets, never secrets."""

    environment: str
    region: str
    log_origin: str
    issuer_database: str = field(repr=False)
    audit_database: str = field(repr=False)
    keystore: Path
    passphrase_file: Path
    code_token: TokenPlace | None
    code_key_days: int
    code_key_shards: int
    code_key_spares: int
    codes_per_key: int
    trust: Path
    public: Path
    outbox: Path
    listen_host: str
    listen_port: int
    behind_proxy: bool
    session_s: int

    @property
    def supply(self) -> Supply:
        """The code keys that there are to be."""
        return Supply(self.code_key_days, self.code_key_shards, self.code_key_spares)


def _matching(pattern: str, form: str) -> Callable[[str], str]:
    compiled = re.compile(pattern, re.ASCII)

    def read(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError(form)
        return text

    return read


def _one_of(**values: object) -> Callable[[str], Any]:
    def read(text: str) -> object:
        if text not in values:
            raise ValueError(" or ".join(values))
        return values[text]

    return read


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        # int() alone would also take spaces, underscores and digits of other scripts.
        if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) is None or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def _path(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute() or ".." in path.parts or "\0" in text:
        raise ValueError("an absolute path without '..'")
    return path


def _token(text: str) -> TokenPlace | None:
    if text == "none":
        return None
    found = _TOKEN.fullmatch(text)
    if found is None:
        raise ValueError("none or pkcs11:token=LABEL?module-path=PATH&pin-source=file:PATH")
    label, module, pin_file = map(urllib.parse.unquote, found.groups())
    return TokenPlace(_path(module), label, _path(pin_file))


def _database(text: str) -> str:
    form = "sqlite:////absolute/path or postgresql://user@host/name, without a password"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(form) from None  # the message would repeat the URL
    if url.password is not None or "password" in url.query:
        raise ValueError(form + ": passwords belong into a password file")
    sqlite = url.drivername == "sqlite" and Path(url.database or "").is_absolute() and not url.query
    postgres = url.drivername in _POSTGRESQL and bool(url.username and url.database)
    if not (sqlite or postgres):
        raise ValueError(form)
    return text


#: Every setting there is.
SETTINGS: Final = (
    Setting(
        "ENVIRONMENT", _one_of(production="production", test="test"),
        "`production` or `test`; keys and lists of one are refused in the other",
    ),
    Setting("REGION", _matching(r"[1-8][0-9]{5}", "six digits"), "GB/T 2260 code of the region"),
    Setting(
        "LOG_ORIGIN",
        _matching(r"[a-z0-9.-]{1,200}(/[a-z0-9.-]{1,50})*", "a name like celadon.example/610000"),
        "name of the log, the first line of its checkpoints; never changes",
    ),
    Setting("ISSUER_DATABASE", _database, "database of people, evidence and decisions"),
    Setting("AUDIT_DATABASE", _database, "database of the log and the grants; another one"),
    Setting("KEYSTORE", _path, "folder of encrypted keys, mode 0700"),
    Setting("PASSPHRASE_FILE", _path, "file, mode 0600: keystore's passphrase in the first line"),
    Setting(
        "CODE_TOKEN", _token,
        "PKCS#11 token with the keys that sign codes, "
        "`pkcs11:token=LABEL?module-path=PATH&pin-source=file:PATH`; "
        "`none`: they are in the keystore", "none",
    ),
    Setting(
        "CODE_KEY_DAYS", _whole(2, 60),
        "days after today that have their code keys already; more than a trust list takes to come",
        str(Supply().days),
    ),
    Setting("CODE_KEY_SHARDS", _whole(1, 60), "code keys of one day", str(Supply().shards)),
    Setting("CODE_KEY_SPARES", _whole(0, 40), "code keys in reserve", str(Supply().spares)),
    Setting(
        "CODES_PER_KEY", _whole(1_000, 10_000_000),
        "codes that one key signs at most; so many are made anew when it is stolen",
        str(CODES_PER_KEY),
    ),
    Setting(
        "TRUST", _path, "folder with `roots.cbor` and `trust-list.cbor`, from the list's keepers"
    ),
    Setting("PUBLIC", _path, "folder that a web server publishes"),
    Setting("OUTBOX", _path, "folder of messages to phones, for a gateway to send; mode 0700"),
    Setting(
        "LISTEN_HOST", lambda text: str(_address(text)),
        "address to listen on; other than loopback needs `BEHIND_PROXY=yes`", "127.0.0.1",
    ),
    Setting("LISTEN_PORT", _whole(1, 65_535), "port to listen on", "8080"),
    Setting(
        "BEHIND_PROXY", _one_of(no=False, yes=True),
        "`yes`: a proxy in front ends TLS and is the only one that can reach the port", "no",
    ),
    Setting(
        "SESSION_S", _whole(300, 7_776_000),
        "seconds until a person's binding ends, and they bind again", "2592000",
    ),
)  # fmt: skip


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("an IP address") from None


def from_env(environ: Mapping[str, str]) -> Settings:
    """Read and check all settings.

    Looks at the modes of files that exist; does not create or open databases and keystores.

    Raises:
        SettingsError: With one line for each problem, all of them at once.
    """
    problems = _unknown(environ)
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        text = environ.get(setting.variable, setting.default)
        if text is None:
            problems.append(f"{setting.variable} is not set: {setting.meaning}")
            continue
        try:
            values[setting.attribute] = setting.read(text)
        except ValueError as error:
            problems.append(f"{setting.variable} is malformed: expected {error}")
    problems += _unsafe(values)
    if problems:
        raise SettingsError(tuple(dict.fromkeys(problems)))
    return Settings(**values)


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = [setting.variable for setting in SETTINGS]
    ours = (n for n in environ if n.startswith(PREFIX) and not n.startswith(_DOORS))
    problems = []
    for name in sorted(name for name in ours if name not in known):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        problems.append(f"{ascii(name)[1:-1][:80]} is not a setting{hint}")
    return problems


def _unsafe(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with well-formed values, as far as the needed ones are there."""
    return [
        *_unprotected(values),
        *_oversupplied(values),
        *_shared(values),
        *_exposed(values),
        *_kept_together(values),
        *_changeable(values),
        *_weak(values),
    ]


def _unprotected(values: Mapping[str, Any]) -> list[str]:
    host, proxied = values.get("listen_host"), values.get("behind_proxy")
    if not host or proxied is not False or ipaddress.ip_address(host).is_loopback:
        return []
    advice = f"listen on loopback, or set {PREFIX}BEHIND_PROXY=yes if a proxy in front ends TLS"
    return [f"{PREFIX}LISTEN_HOST is open to others: {advice}"]


def _oversupplied(values: Mapping[str, Any]) -> list[str]:
    names = [f"code_key_{name}" for name in ("days", "shards", "spares")]
    if not values.keys() >= set(names):
        return []
    try:
        Supply(*(values[name] for name in names))
    except ValueError as error:
        return [f"{PREFIX}CODE_KEY_DAYS, _SHARDS and _SPARES would put {error}"]
    return []


def _shared(values: Mapping[str, Any]) -> list[str]:
    if not values.keys() >= set(_DATABASES):
        return []
    issuer, audit = (make_url(values[name]) for name in _DATABASES)
    if _place(issuer) == _place(audit):
        return [f"{PREFIX}ISSUER_DATABASE and {PREFIX}AUDIT_DATABASE are one database: use two"]
    if issuer.username is not None and issuer.username == audit.username:
        return [f"{PREFIX}ISSUER_DATABASE and {PREFIX}AUDIT_DATABASE have one role: use two"]
    return []


def _place(url: URL) -> tuple[object, ...]:
    if url.drivername == "sqlite":
        return (os.path.realpath(url.database or ""),)
    return url.host or url.query.get("host"), url.port or 5432, url.database


def _exposed(values: Mapping[str, Any]) -> list[str]:
    public, problems = values.get("public"), []
    for name, path in _private(values).items():
        if public is not None and _is_inside(path, public):
            problems.append(f"{name} is inside {PREFIX}PUBLIC: whoever asks could read it")
        with suppress(OSError):  # not there yet: whoever makes it makes it private
            if path.stat().st_mode & _OTHERS:
                problems.append(f"{name} {_REACHABLE}")
    return problems


def _private(values: Mapping[str, Any]) -> dict[str, Path]:
    """What nobody else may read, by the variable that names it."""
    names = ("keystore", "passphrase_file", "outbox")
    private = {name: values[name] for name in names if name in values}
    for name in _DATABASES:
        url = make_url(values[name]) if name in values else None
        if url is not None and url.drivername == "sqlite":
            private[name] = Path(url.database or "")
    if values.get("code_token") is not None:
        private["code_token"] = values["code_token"].pin_file
    return {PREFIX + name.upper(): path for name, path in private.items()}


def _kept_together(values: Mapping[str, Any]) -> list[str]:
    passphrase, keystore = values.get("passphrase_file"), values.get("keystore")
    if passphrase is None or keystore is None or not _is_inside(passphrase, keystore):
        return []
    return [f"{PREFIX}PASSPHRASE_FILE is inside {PREFIX}KEYSTORE: a copy of the keys would hold it"]


def _is_inside(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _changeable(values: Mapping[str, Any]) -> list[str]:
    """Nothing vouches for the roots but their place."""
    trust = values.get("trust")
    for path in () if trust is None else (trust, trust / ROOTS_FILE):
        with suppress(OSError):  # not there yet
            if path.stat().st_mode & stat.S_IWOTH:
                return [
                    f"{PREFIX}TRUST can be changed by other users, who would decide whom we trust"
                ]
    return []


def _weak(values: Mapping[str, Any]) -> list[str]:
    if "passphrase_file" not in values:
        return []
    try:
        read_passphrase(values["passphrase_file"])
    except OSError as error:
        return [f"{PREFIX}PASSPHRASE_FILE cannot be read: {type(error).__name__}"]
    except SettingsError as error:
        return list(error.problems)
    return []


def read_passphrase(path: Path) -> str:
    """The passphrase in the first line of a file, UTF-8.

    Raises:
        SettingsError: Others can read the file, or the passphrase is short, long, well known or
            no text.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & _OTHERS:  # of the file opened, not of the name
            raise SettingsError((f"{PREFIX}PASSPHRASE_FILE {_REACHABLE}",))
        passphrase = first_line(file.read(MAX_PASSPHRASE_BYTES + 2))
    if not MIN_PASSPHRASE_BYTES <= len(passphrase) <= MAX_PASSPHRASE_BYTES:
        length = f"{MIN_PASSPHRASE_BYTES} to {MAX_PASSPHRASE_BYTES} bytes"
        raise SettingsError((f"{PREFIX}PASSPHRASE_FILE holds no passphrase of {length}",))
    if _WELL_KNOWN.fullmatch(passphrase) or len(set(passphrase)) < MIN_PASSPHRASE_BYTES // 2:
        raise SettingsError((f"{PREFIX}PASSPHRASE_FILE holds a passphrase that anyone tries",))
    try:
        return passphrase.decode()
    except UnicodeDecodeError:  # its own text shows the bytes
        raise SettingsError((f"{PREFIX}PASSPHRASE_FILE holds no UTF-8 text",)) from None
