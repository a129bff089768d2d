"""`celadon region`: what officers and operators type, and what they are told."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from issuer import opening
from issuer.cli import main
from issuer.settings import SETTINGS
from tests.installation_support import hand_out, listed, settings_below
from tests.issuing_support import NOW

TOLD = {
    "name": "王秀兰",
    "phone": "138 0013 8000",
    "records": [{"kind": "contact", "value": "confirmed", "at": "2020-12-10"}],
}


class Country:
    """Two installations, made by the commands themselves."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        for setting in SETTINGS:
            monkeypatch.delenv(setting.variable, raising=False)
        monkeypatch.setattr(opening, "clock", lambda: NOW)
        self.environs = {
            region: settings_below(folder / region, region=region)
            | {"CELADON_TRUST": str(folder / "trust")}
            for region in ("230000", "610000")
        }
        for region in self.environs:
            self.run(region, "init")
        self._trust()
        for region in self.environs:
            self.run(region, "adopt")

    def invoke(self, region: str, *arguments: str, text: str | None = None) -> Result:
        for name, value in self.environs[region].items():
            self._monkeypatch.setenv(name, value)
        return CliRunner().invoke(main, arguments, input=text)

    def run(self, region: str, *arguments: str, text: str | None = None) -> str:
        result = self.invoke(region, *arguments, text=text)
        assert result.exit_code == 0, result.output
        return result.output

    def refused(self, region: str, *arguments: str, text: str | None = None) -> str:
        """The one line of a refusal."""
        result = self.invoke(region, *arguments, text=text)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.output
        assert result.stderr.startswith("error: ")
        return result.stderr

    def _trust(self) -> None:
        issuers = [
            listed(values, first_list=1000 * number)
            for number, values in enumerate(self.environs.values(), start=1)
        ]
        hand_out(self.folder / "trust", *issuers, now=NOW)


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """Made once: it takes seconds. What a test tells is for itself."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Country(tmp_path_factory.mktemp("country"), monkeypatch)


def test_region_notice_travels_as_a_file_and_its_receipt_comes_back(country: Country) -> None:
    """The queue is empty then, and nothing that was printed names anybody."""
    stick = country.folder / "stick"
    printed = country.run("230000", "region", "tell", "--to", "610000", "-", text=json.dumps(TOLD))
    assert " since 2020-12-13" in country.run("230000", "region", "queue")
    printed += country.run("230000", "region", "send", str(stick), "--to", "610000")
    notices = sorted(map(str, stick.iterdir()))
    printed += country.run("610000", "region", "receive", *notices)
    receipts = map(str, stick.glob("*.receipt"))
    printed += country.run("230000", "region", "receive", *receipts)
    assert country.run("230000", "region", "queue") == ""
    assert "holds notice 1" in printed
    assert "王秀兰" not in printed
    assert "13800138000" not in printed
    again = country.run("610000", "region", "receive", *notices)
    assert "0 notices had their effect" in again
    for region in country.environs:
        assert "0 findings" in country.run(region, "replay")


def test_region_take_back_and_retract_name_what_they_did(country: Country) -> None:
    """By the ids that `tell` printed; from a region and a day on."""
    told = country.run("230000", "region", "tell", "--to", "610000", "-", text=json.dumps(TOLD))
    (record,) = re.findall(r"^  ([0-9a-f]{32})  contact", told, re.MULTILINE)
    taken = country.run("230000", "region", "take-back", "--to", "610000", record)
    assert "waits for region 610000" in taken
    retracted = ("region", "retract", "--from", "230000", "--since", "2020-12-01")
    assert "0 records" in country.run("610000", *retracted)
    assert country.run("610000", "region", "appeals") == ""


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": None}, "needs a name"),
        ({"phone": None}, "a phone or an identity number"),
        ({"phone": 7}, "are texts"),
        ({"phone": "+8613800"}, "phone: "),
        ({"name": "王\u202e"}, "name: The name has a character"),
        ({"extra": 1}, "not an object with"),
        ({"records": []}, "records"),
        ({"records": [{"kind": "score", "value": "7", "at": "2020-12-10"}]}, "kind"),
        ({"records": [{"kind": "contact", "value": "confirmed"}]}, "at: not a time"),
        ({"records": [{"kind": "contact", "value": "confirmed", "at": "yesterday"}]}, "at: "),
        ({"records": [{"colour": "red"}]}, "a record is not an object"),
    ],
)
def test_region_tell_of_what_is_wrong_says_which_member_and_never_its_value(
    country: Country, changed: dict[str, object], words: str
) -> None:
    """One line, nothing queued."""
    before = country.run("230000", "region", "queue")
    told = {name: value for name, value in {**TOLD, **changed}.items() if value is not None}
    line = country.refused("230000", "region", "tell", "--to", "610000", "-", text=json.dumps(told))
    assert words in line
    assert "13800" not in line
    assert country.run("230000", "region", "queue") == before


def test_region_commands_refuse_in_one_line(country: Country) -> None:
    """Whatever is not there."""
    text = json.dumps(TOLD)
    for to in ("330000", "230000", "x"):
        line = country.refused("230000", "region", "tell", "--to", to, "-", text=text)
        assert "no key to seal notices" in line
    assert "not JSON" in country.refused(
        "230000", "region", "tell", "--to", "610000", "-", text="{"
    )
    assert "32 hex digits" in country.refused("230000", "region", "answer", "ab", "upheld")
    assert "no open appeal" in country.refused("230000", "region", "answer", "0" * 32, "upheld")
    assert "was not told" in country.refused(
        "230000", "region", "take-back", "--to", "610000", "0" * 32
    )
    file = country.folder / "notice"
    file.write_bytes(b"\xa0")
    assert "malformed" in country.refused("610000", "region", "receive", str(file))
    file.write_bytes(b"\xd2\x80")
    assert "no notice of ours" in country.refused("610000", "region", "receive", str(file))


def test_region_retract_since_no_time_says_how_a_time_is_written(country: Country) -> None:
    """The name of a rule is for programs; whoever types reads its text."""
    said = country.refused("610000", "region", "retract", "--from", "230000", "--since", "today")
    assert said.startswith("error: since: Write a date as 2020-12-13")
