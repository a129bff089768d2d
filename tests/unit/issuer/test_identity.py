"""Names, phones and identity numbers have one spelling, or are refused (C103, C104, C105)."""

import unicodedata
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.errors import InputError
from issuer.people.identity import (
    MAX_NAME_CHARS,
    birth_date,
    normalise_identity_number,
    normalise_name,
    normalise_phone,
)
from issuer.people.problems import Problem

TODAY = date(2020, 12, 13)


def wide(text: str) -> str:
    """As a Chinese input method may type it: full-width forms."""
    return text.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("王秀兰", "王秀兰"),
        ("  王秀兰 ", "王秀兰"),
        ("\u3000王秀兰", "王秀兰"),
        ("王", "王"),
        ("阿卜杜拉·买买提", "阿卜杜拉·买买提"),
        ("阿卜杜拉\u2022买买提", "阿卜杜拉·买买提"),
        ("阿卜杜拉\u30fb买买提", "阿卜杜拉·买买提"),
        ("\U00020bb7田", "\U00020bb7田"),  # 𠮷, extension B
        ("\U0002ebf0", "\U0002ebf0"),  # extension I, newer than this Python's tables
        ("\U000323af", "\U000323af"),  # extension H
        ("刘〇", "刘〇"),
        ("Nguyê\u0303n Văn An", "Nguyễn Văn An"),
        ("Mary  Jane O\u2019Brien", "Mary Jane O'Brien"),
        (wide("Anna"), "Anna"),
        ("Jean-Luc", "Jean-Luc"),
        ("محمد", "محمد"),
        ("王" * MAX_NAME_CHARS, "王" * MAX_NAME_CHARS),
    ],
)
def test_normalise_name_one_spelling(typed: str, kept: str) -> None:
    """Each way of typing a name gives the one way in which it is kept."""
    assert normalise_name(typed) == kept


def test_normalise_name_composed_and_decomposed_are_one_person() -> None:
    """NFC and NFD of a name are the same name."""
    name = "Zoë Núñez"
    decomposed = unicodedata.normalize("NFD", name)
    assert decomposed != name
    assert normalise_name(decomposed) == normalise_name(name)


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", Problem.NAME_LENGTH),
        ("   ", Problem.NAME_LENGTH),
        ("王" * (MAX_NAME_CHARS + 1), Problem.NAME_LENGTH),
        ("王" * 200, Problem.NAME_LENGTH),
        ("王\u200b秀兰", Problem.NAME_CHARACTER),  # zero-width space
        ("王\u200d秀兰", Problem.NAME_CHARACTER),  # zero-width joiner
        ("\u202e王秀兰", Problem.NAME_CHARACTER),  # right-to-left override
        ("王\u2066秀兰", Problem.NAME_CHARACTER),
        ("王\u2028秀兰", Problem.NAME_CHARACTER),
        ("王秀兰\n", Problem.NAME_CHARACTER),
        ("王秀兰\x00", Problem.NAME_CHARACTER),
        ("王秀\x1b[31m兰", Problem.NAME_CHARACTER),
        ("\ufeff王秀兰", Problem.NAME_CHARACTER),
        ("王秀\ufe00兰", Problem.NAME_CHARACTER),  # variation selector
        ("王秀\U000e0100兰", Problem.NAME_CHARACTER),
        ("王\u3164兰", Problem.NAME_CHARACTER),  # Hangul filler
        ("王\ue000", Problem.NAME_CHARACTER),  # private use
        ("王秀兰1", Problem.NAME_CHARACTER),
        ("王_兰", Problem.NAME_CHARACTER),
        ("<b>王</b>", Problem.NAME_CHARACTER),
        ("王'; DROP TABLE identity; --", Problem.NAME_CHARACTER),
        ("${jndi:ldap://x}", Problem.NAME_CHARACTER),
        ("{{7*7}}", Problem.NAME_CHARACTER),
        ("\u0301a", Problem.NAME_CHARACTER),  # begins with a mark
        ("a" + "\u0301\u0302\u0303\u0304\u0305", Problem.NAME_CHARACTER),
        ("·", Problem.NAME_CHARACTER),
        ("- -", Problem.NAME_CHARACTER),
        ("王\ud800", Problem.NAME_CHARACTER),
    ],
)
def test_normalise_name_of_nobody_is_refused(typed: str, problem: Problem) -> None:
    """What no name has is refused, and the refusal does not repeat it."""
    with pytest.raises(InputError) as caught:
        normalise_name(typed)
    assert (caught.value.problem, caught.value.field) == (problem, "name")
    assert not typed.strip() or typed not in str(caught.value)


@given(st.text(max_size=40))
def test_normalise_name_is_stable_and_visible(text: str) -> None:
    """Whatever is accepted stays as it is when normalised again, and shows all its characters."""
    try:
        name = normalise_name(text)
    except InputError:
        return
    assert normalise_name(name) == name
    assert not [c for c in name if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}]


