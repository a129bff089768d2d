"""The examples in docs/spec/code.md and docs/spec/status-list.md are what the code makes.

python -m tests.unit.verifier.test_check_docs        writes them anew
"""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Final

import pytest

from keys import cbor
from tests.code_support import DAY_S, NOW, SHAANXI, World, paper_code, phone_code, signer
from tests.diagnostic import diagnostic
from tests.page_support import SPEC, block, write_examples
from verifier.check import CHECKPOINT, HOSPITAL, VENUE, Kind, Policy, Reason
from verifier.claims import HOUR_S, MAX_EXP, MIN_EXP, Colour, parse_code
from verifier.presentation import sign_presentation
from verifier.statusdelta import (
    MAX_CHANGES_BYTES,
    MAX_DELTA_BYTES,
    StatusDelta,
    apply_delta,
    encode_changes,
    recall_delta,
    sign_delta,
)
from verifier.statuslist import (
    DEFAULT_ENTRIES,
    MAX_ENTRIES,
    MAX_SNAPSHOT_BYTES,
    MAX_TOKEN_BYTES,
    Snapshot,
    Status,
    pack_statuses,
    recall_status_list,
    sign_snapshot,
    sign_status_list,
)
from verifier.transport import MAX_TEXT_CHARS, encode_text


def _parts(data: bytes) -> list[bytes]:
    parts = cbor.decode(data[1:], max_bytes=1_000)
    assert isinstance(parts, list)
    return [part for part in parts if isinstance(part, bytes)]


def _inside(data: bytes) -> str:
    header, payload, _ = _parts(data)
    return "\n".join(diagnostic(cbor.decode(part, max_bytes=500)) for part in (header, payload))


def _whole(data: bytes) -> str:
    return f"18({diagnostic(cbor.decode(data[1:], max_bytes=1_000))})"


def _paper() -> str:
    code = paper_code()
    return f"{_whole(code)}\n\n{code.hex()}\n\n{encode_text(code)}"


def _phone_inside() -> str:
    return diagnostic(cbor.decode(_parts(phone_code())[1], max_bytes=500))


def _presentation() -> str:
    shown = sign_presentation(phone_code(), signer("holder"), now=NOW)
    return f"{_whole(shown)}\n\n{shown.hex()}"


def _delta() -> bytes:
    changes = {1: encode_changes({3: Status.WITHDRAWN, 7: Status.SUPERSEDED})}
    at = NOW - HOUR_S // 2
    delta = StatusDelta("610000", at, NOW + DAY_S, NOW - HOUR_S, changes)
    return sign_delta(delta, SHAANXI.status_signer)


def _token() -> bytes:
    return sign_status_list(
        pack_statuses({2: Status.WITHDRAWN, 3: Status.SUPERSEDED}, entries=16),
        uri=SHAANXI.uri(1),
        issued_at=NOW - HOUR_S,
        exp=NOW + DAY_S,
        ttl=HOUR_S,
        signer=SHAANXI.status_signer,
    )


def _snapshot_inside() -> str:
    held = recall_status_list(_token(), World().trust)
    new = apply_delta(held, recall_delta(_delta(), World().trust))
    snapshot = Snapshot(
        "610000", NOW - HOUR_S // 2, NOW + DAY_S, 7, {1: new.digest}, sha256(_delta()).digest()
    )
    return _inside(sign_snapshot(snapshot, SHAANXI.status_signer))


def _kinds() -> str:
    rows = ((kind, [r.value for r in Reason if r.kind is kind]) for kind in Kind)
    return "\n".join(f"{kind:<14}{', '.join(reasons)}" for kind, reasons in rows)


EXAMPLES: Final[dict[tuple[str, str], Callable[[], str]]] = {
    ("code.md", "paper"): _paper,
    ("code.md", "paper-inside"): lambda: _inside(paper_code()),
    ("code.md", "phone-inside"): _phone_inside,
    ("code.md", "presentation"): _presentation,
    ("code.md", "kinds"): _kinds,
    ("status-list.md", "status-list"): lambda: _whole(_token()),
    ("status-list.md", "status-list-inside"): lambda: _inside(_token()),
    ("status-list.md", "delta-inside"): lambda: _inside(_delta()),
    ("status-list.md", "snapshot-inside"): _snapshot_inside,
}


