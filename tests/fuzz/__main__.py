"""`python -m tests.fuzz --inputs N [--seed S]`: two decoders, the same inputs, the same verdicts.

Each input goes as bytes, and often as a damaged text, through the verifier and through
`tests.fuzz.partner`. A disagreement, an exception, or an admission of anything but a seed ends the
run with the input in hexadecimal and exit code 1.
"""

import argparse
import sys
import time
from collections import Counter

from tests.code_support import NOW, World
from tests.fuzz import partner
from tests.fuzz.mutate import SEEDS, Mutator
from verifier.check import CHECKPOINT, Kind, Lists, check
from verifier.claims import Cti, ParsedCode, parse_code
from verifier.errors import CodeError, PresentationError, TransportError
from verifier.presentation import parse_presentation
from verifier.transport import decode_text, encode_text

_CODES = set(SEEDS)


def _code(data: bytes) -> partner.Code | None:
    try:
        return _members(parse_code(data))
    except CodeError:
        return None


def _members(code: ParsedCode) -> partner.Code:
    cti = Cti(code.list_number, code.status_index).encode()
    return code.kid, code.exp, cti, code.colour.value, code.holder_key


def _presentation(data: bytes) -> partner.Presentation | None:
    try:
        parsed = parse_presentation(data)
    except PresentationError:
        return None
    return parsed.kid, parsed.time, _members(parsed.code)


def _text(text: str) -> bytes | None:
    try:
        return decode_text(text)
    except TransportError:
        return None


def _try_bytes(data: bytes, seen: Counter[str]) -> str | None:
    """What is wrong with the verdicts on *data*, or None."""
    code, presentation = _code(data), _presentation(data)
    if code != partner.decode_code(data):
        return "the decoders of codes disagree"
    if presentation != partner.decode_presentation(data):
        return "the decoders of presentations disagree"
    seen["codes by both" if code else "presentations by both" if presentation else "refused"] += 1
    return None


def _try_text(text: str, lists: Lists, seen: Counter[str]) -> str | None:
    data = _text(text)
    if data != partner.decode_text(text):
        return "the decoders of texts disagree"
    outcome = check(text, lists, now=NOW, policy=CHECKPOINT)
    seen[f"check: {outcome.reason}"] += 1
    if outcome.kind is Kind.ADMIT and data not in _CODES:
        return "what nobody signed is admitted"
    return None


def run(inputs: int, seed: int) -> int:
    """0 when the decoders agreed on every input."""
    mutator, lists, seen = Mutator(seed), World().lists(), Counter[str]()
    start = time.monotonic()
    for number in range(inputs):
        data = mutator.data()
        wrong = _try_bytes(data, seen)
        if wrong is None and len(data) <= len(max(SEEDS, key=len)):
            text = encode_text(data)
            shown = mutator.text(text) if mutator.chance(0.3) else text
            wrong = _try_text(shown, lists, seen)
        if wrong is not None:
            print(f"input {number} of seed {seed}: {wrong}: {data.hex()}")
            return 1
    took = time.monotonic() - start
    print(f"{inputs:,} inputs, seed {seed}: no disagreement, no error, {took:,.0f} s")
    for what, times in sorted(seen.items()):
        print(f"  {what:<32} {times:>12,}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.fuzz")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    return run(arguments.inputs, arguments.seed)


if __name__ == "__main__":
    sys.exit(main())
