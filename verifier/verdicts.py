"""How a verdict looks: one line for people in two languages, or one JSON object. Shell."""

import os
from typing import Final, TextIO

from verifier.check import Kind, Policy
from verifier.claims import Colour
from verifier.door import Ages, Verdict
from verifier.texts import CARE_FIRST, COLOURS, NOT_A_DIAGNOSIS, SIGNS, TEXTS, Bilingual

__all__ = ["as_json", "as_line", "can_paint", "printable"]

_PAINT: Final = {
    Kind.ADMIT: "\x1b[1;30;42m",
    Kind.DO_NOT_ADMIT: "\x1b[1;37;41m",
    Kind.CHECK_AGAIN: "\x1b[1;30;43m",
    Kind.NOT_A_CODE: "\x1b[1;37;45m",
}
_PLAIN: Final = "\x1b[0m"


def as_line(verdict: Verdict, policy: Policy, *, photo: str | None, paint: bool) -> str:
    """One line: sign and words first, so that they stand in one place whatever follows."""
    sign, words = SIGNS[verdict.kind]
    head = f"{sign} {words.zh} {words.en}"
    if paint:
        head = f"{_PAINT[verdict.kind]} {head} {_PLAIN}"
    said = _say(verdict, policy)
    where = "" if photo is None else f"  [{printable(photo)}]"
    return f"{head}  {said.zh} {said.en}{where}"


def as_json(verdict: Verdict, policy: Policy, ages: Ages, *, photo: str | None) -> str:
    """One object. Has a colour only where the policy shows it, and never the code itself."""
    import json  # noqa: PLC0415 - costs a cold start

    said = _say(verdict, policy)
    line: dict[str, object] = {
        "kind": verdict.kind,
        "reason": verdict.reason,
        "zh": said.zh,
        "en": said.en,
        "ages_s": ages._asdict(),
    }
    if verdict.colour is not None:
        line["colour"] = verdict.colour.name.lower()
    if verdict.successor is not None:
        line["successor"] = verdict.successor
    if photo is not None:
        line["photo"] = photo
    return json.dumps(line)


def _say(verdict: Verdict, policy: Policy) -> Bilingual:
    said = [TEXTS[verdict.reason]]
    if verdict.hint is not None:
        said.append(verdict.hint)
    if verdict.colour is not None:
        said.insert(0, COLOURS[verdict.colour])
    if verdict.colour not in (None, Colour.GREEN):
        said.append(NOT_A_DIAGNOSIS)
    if not policy.denies and verdict.kind is not Kind.ADMIT:
        said.append(CARE_FIRST)
    return Bilingual("".join(each.zh for each in said), " ".join(each.en for each in said))


def can_paint(stream: TextIO) -> bool:
    """Whether colour will show as colour: see no-color.org; not on a dumb terminal."""
    terminal = os.environ.get("TERM", "")
    return stream.isatty() and not os.environ.get("NO_COLOR") and terminal not in ("", "dumb")


def printable(text: str) -> str:
    """Without the characters that would act on a terminal: a file's name can hold any."""
    return "".join(each if each.isprintable() else "?" for each in text)