@pytest.mark.parametrize(("file", "name"), EXAMPLES, ids="-".join)
def test_example_in_the_spec_is_what_the_code_makes(file: str, name: str) -> None:
    """A reader who follows the example gets these bytes."""
    assert block(name, EXAMPLES[file, name]()) in (SPEC / file).read_text()


def test_limits_in_the_spec_are_those_of_the_code() -> None:
    """The numbers that the pages name are the constants."""
    code, lists = (
        " ".join((SPEC / name).read_text().split()) for name in ("code.md", "status-list.md")
    )
    assert f"at most {MAX_TEXT_CHARS} characters" in code
    first, last = -(-MIN_EXP // HOUR_S) * HOUR_S, MAX_EXP // HOUR_S * HOUR_S
    assert f"first possible exp is {first:,} and the last {last:,}" in code
    assert f"at most {MAX_ENTRIES:,} entries and a token at most {MAX_TOKEN_BYTES:,}" in lists
    assert f"a snapshot has at most {MAX_SNAPSHOT_BYTES:,} bytes" in lists
    assert f"a delta at most {MAX_DELTA_BYTES:,}, its changes inflate to" in lists
    assert f"to at most {MAX_CHANGES_BYTES:,}" in lists
    assert f"issuers make {DEFAULT_ENTRIES:,}" in lists


def test_step_table_in_the_spec_names_every_reason() -> None:
    """No reason of the check is missing from the steps or the kinds of the page."""
    text = (SPEC / "code.md").read_text()
    rows = text[text.index("| step |") : text.index("A code that passes")]
    assert set(Reason) - {Reason.ADMITTED} <= set(re.findall(r"[a-z-]+", rows))


@pytest.mark.parametrize("policy", [VENUE, CHECKPOINT, HOSPITAL], ids=lambda policy: policy.name)
def test_policy_in_the_spec_is_that_of_the_code(policy: Policy) -> None:
    """The table of policies says what each admits, shows, denies and remembers."""
    text = (SPEC / "code.md").read_text()
    row = re.search(rf"^\| {policy.name} \| (.*) \|$", text, re.MULTILINE)
    assert row is not None
    admits, shows, denies, repeats = row[1].split(" | ")
    assert admits == ("green" if policy.admitted == {Colour.GREEN} else "every colour")
    assert shows == ("yes" if policy.shows_colour else "no")
    assert (denies == "stays") is policy.denies
    assert repeats == ("yes" if policy.refuses_repeats else "no")


@pytest.mark.parametrize("code", [paper_code(), phone_code()], ids=["paper", "phone"])
def test_offsets_in_the_spec_are_those_of_the_bytes(code: bytes) -> None:
    """Each offset of the table of bytes points at what the table says is there."""
    text = (SPEC / "code.md").read_text()
    offsets = {
        what: int(place[len(code) > 100])
        for line in text.splitlines()
        if (match := re.match(r"\| (\d*) ?\| (\d+) \| [^|]+ \| \*\*([a-z ]+)\*\*", line))
        for place, what in [((match[1] or "-1", match[2]), match[3])]
    }
    parsed = parse_code(code)
    assert code[offsets["kid"] :][:4] == parsed.kid
    assert int.from_bytes(code[offsets["exp"] :][:4]) == parsed.exp
    cti = int.from_bytes(code[offsets["cti"] :][:5])
    assert (cti >> 20, cti & 0xFFFFF) == (parsed.list_number, parsed.status_index)
    assert code[offsets["colour"]] == parsed.colour
    assert code[offsets["signature"] :] == parsed.signed[:64]
    if parsed.holder_key is not None:
        assert code[offsets["holder key"] :][:32] == parsed.holder_key


if __name__ == "__main__":
    write_examples(EXAMPLES)
