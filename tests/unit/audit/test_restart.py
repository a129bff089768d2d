"""A log out of an old copy goes on under another name, and never under its own."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from audit.database import create_tables, open_engine
from audit.errors import LogForkError
from audit.events import Event, Kind
from audit.log import Log
from audit.models import metadata
from audit.restart import restart_log
from audit.tlog.checkpoint import SignedCheckpoint, verify_checkpoint
from audit.verify import Verified, verify_log
from tests.issuing_support import NOW, signer

OLD, NEW = "celadon.test/log", "celadon.test/log/2"
SIGNER = signer("checkpoint")


def events(first: int, count: int) -> list[Event]:
    return [
        Event(number.to_bytes(16, "big"), Kind.DECIDED, NOW, None, {"number": number})
        for number in range(first, first + count)
    ]


def opened(path: Path, origin: str = OLD) -> Log:
    engine = open_engine(f"sqlite:///{path}")
    create_tables(engine, metadata)
    return Log(engine, SIGNER, origin)


def seen(log: Log) -> SignedCheckpoint:
    return verify_checkpoint(log.checkpoint(), log.key)


@pytest.mark.parametrize(("copied", "lost"), [(3, 5), (300, 300), (256, 1), (7, 0)])
def test_restarted_log_verifies_and_goes_on_under_its_new_name(
    tmp_path: Path, copied: int, lost: int
) -> None:
    """The entries of the copy are as they were; new ones follow; the old name opens it no more."""
    path = tmp_path / "audit.db"
    copy = opened(path)
    copy.append(events(0, copied), now=NOW)
    whole = opened(tmp_path / "whole.db")
    whole.append(events(0, copied + lost), now=NOW + 1)
    newest = seen(whole) if lost else seen(copy)
    engine = open_engine(f"sqlite:///{path}")
    assert restart_log(engine, SIGNER, old=copy.key, origin=NEW, seen=newest) == copied
    log = Log(engine, SIGNER, NEW)
    log.append(events(copied, 300), now=NOW + 2)
    assert isinstance(verify_log(engine, log.key), Verified)
    assert log.root(copied) == copy.root(copied)
    with pytest.raises(LogForkError):
        Log(engine, SIGNER, OLD)


def test_restart_with_more_entries_than_were_seen_is_refused(tmp_path: Path) -> None:
    """Then the checkpoint is not the newest one, or the copy is no copy."""
    log = opened(tmp_path / "audit.db")
    log.append(events(0, 3), now=NOW)
    early = seen(log)
    log.append(events(3, 1), now=NOW)
    engine = open_engine(f"sqlite:///{tmp_path}/audit.db")
    with pytest.raises(LogForkError, match="more than were seen"):
        restart_log(engine, SIGNER, old=log.key, origin=NEW, seen=early)


def test_restart_of_another_history_is_refused(tmp_path: Path) -> None:
    """As many entries, and others."""
    log = opened(tmp_path / "audit.db")
    log.append(events(0, 3), now=NOW)
    newest = seen(log)
    other = replace(newest, checkpoint=replace(newest.checkpoint, root_hash=bytes(32)))
    engine = open_engine(f"sqlite:///{tmp_path}/audit.db")
    with pytest.raises(LogForkError, match="and others"):
        restart_log(engine, SIGNER, old=log.key, origin=NEW, seen=other)


def test_restart_of_a_damaged_copy_is_refused(tmp_path: Path) -> None:
    """What does not verify is not signed again."""
    log = opened(tmp_path / "audit.db")
    log.append(events(0, 3), now=NOW)
    engine = open_engine(f"sqlite:///{tmp_path}/audit.db")
    with engine.begin() as connection:
        connection.execute(text("UPDATE log_entries SET at = at + 1 WHERE leaf_index = 1"))
    with pytest.raises(LogForkError, match="entry 1"):
        restart_log(engine, SIGNER, old=log.key, origin=NEW, seen=seen(log))
