"""What a door says: complete, in both languages, with a next step, and kind."""

import re

import pytest

from verifier.check import Kind, Reason
from verifier.claims import Colour
from verifier.texts import COLOURS, SIGNS, TEXTS, Bilingual, Local, hint

LOCAL = {value for name, value in vars(Local).items() if name.isupper()}
HAN = re.compile(r"[\u4e00-\u9fff]")


def test_every_reason_has_a_text() -> None:
    """No verdict is without words, and no words are without a verdict."""
    assert set(TEXTS) == set(Reason) | LOCAL
    assert set(SIGNS) == set(Kind)
    assert set(COLOURS) == set(Colour)


@pytest.mark.parametrize("reason", TEXTS)
def test_text_is_chinese_and_english(reason: str) -> None:
    """Each language is in its own place, whole sentences both."""
    text = TEXTS[reason]
    assert HAN.search(text.zh)
    assert text.zh.endswith("。")
    assert not HAN.search(text.en)
    assert text.en.endswith(".")
    assert len(text.en) < 200


@pytest.mark.parametrize(
    "reason", [r for r in Reason if r.kind is Kind.CHECK_AGAIN] + sorted(LOCAL)
)
def test_text_of_check_again_names_a_person_who_helps(reason: str) -> None:
    """Nobody is sent away by "check again": it always names a way that has a person in it."""
    assert re.search("人工", TEXTS[reason].zh)
    assert re.search(r"[Ss]taff", TEXTS[reason].en)


@pytest.mark.parametrize("reason", [r for r in Reason if r.kind is not Kind.ADMIT])
def test_text_of_every_other_verdict_says_what_to_do(reason: Reason) -> None:
    """A refusal too names the next step, and a place with a person."""
    assert re.search(r"[Ss]taff", TEXTS[reason].en)
    assert "请" in TEXTS[reason].zh


def test_text_does_not_tell_a_colour_from_a_withdrawal() -> None:
    """A venue reads the same whether a colour is not admitted or a code was taken back."""
    assert TEXTS[Reason.NOT_ADMITTED] == TEXTS[Reason.WITHDRAWN]
    words = " ".join(text.zh + text.en for text in TEXTS.values()).lower()
    for colour in ("red", "yellow", "green", "红", "黄", "绿"):
        assert not re.search(rf"\b{colour}\b", words)
    for word in ("patient", "infect", "disease", "患者", "感染", "疫情", "forged", "伪造"):
        assert word not in words


def test_signs_differ_and_exist_in_chinese_character_sets() -> None:
    """A verdict is told apart without colour, on an old Chinese console too."""
    signs = [sign for sign, _ in SIGNS.values()]
    assert len(set(signs)) == 4
    for sign, words in SIGNS.values():
        assert (sign + words.zh + words.en).encode("gb2312")
    for text in [*TEXTS.values(), *COLOURS.values()]:
        assert text.zh.encode("gb2312")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("CE1：6BF", "English"),
        ("\uff23\uff25\uff11\uff1a", "English"),
        ("测试", "English"),
        ("ce1:6bf", "Caps Lock"),
        ("ce1:6BF", "Caps Lock"),
    ],
)
def test_hint_for_a_text_that_a_keyboard_changed_names_the_remedy(text: str, word: str) -> None:
    """C7, C8: an input method or Caps Lock in the way is named, with what to press."""
    said = hint(text)
    assert isinstance(said, Bilingual)
    assert word in said.en


@pytest.mark.parametrize("text", ["", "https://example.com", "CE1:!!!", "HC1:6BF"])
def test_hint_for_anything_else_is_none(text: str) -> None:
    """A link or another country's code is nobody's keyboard."""
    assert hint(text) is None
