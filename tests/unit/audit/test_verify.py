"""Verifying a whole log: what fits is verified, and whatever is changed is noticed and named."""

import random
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from audit.database import open_engine, reading, writing
from audit.errors import DatabaseDamagedError
from audit.events import Event, Kind, commitment, encode_event
from audit.models import log_checkpoints, log_entries, log_head, log_tiles
from audit.tlog.merkle import leaf_hash, node_hash
from audit.tlog.note import NoteKey
from audit.verify import Broken, Verdict, Verified, verify_connection, verify_log
from keys.signer import SeedSigner
from tests.log_support import NOW, ORIGIN, SIGNER, a_log, an_event, opened, some_events

KEY = NoteKey(ORIGIN, SIGNER.public_key)
TABLES = (log_entries, log_tiles, log_head, log_checkpoints)


def small_log(engine: Engine) -> None:
    """Nine entries, of which two are erased and one says so."""
    log = a_log(engine)
    log.append([an_event(n, subject=n % 3 or None) for n in range(6)], now=NOW)
    log.erase((1).to_bytes(16, "big"), now=NOW + 1)
    log.append([an_event(n) for n in range(6, 8)], now=NOW + 2)


def long_log(engine: Engine) -> None:
    """Entries over three tiles, with stored checkpoints over 300 and 700 of them."""
    log = a_log(engine)
    for start in (0, 100, 300, 500, 690):
        log.append(some_events(start, {690: 10, 0: 100}.get(start, 200)), now=NOW)


def undone(engine: Engine, change: Callable[[Connection], object]) -> Verdict:
    """The verdict after *change*, which is then taken back."""
    with engine.connect() as connection:
        connection.execution_options(celadon_writes=True)
        with connection.begin() as transaction:
            try:
                change(connection)
                verdict = verify_connection(connection, KEY)
            except IntegrityError:
                verdict = Broken(None, "the database itself refuses it")
            transaction.rollback()
    return verdict


@pytest.fixture
def engine(engine_url: str) -> Iterator[Engine]:
    with opened(engine_url) as engine:
        yield engine


# --- logs that are in order -----------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 600])
def test_verify_log_in_order_is_verified_with_its_root(engine: Engine, size: int) -> None:
    """A log of any size fits its head, whichever code computed the root."""
    log = a_log(engine)
    log.append(some_events(0, size), now=NOW)
    verdict = verify_log(engine, log.key)
    assert verdict == Verified(size, log.root(size), NOW if size else None)


@pytest.mark.parametrize("make", [small_log, long_log], ids=lambda make: make.__name__)
def test_verify_log_with_erasures_and_many_batches_is_verified(
    engine: Engine, make: Callable[[Engine], None]
) -> None:
    """Erased entries are erased and not corrupt; every stored checkpoint fits."""
    make(engine)
    assert isinstance(verify_log(engine, KEY), Verified)


def test_verify_log_fits_every_checkpoint_that_was_seen(engine: Engine) -> None:
    """An auditor who kept all checkpoints finds the log to extend each of them."""
    log, seen = a_log(engine), []
    for start in range(0, 500, 50):
        log.append(some_events(start, 50), now=NOW)
        seen.append(log.checkpoint())
    assert isinstance(verify_log(engine, KEY, seen=seen), Verified)


# --- every byte -----------------------------------------------------------------------------------


def flips(value: object) -> Iterator[object]:
    """Every value that differs in one byte; for text, in one letter."""
    match value:
        case bytes():
            for at in range(len(value)):
                yield value[:at] + bytes((value[at] ^ 0x01,)) + value[at + 1 :]
        case int():
            for at in range(7):
                yield value ^ 1 << (8 * at)
        case str():
            for at in range(len(value)):
                yield value[:at] + chr(ord(value[at]) ^ 0x01) + value[at + 1 :]
        case _:
            yield b"\x00"  # a null that is filled in


def all_flips(engine: Engine, table: Table) -> Iterator[tuple[Any, str, object]]:
    with reading(engine) as connection:
        rows = connection.execute(select(table)).all()
    for row in rows:
        same = [column == row._mapping[column.name] for column in table.primary_key]
        for column in table.columns:
            for value in flips(row._mapping[column.name]):
                yield same, column.name, value


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_verify_any_byte_of_any_column_changed_is_noticed(tmp_path: Path, table: Table) -> None:
    """A19: there is no stored byte that can be changed unnoticed; changed entries are named."""
    with opened(f"sqlite:///{tmp_path}/log.db") as engine:
        (long_log if table is log_checkpoints else small_log)(engine)
        assert isinstance(verify_log(engine, KEY), Verified)
        tried = 0
        for same, name, value in all_flips(engine, table):
            change = update(table).where(*same).values({name: value})
            verdict = undone(engine, partial(Connection.execute, statement=change))
            assert isinstance(verdict, Broken), (name, value)
            if table is log_entries and name in {"salt", "body"}:
                assert same[0].right.value == verdict.leaf_index
            tried += 1
        assert tried > 300


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_verify_any_column_changed_is_noticed_on_every_database(
    engine: Engine, table: Table
) -> None:
    """The same with the first byte of every value, on SQLite and PostgreSQL."""
    (long_log if table is log_checkpoints else small_log)(engine)
    seen = set()
    for same, name, value in all_flips(engine, table):
        key = (str(same[0].right.value), name)
        if key in seen:
            continue
        seen.add(key)
        change = update(table).where(*same).values({name: value})
        verdict = undone(engine, partial(Connection.execute, statement=change))
        assert isinstance(verdict, Broken), (name, value)


