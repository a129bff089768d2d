"""Who holds all that doors download and the issuer's databases, but no key, names nobody.

The observer has: the public folder and a venue's folder at several times, every byte of both
databases with their write-ahead files, and the codes that a door with its own software kept. Not:
the keystore. People are registered, take codes, fall ill and lose them through the real service.

What this observer *does* read stands in docs/privacy.md, section 3, and docs/threat-model.md, B3
and B7: decisions and evidence (kinds, places, times) and how many codes were fetched and taken back
when, by subject. Who knows from elsewhere where somebody was can recognise a subject by that. And
who is alone in losing codes between two publications is alone in those lists: the crowd that hides
a position is the people whose codes became public together.
"""

import base64
import hashlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from statistics import correlation
from typing import Final
from urllib.parse import quote

import pytest
from stdnum.cn import ric

from issuer.publication.publish import Publisher
from issuer.storage.sealing import associated
from keys.lifecycle import Purpose
from keys.trustlist import encode_roots, encode_trust_list, sign_trust_list
from tests.issuing_support import DAY_S, holder_keys, signer
from tests.web_support import Site, serving
from verifier.cache import Cache, Statuses
from verifier.claims import ParsedCode, parse_code
from verifier.sources import FolderSource
from verifier.transport import decode_text
from verifier.update import set_up, update

COUNT: Final = 24
#: Those who fall ill: all of them in one hour.
ILL: Final = range(0, COUNT, 2)
SIZE: Final = 4096

Canary = tuple[str, str, str]


def _canary(number: int) -> Canary:
    """A name, phone and identity number that occur nowhere else."""
    body = f"610102199{number % 10}0{1 + number % 9}{11 + number // 10}{100 + 7 * number}"
    return (
        f"金丝雀{chr(0x4E00 + 97 * number)}",
        f"139{71_300_011 + 1_234_567 * number % 28_000_000:08}",
        body + ric.calc_check_digit(f"{body}?"),
    )


CANARIES: Final = tuple(_canary(number) for number in range(COUNT))


@dataclass(frozen=True)
class Observed:
    """What the observer holds, and the truth to hold the guesses against.

    Attributes:
        raw: Every file by name, and every value of every table.
        tables: Rows by table, in the order of the file.
        times: The public lists at each publication: entries that are not valid.
        subjects: The subject of each person.
        codes: The codes of each person, as a door may have kept them.
    """

    raw: dict[str, bytes]
    tables: dict[str, list[tuple[object, ...]]]
    columns: dict[str, list[str]]
    times: list[set[tuple[int, int]]]
    subjects: list[bytes]
    codes: list[list[bytes]]

    def values(self) -> Iterator[tuple[str, object]]:
        for table, rows in self.tables.items():
            for row in rows:
                for column, value in zip(self.columns[table], row, strict=True):
                    yield f"{table}.{column}", value

    def column(self, table: str, column: str) -> list[object]:
        place = self.columns[table].index(column)
        return [row[place] for row in self.tables[table]]


@pytest.fixture
async def observed(tmp_path: Path) -> AsyncIterator[Observed]:
    async with serving(tmp_path) as site:
        yield await _observed(site, tmp_path)


async def _observed(site: Site, folder: Path) -> Observed:
    venue = str(folder / "venue")
    trust = site.desk.writer.authority.trust
    signed = sign_trust_list(encode_trust_list(trust), [signer("root")])
    set_up(venue, encode_roots(trust.roots), [])
    status = signer(Purpose.STATUS.value)
    publisher = Publisher(site.desk.writer, site.public, status, list_size=SIZE)
    times = []

    def publish() -> None:
        site.clock.now += 3600
        publisher.publish_all(signed, now=site.clock.now)
        report = update(venue, [FolderSource(str(site.public))], now=site.clock.now)
        assert report.problems == ()
        times.append(_taken_back(venue))

    publish()
    tokens, codes, subjects = [], [], []
    for number, (name, phone, identity_number) in enumerate(CANARIES):
        person = {"name": name, "phone": phone, "home": "610113"}
        tokens.append(await site.bound({**person, "identity_number": identity_number}))
        digest = site.people.digest_of_name_and_phone(name, f"+86{phone}")
        subject = site.people.find(digest)
        assert subject is not None
        subjects.append(subject)
        codes.append(await _codes(site, tokens[-1], number))
    publish()
    for number in ILL:
        said = {"symptoms": [{"value": "fever", "since": "2020-12-12"}], "survey": "clear"}
        answer = await site.ask("POST", "/me/declarations", said, token=tokens[number])
        assert answer.status == 201
    publish()
    publish()
    raw, tables, columns = _dumped(folder)
    return Observed(raw, tables, columns, times, subjects, codes)


