"""The public folder: what a web server gives to everybody, the same to all. Shell.

    trust-list.cbor      rules/<id>.cbor       risk-table.cbor      keys/<kid>.cosekey
    status/<list number>.cwt     status/<region>.delta     status/<region>.snapshot

A list's contents are what is due of `status_change`, and its decoys. Each time, a delta says what
changed within a day, and a snapshot names the contents of all lists and the delta. The lists
themselves are signed anew when they are older than they say that they should get. All of it is
looked at as a verifier that held the last lists would, and logged; only then it appears, the
snapshot last, so a verifier that reads meanwhile keeps what it has. Each file is replaced as a
whole.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import deflate

from audit.events import Event, Kind
from issuer.codes.lists import check_list_row, open_lists
from issuer.codes.lostpositions import lost_positions, lost_statuses
from issuer.codes.mint import DAY_S
from issuer.codes.pseudonym import LIST_SIZE
from issuer.publication.decoys import DAYS_AHEAD, decoys
from issuer.publication.statusfiles import (
    Change,
    Contents,
    Held,
    StatusFiles,
    is_news,
    status_files,
)
from issuer.storage.core import Secrets
from issuer.storage.store import Row, Store, read_store
from issuer.storage.tx import Done, Tx
from issuer.storage.writer import Writer
from keys.cose import MessageSigner
from keys.files import replace_public
from keys.kid import cose_key
from verifier.statuslist import Status

__all__ = ["Published", "Publisher", "compress"]

_LEVEL: Final = 12  # libdeflate's highest
_LISTS: Final = "SELECT number, day, size, cursor, mac FROM status_list WHERE day >= ?"
_CHANGES: Final = (
    "SELECT status_index, status, due_at FROM status_change WHERE list_number = ? AND due_at <= ?"
)
_RULES: Final = "SELECT rule_set, signed FROM rule_set ORDER BY adopted_at, version"
_RISKS: Final = "SELECT signed FROM risk_table ORDER BY version DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Published:
    """Numbers of the lists that were signed anew, and how many the snapshot names."""

    signed: frozenset[int]
    named: int


class Publisher:
    """Writes one issuer's public folder.

    Args:
        writer: The issuer's writer.
        folder: Made where it is missing.
        signer: A key with the purpose "status".
        list_size: Entries of lists that have to be opened.
    """

    def __init__(
        self,
        writer: Writer,
        folder: Path,
        signer: MessageSigner,
        *,
        list_size: int = LIST_SIZE,
    ) -> None:
        self._writer = writer
        self._folder = folder
        self.signer = signer
        self._list_size = list_size

    def publish_all(self, trust_list: bytes, *, now: int) -> Published:
        """Everything: the lists of others as they are, our own signed anew.

        Args:
            trust_list: The signed trust list; it is the one in force.
            now: UNIX seconds.

        Raises:
            PublishError: A list was published in this very second; or a taken-back code would
                come to life: rows are missing from the database.
        """
        self._writer.run(self._open_ahead, now=now)
        with_changes = self._writer.run(_documents, now=now)
        files = {
            "trust-list.cbor": trust_list,
            **{
                f"keys/{key.kid.hex()}.cosekey": cose_key(key.public_key)
                for key in self._writer.authority.issuer.keys
            },
            **with_changes,
        }
        for name, data in files.items():
            replace_public(self._folder / name, data)
        return self._publish(self._contents(now), now=now, anew=True)

    def publish_changed(self, *, now: int) -> Published:
        """Publish what has become due since; nothing where nothing did and all is fresh.

        Raises:
            PublishError: As `publish_all`.
        """
        contents = self._contents(now)
        if not is_news(contents, self._held(), self._writer.authority.trust, now=now):
            return Published(frozenset(), 0)
        return self._publish(contents, now=now, anew=False)

    def _publish(self, contents: Mapping[int, Contents], *, now: int, anew: bool) -> Published:
        """Sign and look at the files without keeping the writer; log them; let them appear."""
        authority = self._writer.authority
        made = status_files(
            contents, self._held(), authority, self.signer, compress, now=now, anew=anew
        )
        self._writer.run(partial(_logged, made), now=now)
        self._write(made)
        return Published(frozenset(made.tokens), len(made.lists))

    def _open_ahead(self, tx: Tx) -> Done[None]:
        today = tx.now // DAY_S
        open_lists(tx, range(today, today + DAYS_AHEAD), size=self._list_size)
        return Done(None)

    def _contents(self, now: int) -> dict[int, Contents]:
        """All lists that codes may still point to, as of *now*."""
        with read_store(self._writer.engine) as store:
            secrets = self._writer.secrets
            lost = lost_positions(store, secrets)
            rows = store.rows(_LISTS, (now // DAY_S,))
            return {row[0]: _contents(store, secrets, row, lost.get(row[0]), now) for row in rows}

    def _held(self) -> Held:
        """What is published of ours."""
        status = self._folder / "status"
        return Held(
            tokens={number: path.read_bytes() for number, path in self._tokens()},
            delta=_read(status / f"{self._region}.delta"),
            snapshot=_read(status / f"{self._region}.snapshot"),
        )

    def _write(self, made: StatusFiles) -> None:
        status = self._folder / "status"
        for number, token in made.tokens.items():
            replace_public(status / f"{number}.cwt", token)
        replace_public(status / f"{self._region}.delta", made.delta)
        replace_public(status / f"{self._region}.snapshot", made.snapshot)
        # No code points to the others any more, and no snapshot names them.
        for number, path in self._tokens():
            if number not in made.lists:
                path.unlink()

    def _tokens(self) -> list[tuple[int, Path]]:
        """Our lists in the folder. Another issuer may publish into the same one."""
        issuer = self._writer.authority.issuer
        paths = ((int(path.stem), path) for path in (self._folder / "status").glob("*.cwt"))
        return [each for each in paths if issuer.first_list <= each[0] <= issuer.last_list]

    @property
    def _region(self) -> str:
        return self._writer.authority.issuer.region


def _contents(store: Store, secrets: Secrets, row: Row, lost: int | None, now: int) -> Contents:
    """A list as of *now*. *lost*: the place of its order from which on codes were lost, if any."""
    check_list_row(secrets, row)
    number, day, size, _, _ = row
    gone = b"" if lost is None else lost_statuses(secrets.positions, number, size, lost)
    changes = [
        Change(position, Status(status), due_at)
        for position, status, due_at in store.rows(_CHANGES, (number, now))
    ]
    marked = [each for each in decoys(secrets.positions, number, size, day) if each.due_at <= now]
    return Contents(size, (*marked, *changes), gone)


def _logged(made: StatusFiles, tx: Tx) -> Done[None]:
    event = Event(
        tx.event_id(),
        Kind.LIST_PUBLISHED,
        tx.now,
        None,
        {"lists": len(made.tokens), "digest": hashlib.sha256(made.snapshot).digest()},
    )
    return Done(None, [event])


def compress(data: bytes) -> bytes:
    """A zlib stream by libdeflate: the format that verifiers know, a tenth smaller than zlib's."""
    return bytes(deflate.zlib_compress(data, _LEVEL))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _documents(tx: Tx) -> Done[dict[str, bytes]]:
    """Rule sets and risk table in force, as signed."""
    files = {f"rules/{name}.cbor": signed for name, signed in tx.store.rows(_RULES)}
    for (signed,) in tx.store.rows(_RISKS):
        files["risk-table.cbor"] = signed
    return Done(files)