@pytest.mark.parametrize("seed", range(4))
def test_verify_byte_flipped_in_the_file_is_noticed_or_changes_nothing(
    tmp_path: Path, seed: int
) -> None:
    """Flips in SQLite's file never give a traceback, and none that changes a value passes."""
    good = tmp_path / "good.db"
    with opened(f"sqlite:///{good}") as engine:
        small_log(engine)
        content = _content(engine)
    original, path = good.read_bytes(), tmp_path / "flipped.db"
    chosen = random.Random(seed)  # noqa: S311 - a repeatable choice
    noticed = 0
    for at in chosen.sample(range(len(original)), 250):
        for old in tmp_path.glob("flipped.db*"):
            old.unlink()
        path.write_bytes(
            original[:at] + bytes((original[at] ^ 1 << chosen.randrange(8),)) + original[at + 1 :]
        )
        engine = open_engine(f"sqlite:///{path}")
        verdict = verify_log(engine, KEY)
        if isinstance(verdict, Verified):
            assert _content(engine) == content, at
        noticed += isinstance(verdict, Broken)
        engine.dispose()
    assert noticed > 10


def _content(engine: Engine) -> list[object]:
    with reading(engine) as connection:
        return [list(map(tuple, connection.execute(select(table)))) for table in TABLES]


def test_verify_every_body_byte_flipped_in_the_file_names_its_entry(tmp_path: Path) -> None:
    """One byte of an entry's body, changed in the file itself: the audit names that entry."""
    good, path = tmp_path / "good.db", tmp_path / "flipped.db"
    with opened(f"sqlite:///{good}") as engine:
        a_log(engine).append(some_events(0, 5), now=NOW)
        with reading(engine) as connection:
            bodies = connection.execute(select(log_entries.c.body)).scalars().all()
    original = good.read_bytes()
    for index, body in enumerate(bodies):
        assert original.count(body) == 1
        for at in range(original.index(body), original.index(body) + len(body)):
            shutil.copyfile(good, path)
            with path.open("r+b") as file:
                file.seek(at)
                file.write(bytes((original[at] ^ 0x80,)))
            engine = open_engine(f"sqlite:///{path}")
            verdict = verify_log(engine, KEY)
            engine.dispose()
            assert isinstance(verdict, Broken)
            assert verdict.leaf_index == index


@pytest.mark.parametrize("content", [b"", b"x" * 5000, b"SQLite format 3\x00" + bytes(5000)])
def test_verify_file_that_is_no_log_is_broken_and_no_traceback(
    tmp_path: Path, content: bytes
) -> None:
    """An empty file, a text and an empty header are answered, not crashed upon."""
    path = tmp_path / "log.db"
    path.write_bytes(content)
    engine = open_engine(f"sqlite:///{path}")
    verdict = verify_log(engine, KEY)
    engine.dispose()
    assert isinstance(verdict, Broken)
    assert "cannot be read" in str(verdict)


def test_verify_index_that_finds_other_rows_is_noticed(tmp_path: Path) -> None:
    """What only SQLite's own check can see is checked by it: an index that says something else."""
    path, subject = tmp_path / "log.db", b"the subject here"
    with opened(f"sqlite:///{path}") as engine:
        log = a_log(engine)
        log.append([an_event(0)._replace(subject=subject)], now=NOW)
    original = path.read_bytes()
    places = [found.start() for found in re.finditer(subject, original)]
    assert len(places) == 3  # column, body, index
    reasons = []
    for at in places:
        path.write_bytes(original[:at] + b"T" + original[at + 1 :])
        engine = open_engine(f"sqlite:///{path}")
        verdict = verify_log(engine, KEY)
        engine.dispose()
        assert isinstance(verdict, Broken)
        reasons.append(verdict.why.split(":")[0])
    assert "the database's file is damaged" in reasons


# --- somebody who knows how a log works -----------------------------------------------------------