async def _codes(site: Site, token: str, number: int) -> list[bytes]:
    """A paper code and one phone code of everybody."""
    key = base64.urlsafe_b64encode(holder_keys(1, first=number)[0]).rstrip(b"=").decode()
    made = []
    for wanted in ({"medium": "paper"}, {"medium": "phone", "holder_keys": [key]}):
        headers = {"Idempotency-Key": f"{wanted['medium']}-{number:010}"}
        answer = await site.ask("POST", "/me/codes", wanted, token=token, headers=headers)
        made += [decode_text(text) for text in answer.json["codes"]]
    return made


def _taken_back(venue: str) -> set[tuple[int, int]]:
    cache = Cache(venue)
    trust = cache.trust()
    assert trust is not None
    statuses = Statuses(cache.files, trust)
    return {
        (number, index)
        for number in statuses
        for index in range(statuses[number].size)
        if statuses[number].status(index)
    }


def _dumped(
    folder: Path,
) -> tuple[dict[str, bytes], dict[str, list[tuple[object, ...]]], dict[str, list[str]]]:
    """All files while the service runs, and all rows of both databases."""
    copy = shutil.copytree(folder, folder / "copy")
    raw = {
        str(path.relative_to(copy)): path.read_bytes() for path in copy.rglob("*") if path.is_file()
    }
    assert {"issuer.db", "issuer.db-wal", "audit.db", "audit.db-wal"} <= raw.keys()
    tables: dict[str, list[tuple[object, ...]]] = {}
    columns: dict[str, list[str]] = {}
    for database in ("issuer.db", "audit.db"):
        with closing(sqlite3.connect(copy / database)) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in names.fetchall():
                selected = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608
                columns[table] = [each[0] for each in selected.description]
                tables[table] = selected.fetchall()
    for table, rows in tables.items():
        for row in rows:
            for column, value in zip(columns[table], row, strict=True):
                # An overflow page may cut a value in two; here it is whole.
                whole = value if isinstance(value, bytes) else str(value).encode()
                raw[f"{table}.{column}"] = raw.get(f"{table}.{column}", b"") + b"\0" + whole
    return raw, tables, columns


# --- no canary, and nothing that is made of one without a key -----------------------------------


def _spellings(canary: Canary) -> Iterator[str]:
    name, phone, number = canary
    yield from (name, f"+86{phone}", f"86{phone}", phone, f"0086{phone}", number, number.lower())
    yield from (f"{phone[:3]} {phone[3:7]} {phone[7:]}", f"{phone[:3]}-{phone[3:7]}-{phone[7:]}")
    yield from (phone[3:], number[6:14] + number[14:17], name[2:] + phone)


CODECS: Final = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "gbk", "gb18030")


