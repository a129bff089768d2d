"""The examples in docs/spec/sign1.md and docs/spec/trust-list.md are what the code makes.

python -m tests.unit.keys.test_keys_docs        writes them anew
"""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from keys import cbor
from keys.cose import sign_sign1
from keys.kid import kid
from keys.signer import SeedSigner
from keys.trustenvelope import MAX_BYTES, MAX_SIGNATURES
from keys.trustmodel import MAX_KEYS, MAX_LIST_NUMBER, MAX_POLICIES, MAX_ROOTS, MAX_TEXT, UNSEEN
from keys.trustsource import source_of_trust_list
from keys.trustupdate import MAX_SKEW_S, MAX_STEP
from tests.diagnostic import diagnostic
from tests.page_support import SPEC, block, write_examples
from tests.vectors import generate_trust_list as generate


def _sign1() -> str:
    data = sign_sign1(b"\xa0", SeedSigner(b"\x07" * 32), typ="application/celadon-rules+cbor")
    parts = cbor.decode(data[1:], max_bytes=1_000)
    return f"18({diagnostic(parts)})\n\n{data.hex()}"


def _payload() -> str:
    return diagnostic(cbor.decode(generate.PAYLOAD, max_bytes=10_000))


def _envelope() -> str:
    parts = cbor.decode(generate.GOOD[2:], max_bytes=10_000)
    assert isinstance(parts, list)
    parts[2] = b""
    return f"98({diagnostic(parts)})".replace("h''", "<the payload>")


def _source() -> str:
    """Of a first list, with one issuer whose keys stand as their records."""
    first = replace(
        generate.LIST, version=1, issuers=(generate.SHAANXI,), withdrawn=frozenset(), policies=()
    )
    source: dict[str, Any] = source_of_trust_list(first)
    (issuer,) = source["issuers"]
    issuer["keys"] = [
        {"record": f"{kid(key.public_key).hex()}.json"} for key in generate.SHAANXI.keys
    ]
    return json.dumps(source, ensure_ascii=False, indent=2)


EXAMPLES: Final[dict[tuple[str, str], Callable[[], str]]] = {
    ("sign1.md", "sign1"): _sign1,
    ("trust-list.md", "payload"): _payload,
    ("trust-list.md", "envelope"): _envelope,
    ("trust-list.md", "source"): _source,
}


@pytest.mark.parametrize(("file", "name"), EXAMPLES, ids="-".join)
def test_example_in_the_spec_is_what_the_code_makes(file: str, name: str) -> None:
    """A reader who follows the example gets these bytes."""
    assert block(name, EXAMPLES[file, name]()) in (SPEC / file).read_text()


def test_limits_in_the_spec_are_those_of_the_code() -> None:
    """The numbers that the trust list's page names are the constants."""
    text = " ".join((SPEC / "trust-list.md").read_text().split())
    limits = (
        f"{MAX_BYTES >> 20} MiB, {MAX_SIGNATURES} signatures, {MAX_ROOTS} roots, "
        f"{MAX_KEYS:,} keys, {MAX_POLICIES} policies, "
        f"list numbers of {MAX_LIST_NUMBER.bit_length()} bits, "
        f"texts of {MAX_TEXT} characters, names of policies of {MAX_TEXT}, "
        f"{MAX_STEP:,} versions in one "
        f"step, {MAX_SKEW_S} seconds"
    )
    assert limits in text


def test_characters_that_no_text_has_are_those_of_the_spec() -> None:
    """All of Unicode: the page's numbers, and nothing that any Python would print."""
    page = (SPEC / "trust-list.md").read_text()
    numbers = page[page.index("A text is 1 to 128") : page.index("They are numbers")]
    named = {
        code
        for first, last in re.findall(r"U\+([0-9A-F]+)(?:\s+to\s+U\+([0-9A-F]+))?", numbers)
        for code in range(int(first, 16), int(last or first, 16) + 1)
    }
    refused = {code for code in range(sys.maxunicode + 1) if re.fullmatch(UNSEEN, chr(code))}
    assert refused == named
    assert not any(chr(code).isprintable() for code in refused)


if __name__ == "__main__":
    write_examples(EXAMPLES)