def consistent_change(connection: Connection, index: int, *, levels: int) -> None:
    """Rewrite an entry as its author would, and so many levels of the tree above it."""
    row = connection.execute(select(log_entries).where(log_entries.c.leaf_index == index)).one()
    body = row.body.replace(b"shaanxi", b"shaanxy")
    entry = commitment(row.salt, body)
    here = log_entries.c.leaf_index == index
    connection.execute(update(log_entries).where(here).values(body=body, commitment=entry))
    node = leaf_hash(entry)
    for level in range(levels):
        tile, at = divmod(index >> 8 * level, 256)
        place = (log_tiles.c.level == level) & (log_tiles.c.tile_index == tile)
        hashes = connection.execute(select(log_tiles.c.hashes).where(place)).scalar_one()
        hashes = hashes[: 32 * at] + node + hashes[32 * at + 32 :]
        connection.execute(update(log_tiles).where(place).values(hashes=hashes))
        row_hashes = [hashes[i : i + 32] for i in range(0, len(hashes), 32)]
        if len(row_hashes) < 256:
            return
        while len(row_hashes) > 1:
            pairs = range(0, len(row_hashes), 2)
            row_hashes = [node_hash(row_hashes[i], row_hashes[i + 1]) for i in pairs]
        node = row_hashes[0]


@pytest.mark.parametrize(
    ("index", "levels", "first", "last"),
    [
        (300, 0, 300, 300),  # only the entry: its leaf is not the one in the tile
        (300, 1, 256, 511),  # and the tile: the tile's hash is not the one above it
        (300, 2, 300, 699),  # and all tiles: the first checkpoint after it does not fit
        (20, 2, 0, 299),
        (699, 1, 300, 699),
    ],
)
def test_verify_entry_rewritten_with_its_tree_is_narrowed_down(
    engine: Engine, index: int, levels: int, first: int, last: int
) -> None:
    """B5: whoever rewrites an entry and the tree over it is found by the next signed root."""
    long_log(engine)
    verdict = undone(engine, lambda c: consistent_change(c, index, levels=levels))
    assert isinstance(verdict, Broken)
    assert verdict.leaf_index == first
    assert first == last or f"up to {last}" in verdict.why


ENTRY = log_entries.c.leaf_index


def null_an_entry(connection: Connection) -> None:
    connection.execute(
        update(log_entries).where(ENTRY == 2).values(salt=None, body=None, subject=None)
    )


def null_a_body(connection: Connection) -> None:
    connection.execute(update(log_entries).where(ENTRY == 2).values(body=None))


def delete_an_entry(connection: Connection) -> None:
    connection.execute(delete(log_entries).where(ENTRY == 2))


def swap_two_entries(connection: Connection) -> None:
    for old, new in ((2, 99), (3, 2), (99, 3)):
        connection.execute(
            update(log_entries).where(log_entries.c.leaf_index == old).values(leaf_index=new)
        )


def fill_an_erased_entry(connection: Connection) -> None:
    row = connection.execute(select(log_entries).where(ENTRY == 1)).one()
    assert row.body is None
    values = {"salt": bytes(16), "body": b"x", "commitment": row.commitment}
    connection.execute(update(log_entries).where(ENTRY == 1).values(values))


def add_an_entry(connection: Connection) -> None:
    row = {
        "leaf_index": 9,
        "event_id": b"y" * 16,
        "kind": "bound",
        "at": 1,
        "commitment": bytes(32),
    }
    connection.execute(insert(log_entries).values(row))


def add_an_entry_to_the_tree(connection: Connection) -> None:
    add_an_entry(connection)
    tile = connection.execute(select(log_tiles.c.hashes)).scalar_one()
    connection.execute(update(log_tiles).values(hashes=tile + leaf_hash(bytes(32))))


def add_an_event_to_the_tree(connection: Connection) -> None:
    add_to_the_tree(connection, an_event(99))


def add_to_the_tree(connection: Connection, event: Event) -> None:
    body = encode_event(event)
    entry = commitment(bytes(16), body)
    row = {"leaf_index": 9, "event_id": event.event_id, "kind": event.kind.value, "at": event.at,
           "salt": bytes(16), "body": body, "commitment": entry}  # fmt: skip
    connection.execute(insert(log_entries).values(row))
    tile = connection.execute(select(log_tiles.c.hashes)).scalar_one()
    connection.execute(update(log_tiles).values(hashes=tile + leaf_hash(entry)))


def add_an_erasure_to_the_tree(connection: Connection) -> None:
    """Of something that is no list of entries."""
    event = Event(b"z" * 16, Kind.ENTRIES_ERASED, NOW, None, {"entries": 1, "kept": bytes(32)})
    add_to_the_tree(connection, event)