def _encodings(text: str) -> Iterator[bytes]:
    for codec in CODECS:
        plain = text.encode(codec)
        yield plain
        yield plain.hex().encode()
        yield plain.hex().upper().encode()
        for shift in range(3):  # base64 of it, wherever it begins in what was encoded
            coded = base64.b64encode(bytes(shift) + plain)[4 * (shift > 0) :]
            yield coded[: len(coded) // 4 * 4 - 4]
            yield base64.urlsafe_b64encode(bytes(shift) + plain)[4 * (shift > 0) : -4]
    yield quote(text).encode()
    yield text.encode("unicode_escape")
    if text.lstrip("+").isdecimal():
        for size, order in product((5, 6, 8), ("big", "little")):
            number = int(text.lstrip("+"))
            if number < 256**size:
                yield number.to_bytes(size, order)  # type: ignore[arg-type] # one of the two
        yield str(int(text.lstrip("+"))).encode()


SHORTEST: Final = 5


def found_in(raw: dict[str, bytes], needles: set[bytes]) -> set[str]:
    """The names of those that hold a needle. Looks a needle's beginning up in a set, for speed."""
    by_start: dict[bytes, list[bytes]] = {}
    for needle in needles:
        by_start.setdefault(needle[:SHORTEST], []).append(needle)
    return {
        name
        for name, data in raw.items()
        for start in {data[i : i + SHORTEST] for i in range(len(data))} & by_start.keys()
        if any(needle in data for needle in by_start[start])
    }


def test_no_canary_in_any_encoding(observed: Observed) -> None:
    """No name, phone or identity number, in no spelling and no code, in none of all the bytes."""
    needles = {
        coded
        for canary in CANARIES
        for spelling in _spellings(canary)
        for coded in _encodings(spelling)
        if len(coded) >= SHORTEST
    }
    assert len(needles) > 5_000
    assert found_in(observed.raw, needles) == set()


def test_search_for_canaries_would_find_them(observed: Observed) -> None:
    """The test above can fail: each coding of a value put among the bytes is found."""
    name, phone, number = CANARIES[3]
    hidden = (
        name.encode("gbk"), f"+86{phone}".encode(), b"\x1b" + int(phone).to_bytes(8, "big"),
        base64.b64encode(b"{" + f"name: {name}, and more".encode()), number.encode().hex().encode(),
    )  # fmt: skip
    needles = {c for s in _spellings(CANARIES[3]) for c in _encodings(s) if len(c) >= SHORTEST}
    for value in hidden:
        where = observed.raw["evidence.place"] + value
        assert found_in({"evidence.place": where}, needles), value


HASHES: Final[tuple[Callable[[bytes], bytes], ...]] = (
    *(
        (lambda data, name=name: hashlib.new(name, data).digest())
        for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "sm3")
        if name in hashlib.algorithms_available
    ),
    *(
        (lambda data, size=size: hashlib.blake2b(data, digest_size=size).digest())
        for size in (8, 16, 20, 32, 64)
    ),
    lambda data: hashlib.blake2s(data).digest(),
    lambda data: hashlib.sha256(hashlib.sha256(data).digest()).digest(),
)
#: That much of a digest is enough to recognise it, and to notice one that was cut.
PREFIX: Final = 8


def _guesses(canary: Canary, subject: bytes) -> Iterator[bytes]:
    """What somebody would hash who tries whether a person is here."""
    name, phone, number = canary
    phones = (phone, f"+86{phone}", f"86{phone}")
    texts = [name, number, *phones]
    for between in ("", "\0", "|", ":", ",", " ", "\n"):
        texts += [between.join(pair) for each in phones for pair in ((name, each), (each, name))]
        texts += [between.join((name, number)), between.join((number, name))]
        texts += [between.join((name, each, number)) for each in phones]
    for text in texts:
        plain = text.encode()
        yield from (plain, text.encode("gbk"), subject + plain, plain + subject)
    for label in ("name-phone", "identity-number", "identity", "name and phone"):
        yield associated(label, [name, phones[1]])
        yield associated(label, [number])
        yield associated(label, [f"{name}\0{phones[1]}".encode()])


def test_no_digest_that_a_guess_can_be_tried_by(observed: Observed) -> None:
    """Nothing here is an unkeyed hash of a name, a phone or a number, alone or together."""
    needles: set[bytes] = set()
    for canary, subject in zip(CANARIES, observed.subjects, strict=True):
        for guess in _guesses(canary, subject):
            for digest in (each(guess) for each in HASHES):
                needles |= {digest[:PREFIX], digest[:PREFIX].hex().encode()}
    assert len(needles) > 50_000
    assert digests_found(observed, needles) == set()


def digests_found(observed: Observed, needles: set[bytes]) -> set[str]:
    """Where any value of any table, or a file of the folders, begins with one of these."""
    found = set()
    for name, value in observed.values():
        data = value if isinstance(value, bytes) else str(value).encode()
        # A digest may stand anywhere inside a value, such as the body of a log entry.
        windows = {data[i : i + PREFIX] for i in range(max(1, len(data) - PREFIX + 1))}
        if not windows.isdisjoint(needles):
            found.add(name)
    return found


# --- no way from a code or a position to a subject ----------------------------------------------


def _parsed(observed: Observed) -> list[tuple[int, ParsedCode]]:
    """Each code with the number of its owner."""
    return [
        (number, parse_code(code)) for number, codes in enumerate(observed.codes) for code in codes
    ]


