"""Two issuers and a venue in three network namespaces: real programs, real TLS, cut lines."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from issuer.codes.lists import SPREAD_S
from tests.netns_support import Issuer, Network, three_hosts, until

NAME, PHONE = "王小明", "+8613800138000"

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes network namespaces"),
]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 # a generator
    if shutil.which("ip") is None or shutil.which("openssl") is None:
        pytest.fail("Debian's packages iproute2 and openssl are missing: make system")
    with three_hosts(tmp_path_factory.mktemp("regions")) as made:
        yield made


def tell(there: Issuer, *days: int, name: str = NAME, phone: str = PHONE) -> list[str]:
    """Tell Shaanxi of contacts; the ids of the records."""
    records = [
        {"kind": "contact", "value": "confirmed", "at": f"{_day(day)}T08:00:00+08:00"}
        for day in days
    ]
    told = json.dumps({"name": name, "phone": phone, "records": records})
    printed = there.celadon("region", "tell", "--to", "610000", "-", text=told)
    return [line.split()[0] for line in printed.splitlines()[1:]]


def _day(ago: int) -> str:
    return (datetime.now(UTC) - timedelta(days=ago)).strftime("%Y-%m-%d")


def colour(issuer: Issuer, token: str) -> str:
    return str(issuer.ask("GET", "/me/colour", token=token)["colour"])


def recorded(issuer: Issuer) -> list[str]:
    """The ids of all records from the other region, as often as they are there."""
    database = issuer.folder / "private" / "issuer.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT hex(evidence_id) FROM evidence WHERE origin_region = '230000'")
        return sorted(row[0].lower() for row in rows)


def taken_events(issuer: Issuer) -> int:
    database = issuer.folder / "private" / "audit.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        query = "SELECT count(*) FROM log_entries WHERE kind = 'region-notice-taken'"
        return int(db.execute(query).fetchone()[0])


def tries(issuer: Issuer) -> list[int]:
    """How often each notice without a receipt was tried; faster than by the command."""
    database = issuer.folder / "private" / "issuer.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        query = "SELECT tries FROM region_outbox WHERE receipt IS NULL"
        return [int(row[0]) for row in db.execute(query)]


def checked(network: Network, code: str) -> str:
    """The venue's verdict, by what it holds."""
    return network.venue.python("-m", "verifier", code, codes=(0, 10, 20, 30))


def paper(issuer: Issuer, token: str) -> str:
    """A new paper code of whoever is bound by *token*."""
    (code,) = issuer.ask("POST", "/me/codes", {"medium": "paper"}, token=token)["codes"]
    return str(code)


def updated(network: Network) -> bool:
    """Whether the venue has the newest lists of both."""
    return "error" not in network.venue.python("-m", "verifier", "update", codes=(0, 1, 3))


def test_told_contested_and_corrected_from_end_to_end(network: Network) -> None:
    """The whole way of one traveller, over lines that are cut, slow, lossy and repeat."""
    there, here, venue = network.there, network.here, network.venue
    sources = [
        part
        for issuer in (there, here)
        for part in ("--source", f"https://{issuer.address}/api/v1/published")
    ]

    # A traveller who is registered in Shaanxi is green, and the venue admits them.
    token = here.bound(NAME, PHONE)
    assert colour(here, token) == "green"
    codes = [paper(here, token) for _ in range(12)]
    until("the code's list is published", 60, lambda: _has_lists(here))
    venue.python("-m", "verifier", "setup", "--roots", str(network.roots), *sources)
    assert checked(network, codes[0]).startswith("√")

    # The line is cut when Heilongjiang tells of a contact: it waits.
    network.cut()
    ids = tell(there, 1)
    until("a try has failed", 90, lambda: max(tries(there)) > 0)
    assert there.celadon("region", "queue").startswith("610000  1 since ")
    assert recorded(here) == []

    # Mended, but slow, and it loses requests and answers and delivers twice: one effect each.
    here.set_line(latency_s=5, fates=["request", "", "answer", ""], twice=True)
    network.mend()
    ids += [*tell(there, 2), *tell(there, 3)]
    until("every notice has its receipt", 240, lambda: not tries(there))
    here.set_line()
    until("every notice had its effect", 60, lambda: len(recorded(here)) == 3)
    assert recorded(here) == sorted(ids)
    assert taken_events(here) == 3
    shown = here.ask("GET", "/me/colour", token=token)
    assert shown["colour"] == "red"
    assert "黑龙江" in shown["reasons"][0]["zh"]
    assert "Heilongjiang" in shown["reasons"][0]["en"]

    until("the venue holds the new code's list", 60, lambda: updated(network))
    assert "DO NOT ADMIT" in checked(network, paper(here, token))

    # The person contests it; Heilongjiang says that it was wrong.
    wanted = {"region": "230000", "ground": "not-me"}
    appeal = here.ask("POST", "/me/appeals", wanted, token=token)["appeal"]
    until("the appeal is there", 90, lambda: taken_events(there) == 1)
    assert appeal in there.celadon("region", "appeals")
    there.celadon("region", "answer", appeal, "corrected")
    until("the answer is back", 90, lambda: colour(here, token) == "green")
    (after,) = here.ask("GET", "/me/appeals", token=token)["appeals"]
    assert (after["state"], len(after["steps"])) == ("corrected", 2)
    assert recorded(here) == []

    # What was taken back becomes public within the spread, one code after the other.
    def refused() -> bool:
        return updated(network) and any("newer code" in checked(network, code) for code in codes)

    until("the venue refuses an old code", SPREAD_S + 60, refused)
    carry_by_files(network)

    # Nothing of it is in a log, and both databases are as their logs say.
    for issuer in (there, here):
        assert "0 findings" in issuer.celadon("replay")
        for log in issuer.folder.glob("*.log"):
            assert "13800138000" not in log.read_text()


def carry_by_files(network: Network) -> None:
    """What a line would carry, and the receipt back."""
    there, here = network.there, network.here
    stick = there.folder.parent / "stick"
    network.cut()
    (again,) = tell(there, 4)
    there.celadon("region", "send", str(stick), "--to", "610000")
    (notice,) = stick.glob("*.notice")
    assert NAME.encode() not in notice.read_bytes()
    here.celadon("region", "receive", str(notice))
    assert recorded(here) == [again]
    there.celadon("region", "receive", str(notice.with_suffix(".receipt")))
    assert there.celadon("region", "queue") == ""
    network.mend()


def _has_lists(issuer: Issuer) -> bool:
    return any((issuer.folder / "public" / "status").glob("*.cwt"))
