"""The public folder: what a web server gives to everybody, the same to all. Shell.

    trust-list.cbor      rules/<id>.cbor       risk-table.cbor      keys/<kid>.cosekey
    status/<list number>.cwt                   status/<region>.snapshot

A status list is built from `status_change`, looked at as a verifier that held the last one would,
and logged; only then it appears. The snapshot that names all lists of one time comes last, so a
verifier that reads meanwhile keeps what it has. Each file is replaced as a whole.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit.events import Event, Kind
from audit.publish import replace_public
from issuer.errors import PublishError
from issuer.lists import check_list_row, open_lists
from issuer.lostpositions import lost_positions, lost_statuses
from issuer.mint import DAY_S
from issuer.pseudonym import LIST_SIZE
from issuer.store import Row
from issuer.tx import Done, Tx
from issuer.writer import Writer
from keys.cose import MessageSigner
from keys.kid import cose_key
from keys.trustlist import TrustList
from verifier.errors import StatusListError
from verifier.statuslist import (
    Snapshot,
    Status,
    StatusList,
    accept_status_list,
    pack_statuses,
    sign_snapshot,
    sign_status_list,
    verify_status_list,
)

__all__ = ["Published", "Publisher"]

#: Lists are opened for today and so many days ahead: the longest code ends within them.
_DAYS_AHEAD: Final = 9
_TTL_S: Final = 3600
_LIFE_S: Final = DAY_S
_LISTS: Final = "SELECT number, day, size, cursor, mac FROM status_list WHERE day >= ?"
_CHANGES: Final = "SELECT status_index, status FROM status_change WHERE list_number = ?"
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
        self._signer = signer
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
        return self._publish(None, self._writer.take_unpublished(), now=now)

    def publish_changed(self, *, now: int) -> Published:
        """Sign those status lists anew that changed since; all others stay as they are.

        Raises:
            PublishError: As `publish_all`. The changes are remembered for the next time.
        """
        changed = self._writer.take_unpublished()
        if not changed:
            return Published(frozenset(), 0)
        return self._publish(changed, changed, now=now)

    def _publish(
        self, which: frozenset[int] | None, changed: frozenset[int], *, now: int
    ) -> Published:
        """Sign these lists anew (None: all that codes may still point to), and the snapshot."""
        try:
            signed = self._writer.run(lambda tx: self._sign(tx, which), now=now)
            return signed.write(self._folder)
        except BaseException:
            self._writer.remember_unpublished(changed)
            raise

    def _open_ahead(self, tx: Tx) -> Done[None]:
        today = tx.now // DAY_S
        open_lists(tx, range(today, today + _DAYS_AHEAD), size=self._list_size)
        return Done(None)

    def _sign(self, tx: Tx, changed: frozenset[int] | None) -> "Done[_Files]":
        tokens: dict[int, bytes] = {}
        signed = set()
        for row in tx.store.rows(_LISTS, (tx.now // DAY_S,)):
            check_list_row(tx.secrets, row)
            held = self._held(row[0])
            if held is None or changed is None or row[0] in changed:
                tokens[row[0]] = self._token(tx, row, held)
                signed.add(row[0])
            else:
                tokens[row[0]] = held
        snapshot = sign_snapshot(
            Snapshot(
                region=tx.authority.issuer.region,
                issued_at=tx.now,
                exp=tx.now + _LIFE_S,
                trust_version=tx.authority.trust.version,
                digests={number: hashlib.sha256(data).digest() for number, data in tokens.items()},
            ),
            self._signer,
        )
        event = Event(
            tx.event_id(),
            Kind.LIST_PUBLISHED,
            tx.now,
            None,
            {"lists": len(signed), "digest": hashlib.sha256(snapshot).digest()},
        )
        files = {f"{number}.cwt": tokens[number] for number in signed}
        files[f"{tx.authority.issuer.region}.snapshot"] = snapshot
        issuer = tx.authority.issuer
        ours = range(issuer.first_list, issuer.last_list + 1)
        published = Published(frozenset(signed), len(tokens))
        return Done(_Files(files, published, ours, frozenset(tokens)), [event])

    def _held(self, number: int) -> bytes | None:
        """What is published under this number."""
        try:
            return (self._folder / "status" / f"{number}.cwt").read_bytes()
        except FileNotFoundError:
            return None

    def _token(self, tx: Tx, row: Row, held: bytes | None) -> bytes:
        number, _, size, _, _ = row
        changes = {index: Status(status) for index, status in tx.store.rows(_CHANGES, (number,))}
        first = lost_positions(tx.store, tx.secrets).get(number)
        if first is not None:
            changes = lost_statuses(tx.secrets, number, size, first) | changes
        token = sign_status_list(
            pack_statuses(changes, entries=size),
            uri=f"{tx.authority.issuer.status_base}{number}.cwt",
            issued_at=tx.now,
            exp=tx.now + _LIFE_S,
            ttl=_TTL_S,
            signer=self._signer,
        )
        trust = tx.authority.trust
        try:
            accept_status_list(_readable(held, trust, tx.now), token, trust, now=tx.now)
        except StatusListError as error:
            raise PublishError(f"list {number}: a verifier would say: {error}") from error
        return token


@dataclass(frozen=True, slots=True)
class _Files:
    """What is to appear under status/, once it is logged."""

    files: Mapping[str, bytes]
    published: Published
    ours: range
    current: frozenset[int]

    def write(self, folder: Path) -> Published:
        status = folder / "status"
        for name, data in self.files.items():
            if name.endswith(".cwt"):
                replace_public(status / name, data)
        for name, data in self.files.items():
            if name.endswith(".snapshot"):
                replace_public(status / name, data)
        # No code points to these any more, and no snapshot names them. Another issuer may publish
        # into the same folder: its lists are not ours to take away.
        for path in status.glob("*.cwt"):
            number = int(path.stem)
            if number in self.ours and number not in self.current:
                path.unlink()
        return self.published


def _readable(held: bytes | None, trust: TrustList, now: int) -> StatusList | None:
    """The list that verifiers hold, unless it has ended and none of them does any more."""
    if held is None:
        return None
    try:
        return verify_status_list(held, trust, now=now)
    except StatusListError:
        return None


def _documents(tx: Tx) -> Done[dict[str, bytes]]:
    """Rule sets and risk table in force, as signed."""
    files = {f"rules/{name}.cbor": signed for name, signed in tx.store.rows(_RULES)}
    for (signed,) in tx.store.rows(_RISKS):
        files["risk-table.cbor"] = signed
    return Done(files)
