"""The page docs/spec/region-notice.md says what the code does.

python -m tests.unit.issuer.test_spec_region_notice        writes the examples anew
"""

import re
from functools import partial
from typing import Final

from issuer.between.appeals import APPEAL_S, State
from issuer.between.envelope import (
    MAX_AGE_S,
    MAX_AHEAD_S,
    MAX_BYTES,
    MAX_RECEIPT_BYTES,
    MAX_STEPS,
    NOTICE_TYP,
    RECEIPT_TYP,
    STEP,
)
from issuer.between.inbox import MAX_EARLY
from issuer.between.message import MAX_RECORDS, Ground
from issuer.between.post import PATH
from issuer.between.reason import Reason
from issuer.between.sending import MAX_QUEUE
from issuer.between.waiting import RETENTION_S
from issuer.colour.timeline import DAY_S
from keys import cbor
from tests.diagnostic import diagnostic
from tests.page_support import SPEC, block, write_examples
from tests.vectors.generate_region_notice import GOOD, vectors

PAGE: Final = SPEC / "region-notice.md"


def examples() -> dict[str, str]:
    good = next(vectors()).notice
    outside = cbor.decode(good, max_bytes=MAX_BYTES)
    assert isinstance(outside, dict)
    sealed = outside[4]
    assert isinstance(sealed, bytes)
    shown = diagnostic({**outside, 4: sealed[:16]}).replace("'}", f"...' /{len(sealed)} bytes/}}")
    return {
        "message": diagnostic(cbor.decode(GOOD, max_bytes=len(GOOD))),
        "envelope": shown,
    }


def test_examples_in_the_spec_are_what_the_code_makes() -> None:
    """A reader who follows the example gets these bytes."""
    text = PAGE.read_text("utf-8")
    for name, shown in examples().items():
        assert block(name, shown) in text


def test_reasons_in_the_spec_are_those_of_the_code_in_their_order() -> None:
    """Every refusal is explained, in the order of the checks."""
    assert re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE) == [*Reason]


def test_numbers_and_words_in_the_spec_are_those_of_the_code() -> None:
    """The limits that the page names are the constants."""
    text = " ".join(PAGE.read_text("utf-8").split())
    for words in (
        f"next multiple of {STEP:,} bytes, at most {STEP * MAX_STEPS:,}",
        f"more than {MAX_BYTES:,} bytes, or a receipt of more than {MAX_RECEIPT_BYTES}",
        f"more than {MAX_AHEAD_S} s in the future, or more than {MAX_AGE_S // DAY_S} days ago",
        f"1 to {MAX_RECORDS} records",
        f"Up to {MAX_EARLY} notices",
        f"{MAX_QUEUE:,} notices waiting",
        f"kept for {RETENTION_S // DAY_S} days",
        f"a deadline {APPEAL_S // 3600} hours ahead",
        f"`POST {PATH}`",
        f"`{NOTICE_TYP}`",
        f"`{RECEIPT_TYP}`",
        *(f"`{state}`" for state in State),
    ):
        assert words in text, words


def test_cddl_has_the_grounds_and_types_of_the_code() -> None:
    """What the grammar names is what is sent."""
    cddl = (SPEC / "region-notice.cddl").read_text("utf-8")
    grounds = re.search(r"^ground = (.*)$", cddl, re.MULTILINE)
    assert grounds is not None
    assert re.findall(r'"([a-z-]+)"', grounds[1]) == [*Ground]
    assert NOTICE_TYP in cddl
    assert RECEIPT_TYP in cddl


if __name__ == "__main__":
    write_examples({(PAGE.name, name): partial(str, shown) for name, shown in examples().items()})