def give_an_erased_entry_a_time_beyond_our_cbor(connection: Connection) -> None:
    connection.execute(update(log_entries).where(ENTRY == 1).values(at=2**60))


def add_a_tile(connection: Connection) -> None:
    connection.execute(insert(log_tiles).values(level=3, tile_index=0, hashes=b""))


def delete_the_tiles(connection: Connection) -> None:
    connection.execute(delete(log_tiles))


def delete_the_head(connection: Connection) -> None:
    connection.execute(delete(log_head))


def lengthen_the_tile(connection: Connection) -> None:
    connection.execute(
        update(log_tiles).values(
            hashes=connection.execute(select(log_tiles.c.hashes)).scalar_one() + bytes(32)
        )
    )


CHANGES: dict[Callable[[Connection], None], tuple[int | None, str]] = {
    null_an_entry: (2, "no event says that it was erased"),
    null_a_body: (2, "not what was committed to"),
    delete_an_entry: (2, "is missing"),
    swap_two_entries: (2, "not the one in the tree"),
    fill_an_erased_entry: (1, "not what was committed to"),
    add_an_entry: (9, "not the one in the tree"),
    add_an_entry_to_the_tree: (9, "no event says that it was erased"),
    add_an_event_to_the_tree: (9, "stands beyond the signed head"),
    add_an_erasure_to_the_tree: (9, "names no entries"),
    give_an_erased_entry_a_time_beyond_our_cbor: (1, "not what was left"),
    add_a_tile: (None, "tile 3/0"),
    delete_the_tiles: (0, "not the one in the tree"),
    delete_the_head: (0, "no head"),
    lengthen_the_tile: (None, "tile 0/0"),
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_verify_changed_rows_are_named(
    engine: Engine, change: Callable[[Connection], None]
) -> None:
    """Rows that are emptied, deleted, swapped, filled or added are found, and the first named."""
    small_log(engine)
    verdict = undone(engine, change)
    assert isinstance(verdict, Broken)
    index, why = CHANGES[change]
    assert verdict.leaf_index == index
    assert why in verdict.why


def test_verify_names_the_first_of_several(engine: Engine) -> None:
    """Whatever else is wrong, the first entry that does not fit is the one that is named."""
    small_log(engine)

    def several(connection: Connection) -> None:
        for index in (7, 3, 5):
            connection.execute(
                update(log_entries).where(log_entries.c.leaf_index == index).values(kind="bound")
            )

    verdict = undone(engine, several)
    assert verdict == Broken(3, "has columns that differ from its body")
    assert str(verdict) == "entry 3 has columns that differ from its body"


def test_verify_log_that_was_rolled_back_does_not_fit_what_was_seen(engine: Engine) -> None:
    """D11, D17: an older or forked state is in order by itself, and found by who remembers."""
    log = a_log(engine)
    log.append(some_events(0, 5), now=NOW)
    seen = log.checkpoint()
    with writing(engine) as connection:
        for table in TABLES:
            connection.execute(delete(table))
    a_log(engine).append(some_events(0, 3), now=NOW)
    assert isinstance(verify_log(engine, KEY), Verified)
    verdict = verify_log(engine, KEY, seen=[seen])
    assert verdict == Broken(3, "is missing: 5 entries were signed")
    a_log(engine).append(some_events(10, 3), now=NOW)
    verdict = verify_log(engine, KEY, seen=[seen])
    assert isinstance(verdict, Broken)
    assert (verdict.leaf_index, verdict.why) == (0, "or a later one up to 4 is not what was signed")


def test_verify_with_another_key_is_broken(engine: Engine) -> None:
    """A log that somebody else signed is not this log."""
    small_log(engine)
    for key in (
        NoteKey(ORIGIN, SeedSigner(b"\x01" * 32).public_key),
        NoteKey("another.example/log", SIGNER.public_key),
    ):
        verdict = verify_log(engine, key)
        assert isinstance(verdict, Broken)
        assert "no known key" in verdict.why


def test_verify_seen_checkpoint_of_another_log_is_said(engine: Engine) -> None:
    """A checkpoint that cannot be compared is not passed over."""
    small_log(engine)
    verdict = verify_log(engine, KEY, seen=[b"not a checkpoint"])
    assert isinstance(verdict, Broken)
    assert "a checkpoint that was seen" in verdict.why


def test_damaged_database_error_is_one_of_ours(tmp_path: Path) -> None:
    """Readers other than verify get the damage named as well."""
    path = tmp_path / "log.db"
    with opened(f"sqlite:///{path}") as engine:
        small_log(engine)
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(data)
    engine = open_engine(f"sqlite:///{path}")
    with pytest.raises(DatabaseDamagedError):
        a_log(engine)
    engine.dispose()