def test_codes_that_a_door_kept_lead_to_no_row(observed: Observed) -> None:
    """No part of a code and no unkeyed digest of it is in a database: the rows are sealed.

    Paper codes are one to a request, so are these phone codes: the worst case, in which a digest
    over a whole request could be tried by whoever saw its only code.
    """
    needles = set()
    for subject, codes in zip(observed.subjects, observed.codes, strict=True):
        for code in codes:
            key = parse_code(code).holder_key or b""
            needles |= {code[-64:][:PREFIX], bytes(key)[:PREFIX] or code}
            tried = (code, b"".join(codes), code[-64:], key, subject + key,
                     associated("request", (subject, 1, key)))  # fmt: skip
            needles |= {each(part)[:PREFIX] for part in tried for each in HASHES}
    assert digests_found(observed, needles) == set()


def test_positions_stand_in_public_rows_only(observed: Observed) -> None:
    """A position taken back is where everybody sees it, without a subject; others are nowhere."""
    published = {
        (row[observed.columns["status_change"].index("list_number")],
         row[observed.columns["status_change"].index("status_index")])
        for row in observed.tables["status_change"]
    }  # fmt: skip
    assert set() < published <= observed.times[-1]
    with_subject = {
        table for table, columns in observed.columns.items() if {"subject", "event_id"} & {*columns}
    }
    assert with_subject >= {"code_batch", "evidence", "decision", "log_entries"}
    needles = {
        (code.list_number << 20 | code.status_index).to_bytes(5, "big")
        for _, code in _parsed(observed)
    }
    for name, value in observed.values():
        if name.split(".", maxsplit=1)[0] in with_subject and isinstance(value, bytes):
            assert not any(needle in value for needle in needles), name


def ranks(values: Sequence[object]) -> list[int]:
    ordered = sorted(values)  # type: ignore[type-var] # all of one kind
    return [ordered.index(value) for value in values]


def test_order_of_rows_says_nothing_about_positions(observed: Observed) -> None:
    """However the observer sorts people, the order of their positions follows none of it."""
    rows = observed.tables["code_batch"]
    place = {name: i for i, name in enumerate(observed.columns["code_batch"])}
    number_of = {subject: number for number, subject in enumerate(observed.subjects)}
    indices = [
        next(c.status_index for n, c in _parsed(observed) if n == number and c.holder_key is None)
        for number in range(COUNT)
    ]
    first = {row[place["subject"]]: i for i, row in reversed([*enumerate(rows)])}
    orders: dict[str, list[object]] = {
        "time of issue": list(range(COUNT)),
        "place in the table": [first[s] for s in observed.subjects],
        "event id": [rows[first[s]][place["event_id"]] for s in observed.subjects],
        "subject": [*observed.subjects],
        "sealed bytes": [rows[first[s]][place["sealed"]] for s in observed.subjects],
    }
    assert number_of.keys() == first.keys()
    for name, order in orders.items():
        together = correlation(ranks(order), ranks(indices))
        assert abs(together) < 0.75, name  # an order that leaks gives 1; chance, of 24, never this


def test_times_and_counts_leave_a_position_to_the_whole_crowd(observed: Observed) -> None:
    """Who holds every publication and every row knows *that* these people lost codes, not which.

    The entries that changed between two publications belong to the people whose events lie between
    them, and each of those events has the same count: any of them fits any position.
    """
    place = {name: i for i, name in enumerate(observed.columns["code_batch"])}
    taken = [row for row in observed.tables["code_batch"] if row[place["taken_back"]] is not None]
    crowd = {row[place["subject"]] for row in taken}
    assert crowd == {observed.subjects[number] for number in ILL}
    changed = [after - before for before, after in pairwise(observed.times)]
    owners = {(code.list_number, code.status_index): number for number, code in _parsed(observed)}
    ours = [{owners[each] for each in change if each in owners} for change in changed]
    assert set().union(*ours) == {*ILL}
    for step in ours:
        assert step in (set(), {*ILL})
    per_person = {
        subject: sorted(
            (row[place["exp"]], row[place["issued_at"]] // DAY_S)  # type: ignore[operator]
            for row in taken
            if row[place["subject"]] == subject
        )
        for subject in crowd
    }
    assert len({str(shape) for shape in per_person.values()}) == 1