@pytest.mark.parametrize(
    "typed",
    [
        "13800138000",
        "138 0013 8000",
        "138-0013-8000",
        "+8613800138000",
        "+86 138 0013 8000",
        "0086 13800138000",
        wide("13800138000"),
        wide("+86 13800138000"),
        "١٣٨٠٠١٣٨٠٠٠",
        "۱۳۸۰۰۱۳۸۰۰۰",
        " 13800138000 ",
        "13800138000\u3000",
    ],
)
def test_normalise_phone_one_number(typed: str) -> None:
    """Full-width and Arabic digits, spaces and +86 give one E.164 number."""
    assert normalise_phone(typed) == "+8613800138000"


def test_normalise_phone_of_another_country_keeps_it() -> None:
    """A traveller's mobile number keeps its country."""
    assert normalise_phone("+85291234567") == "+85291234567"


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", Problem.PHONE_FORM),
        ("1_000", Problem.PHONE_FORM),
        ("138_0013_8000", Problem.PHONE_FORM),
        ("1380013800O", Problem.PHONE_FORM),
        ("13800138000;ext=1", Problem.PHONE_FORM),
        ("tel:13800138000", Problem.PHONE_FORM),
        ("13800138000\n", Problem.PHONE_FORM),
        ("138\u200b00138000", Problem.PHONE_FORM),
        ("²³800138000", Problem.PHONE_FORM),
        ("138001380", Problem.NOT_A_MOBILE),
        ("02988888888", Problem.NOT_A_MOBILE),  # a landline in Xi'an gets no message
        ("+999 1234567", Problem.PHONE_FORM),
        ("1" * 60, Problem.PHONE_FORM),
        ("110", Problem.PHONE_FORM),
    ],
)
def test_normalise_phone_of_no_mobile_is_refused(typed: str, problem: Problem) -> None:
    """What is not the number of a mobile phone is refused by form or by number."""
    with pytest.raises(InputError) as caught:
        normalise_phone(typed)
    assert (caught.value.problem, caught.value.field) == (problem, "phone")


@pytest.mark.parametrize(
    "typed",
    [
        "11010519491231002X",
        "11010519491231002x",
        wide("11010519491231002X"),
        "110105 19491231 002X",
    ],
)
def test_normalise_identity_number_one_number(typed: str) -> None:
    """The example of GB 11643 in each way of typing it."""
    assert normalise_identity_number(typed, today=TODAY) == "11010519491231002X"
    assert birth_date("11010519491231002X") == date(1949, 12, 31)


def _with_check_digit(first: str) -> str:
    weights = [2 ** (17 - i) % 11 for i in range(17)]
    rest = sum(int(digit) * weight for digit, weight in zip(first, weights, strict=True)) % 11
    return first + "10X98765432"[rest]


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("110105194912310021", Problem.IDENTITY_NUMBER_WRONG),
        ("1101051949123100", Problem.IDENTITY_NUMBER_FORM),
        ("110105491231002", Problem.IDENTITY_NUMBER_FORM),  # 15 digits, ended in 2013
        ("1101051949123100XX", Problem.IDENTITY_NUMBER_FORM),
        ("1101051949-1231002", Problem.IDENTITY_NUMBER_FORM),
        (_with_check_digit("11010520210229001"), Problem.IDENTITY_NUMBER_WRONG),
        (_with_check_digit("11010519001301001"), Problem.IDENTITY_NUMBER_WRONG),
        (_with_check_digit("11010520201214001"), Problem.BIRTH_IN_FUTURE),
        (_with_check_digit("99999919491231001"), Problem.IDENTITY_NUMBER_WRONG),
    ],
)
def test_normalise_identity_number_of_nobody_is_refused(number: str, problem: Problem) -> None:
    """Wrong check digits, days that never were and births in the future are refused."""
    with pytest.raises(InputError) as caught:
        normalise_identity_number(number, today=TODAY)
    assert caught.value.problem is problem


@pytest.mark.parametrize(
    "first",
    [
        "61010319440308000",  # Beilin in Xi'an, and born before there were numbers
        "61240119400512123",  # Ankang, under the code that it had until 2000
        "33010419830512123",  # Jianggan in Hangzhou, merged away in 2021
        "44190019800101123",  # Dongguan, which has no counties
        "61011919500505123",  # a code that nobody lists
        "81000019900505123",  # residence permits: Hong Kong,
        "82000019900505123",  # Macao,
        "83000019900505123",  # Taiwan
    ],
)
def test_normalise_identity_number_of_any_county_that_ever_was_is_accepted(first: str) -> None:
    """A number is for life: counties end, are renamed, and were founded after people were born."""
    number = _with_check_digit(first)
    assert normalise_identity_number(number, today=TODAY) == number


def test_normalise_identity_number_born_on_29_february_is_accepted() -> None:
    """The day exists in leap years."""
    number = _with_check_digit("11010520200229001")
    assert normalise_identity_number(number, today=TODAY) == number
