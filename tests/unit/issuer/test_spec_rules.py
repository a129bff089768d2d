"""The pages docs/spec/{evidence,risk-table,rules}.md say what the code does."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from issuer.colour.evidence import VOCABULARY, Evidence, Kind, encode_evidence
from issuer.colour.notice import EVIDENCE_TYP, Entry, Notice, Retraction, sign_notice, verify_notice
from issuer.colour.risk import RISK_TABLE_TYP, RiskChange, RiskLevel, RiskTable, encode_risk_table
from issuer.rules.ruledata import RuleSetData
from issuer.rules.ruleproblems import RuleProblemKind
from issuer.rules.rules import RULES_TYP
from keys import cbor
from keys.cose import parse_sign1
from keys.signer import SeedSigner
from tests.diagnostic import diagnostic
from tests.evidence_support import NOW, shaanxi_data

SPEC = Path(__file__).parents[3] / "docs" / "spec"
RECORD = Evidence(
    bytes(range(16)), Kind.CONTACT, 1607569200, None, "", "confirmed", "0badc0de", "230000", NOW
)


def page(name: str) -> str:
    return (SPEC / f"{name}.md").read_text("utf-8")


def example(name: str, label: str) -> str:
    found = re.search(rf"<!-- example: {label} -->\n```\n(.*?)```", page(name), re.DOTALL)
    assert found is not None
    return found[1]


def squeezed(notation: str) -> str:
    """Without the blanks that only lay a page out."""
    return "".join(notation.split())


def cells(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table after *heading*, without its head."""
    table = text.split(heading, 1)[1].split("|\n\n", 1)[0].split("|\n")[2:]
    return [[cell.strip() for cell in row.removeprefix("|").split("|")] for row in table]


def test_spec_evidence_record_is_what_the_code_encodes() -> None:
    """The example of a record is regenerated from the code."""
    value = cbor.decode(encode_evidence(RECORD), max_bytes=256)
    assert squeezed(example("evidence", "record")) == squeezed(diagnostic(value))


def test_spec_evidence_lines_are_those_of_a_notice() -> None:
    """The example of lines is what signing writes and verifying reads."""
    signer, subject = SeedSigner(bytes(32)), bytes(15) + b"\x0a"
    source = signer.kid.hex()
    contact = replace(RECORD, source=source)
    arrival = Evidence(
        bytes(range(16, 32)), Kind.ARRIVAL, 1607745600, None, "231081-qingyun", "entered",
        source, "230000", NOW,
    )  # fmt: skip
    entries = (Entry(subject, contact), Entry(subject, arrival))
    gone = Retraction(subject, bytes(range(32, 48)), source, NOW)
    notice = Notice(1, NOW, "230000", source, entries, (gone,))
    signed = sign_notice(notice, signer)
    payload = cbor.decode(
        parse_sign1(signed, typ=EVIDENCE_TYP, max_bytes=4096).payload, max_bytes=4096
    )
    assert payload == {1: 1, 2: NOW, 3: "230000", 4: example("evidence", "lines")}
    assert verify_notice(signed, signer.public_key, after=0) == notice


def test_spec_evidence_names_the_whole_vocabulary() -> None:
    """Every kind with its values, and nothing else, stands in the table."""
    rows = cells(page("evidence"), "| kind | values")
    listed = {}
    for kind, values, place, until in rows:
        words = set(re.findall(r"`([a-z-]+)`", values))
        listed[kind.strip("`")] = (words, place != "", until != "")
    assert listed == {
        kind.value: (set(shape.values), shape.place, shape.until)
        for kind, shape in VOCABULARY.items()
    }


def test_spec_risk_table_is_what_the_code_encodes() -> None:
    """The example of a table is regenerated from the code."""
    change = RiskChange("231081-qingyun", RiskLevel.MEDIUM, 1607788800)
    value = cbor.decode(encode_risk_table(RiskTable(1, 1607842800, (change,))), max_bytes=256)
    assert squeezed(example("risk-table", "table")) == squeezed(diagnostic(value))


@pytest.mark.parametrize(
    ("name", "typ"),
    [("evidence", EVIDENCE_TYP), ("risk-table", RISK_TABLE_TYP), ("rules", RULES_TYP)],
)
def test_spec_names_the_type(name: str, typ: str) -> None:
    """Each page names the typ of its signed form."""
    assert f"`{typ}`" in page(name)


def test_spec_rules_lists_every_reason_to_refuse() -> None:
    """The table of refusals and the code name the same kinds."""
    assert {row[0].strip("`") for row in cells(page("rules"), "| kind | MUST NOT")} == {
        *RuleProblemKind
    }


def test_spec_rules_lists_every_member_of_the_file() -> None:
    """The table of members and the schema name the same members."""
    rows = cells(page("rules"), "| member | what it says")
    listed = {word for row in rows for word in re.findall(r"`([a-z_]+)`", row[0])}
    assert listed == set(RuleSetData.model_fields)


def test_spec_rules_example_is_in_the_shipped_file() -> None:
    """The rule shown is the rule that decides."""
    found = re.search(r"```json\n.*?\n\n(.*?)```", page("rules"), re.DOTALL)
    assert found is not None
    assert json.loads(found[1]) == shaanxi_data()["rules"][0]


def test_spec_rules_maps_every_line_of_the_standard_to_a_rule() -> None:
    """Each red and yellow rule stands for a line of the notice, or is named as ours."""
    text = page("rules").split("## The Shaanxi standard", 1)[1]
    for rule in shaanxi_data()["rules"]:
        assert f"`{rule['id']}`" in text
