"""The example, numbers and vocabulary of docs/spec/log.md are those of the code.

python -m tests.unit.audit.test_log_docs        writes the example anew
"""

import re

from audit.events import EVENT_ID_BYTES, MAX_BODY_BYTES, SALT_BYTES, Kind, commitment, encode_event
from audit.log import _WAIT_S
from audit.publish import FORMAT
from audit.tlog.checkpoint import Checkpoint, sign_checkpoint
from audit.tlog.merkle import MAX_PROOF_HASHES, leaf_hash
from audit.tlog.note import MAX_NOTE_BYTES, MAX_SIGNATURES, NoteKey
from audit.tlog.tiles import TILE_WIDTH
from keys import cbor
from tests.diagnostic import diagnostic
from tests.log_support import NOW, ORIGIN, SIGNER, an_event
from tests.page_support import SPEC, block, write_examples


def example() -> str:
    body = encode_event(an_event(7, subject=1))
    entry = commitment(bytes(range(16)), body)
    leaf = leaf_hash(entry)
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, leaf), SIGNER, now=NOW).decode()
    vkey = NoteKey(ORIGIN, SIGNER.public_key).vkey()
    shown = diagnostic(cbor.decode(body, max_bytes=1000))
    return "\n\n".join((shown, body.hex(), entry.hex(), leaf.hex(), note + "\n" + vkey))


def page() -> str:
    return (SPEC / "log.md").read_text(encoding="utf-8")


def test_example_in_the_spec_is_what_the_code_makes() -> None:
    """A reader who follows the example gets these bytes."""
    assert block("log", example()) in page()


def test_numbers_in_the_spec_are_those_of_the_code() -> None:
    """The limits that the page names are the constants."""
    text = " ".join(page().split())
    for words in (
        f"at most {MAX_BODY_BYTES:,} bytes",
        f"`event_id`: {EVENT_ID_BYTES} bytes",
        f"`salt`: {SALT_BYTES} random bytes",
        f"longer than {MAX_NOTE_BYTES:,} bytes",
        f"more than {MAX_SIGNATURES} of them",
        f"at most {MAX_PROOF_HASHES} hashes",
        f"each tile of {TILE_WIDTH} entries",
        f"up to {_WAIT_S} s back",
        f'"format": "{FORMAT}"',
    ):
        assert words in text, words


def test_vocabulary_in_the_cddl_is_that_of_the_code() -> None:
    """The closed list of kinds stands in log.cddl as it stands in the code."""
    cddl = (SPEC / "log.cddl").read_text(encoding="utf-8")
    kinds = re.search(r"^kind = (.*?)\n\n", cddl, re.DOTALL | re.MULTILINE)
    assert kinds is not None
    assert re.findall(r'"([a-z-]+)"', kinds[1]) == [kind.value for kind in Kind]


if __name__ == "__main__":
    write_examples({("log.md", "log"): example})
