"""Regions: what lies in what, read off the code, and what it is called."""

import itertools

import pytest

from issuer.colour.regions import (
    ancestors,
    contains,
    load_regions,
    parse_place,
    prefix_of,
)
from issuer.errors import UnknownPlaceError
from tests.evidence_support import QINGYUN, XIAN_COMPOUND, YINGZE

REGIONS = load_regions()
CODES = sorted(REGIONS.divisions)


def test_regions_are_34_provinces_333_cities_2846_counties() -> None:
    """The counts of GB/T 2260 that both sources of the data agree on."""
    provinces = [c for c in CODES if c.endswith("0000")]
    cities = [c for c in CODES if c.endswith("00") and not c.endswith("0000")]
    assert (len(provinces), len(cities)) == (34, 333)
    assert len(CODES) - 34 - 333 == 2846


def test_regions_every_province_has_an_english_name() -> None:
    """Both provinces that are spelt Shanxi in pinyin can be told apart."""
    names = {p.id: p.en for p in REGIONS.places if p.id.endswith("0000")}
    assert None not in names.values()
    assert len(set(names.values())) == 34
    assert (names["140000"], names["610000"]) == ("Shanxi", "Shaanxi")


@pytest.mark.parametrize(
    ("place", "full"),
    [
        ("610000", "陕西省"),
        ("610113", "陕西省西安市雁塔区"),
        (QINGYUN, "黑龙江省牡丹江市绥芬河市青云小区"),
        (YINGZE, "黑龙江省牡丹江市绥芬河市迎泽丽都小区"),
        ("231081-jiwuduan", "黑龙江省牡丹江市绥芬河市机务段铁路综合楼"),
        ("231081-hairong-fuhuayuan", "黑龙江省牡丹江市绥芬河市海融富华苑小区"),
        ("510117", "四川省成都市郫都区"),
        ("110101", "北京市东城区"),
        ("429004", "湖北省仙桃市"),
        ("441900", "广东省东莞市"),
    ],
)
def test_regions_full_name_goes_from_the_province_down(place: str, full: str) -> None:
    """Districts of municipalities and counties without a city have no name between."""
    assert REGIONS.full_name(place) == full


def test_regions_every_division_but_provinces_lies_in_its_parent() -> None:
    """Parents exist, contain their children, and lead to a province in at most two steps."""
    for code in CODES:
        parent = REGIONS.parent(code)
        if code.endswith("0000"):
            assert parent is None
            continue
        assert parent is not None
        assert contains(parent, code)
        assert not contains(code, parent)
        assert ancestors(code)[-1] in (parent, REGIONS.parent(parent))


def test_contains_agrees_with_the_chain_of_ancestors() -> None:
    """One division contains another exactly when it is among the divisions around it."""
    some = [*CODES[::37], QINGYUN, YINGZE, XIAN_COMPOUND, "231081", "231000", "230000"]
    for outer, place in itertools.product(some, some):
        assert contains(outer, place) == (outer == place or outer in ancestors(place))


def test_contains_compound_contains_itself_alone() -> None:
    """A compound whose name begins like another's does not contain it."""
    assert contains(QINGYUN, QINGYUN)
    assert not contains("231081-qing", QINGYUN)
    assert not contains(QINGYUN, "231081")


@pytest.mark.parametrize(
    ("place", "prefix"),
    [("610000", "61"), ("610100", "6101"), ("610113", "610113"), (QINGYUN, QINGYUN)],
)
def test_prefix_of_is_what_the_codes_inside_begin_with(place: str, prefix: str) -> None:
    """Province two digits, city four, county six."""
    assert prefix_of(place) == prefix


def test_place_without_a_name_is_unknown() -> None:
    """A compound that nobody has named can be in evidence, but has nothing to be called."""
    assert parse_place("231081-somewhere") == "231081-somewhere"
    assert not REGIONS.is_place("231081-somewhere")
    with pytest.raises(UnknownPlaceError):
        REGIONS.place("231081-somewhere")


def test_compounds_lie_in_a_division_and_have_both_names() -> None:
    """Every compound of the data file can be shown to a person in either language."""
    compounds = [place for place in REGIONS.places if "-" in place.id]
    assert len(compounds) == 5
    for compound in compounds:
        assert parse_place(compound.id) == compound.id
        assert compound.zh
        assert compound.en


@pytest.mark.parametrize(
    "text", ["", "61", "990000", "610113-", "610113-A", None, 610113, "x" * 99]
)
def test_parse_place_anything_else_is_refused(text: object) -> None:
    """What is no place raises, and the message does not repeat it at length."""
    with pytest.raises(UnknownPlaceError) as caught:
        parse_place(text)
    assert len(str(caught.value)) < 80
