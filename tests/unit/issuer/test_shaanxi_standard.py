"""The Shaanxi standard, line by line, in the words of the notice, on the table of 13 December."""

import pytest

from issuer.colour.assess import Assessed, Pending, assess
from issuer.colour.evidence import Evidence, Kind
from issuer.colour.risk import RiskLevel, RiskTable, shipped_risk_table
from issuer.rules.ruletypes import Texts, Verdict
from tests.evidence_support import (
    DAY,
    HOUR,
    NOW,
    QINGYUN,
    TODAY,
    XIAN_COMPOUND,
    YINGZE,
    lives,
    record,
    shaanxi,
)
from verifier.claims import Colour

RULES = shaanxi()
RISKS = shipped_risk_table("2020-12-13")
SYMPTOMS = {
    "发热": "fever",
    "乏力": "fatigue",
    "咳嗽": "cough",
    "腹泻": "diarrhoea",
    "结膜炎": "conjunctivitis",
}


def colour(
    *records: Evidence, risks: RiskTable = RISKS, now: int = NOW, home: Evidence | None = None
) -> Assessed:
    """The colour of somebody who lives in Xi'an, unless told otherwise."""
    outcome = assess(RULES, (home or lives(), *records), risks, now)
    assert isinstance(outcome, Assessed)
    return outcome


def codes(outcome: Assessed | Pending) -> tuple[str, ...]:
    return tuple(reason.code for reason in outcome.reasons)


def to_do(outcome: Assessed) -> Texts:
    return RULES.what_to_do[Verdict[outcome.colour.name]]


def test_shaanxi_not_exposed_is_green() -> None:
    """在数据更新日期前本人没有暴露在新冠病毒污染的环境中 ... 该人群赋予绿码."""
    outcome = colour(record(Kind.SURVEY))
    assert outcome.colour is Colour.GREEN
    assert codes(outcome) == ("nothing-known",)


@pytest.mark.parametrize("symptom", SYMPTOMS.values(), ids=SYMPTOMS.keys())
def test_shaanxi_no_symptom_for_14_days_is_green(symptom: str) -> None:
    """本人近14天无发热、乏力、咳嗽、腹泻、结膜炎等症状: green again after them, red until then."""
    last = record(Kind.SYMPTOM, symptom, at=TODAY - 14 * DAY + 9 * HOUR)
    outcome = colour(last)
    assert outcome.colour is Colour.RED
    assert outcome.changes_at == TODAY + DAY
    assert colour(last, now=TODAY + DAY).colour is Colour.GREEN


def test_shaanxi_green_again_says_nothing_untrue() -> None:
    """Who was a contact 15 days ago is not told that no exposure is known at all."""
    outcome = colour(record(Kind.CONTACT, "confirmed", at=NOW - 15 * DAY))
    assert codes(outcome) == ("nothing-known",)
    (reason,) = outcome.reasons
    assert "近14天内未发现暴露在新冠病毒污染的环境中" in reason.text["zh"]
    assert "In the last 14 days no exposure" in reason.text["en"]


def test_shaanxi_green_may_pass() -> None:
    """该人群赋予绿码，人员可以凭码通行."""
    assert to_do(colour())["zh"] == "可以凭码通行。"


def test_shaanxi_from_other_province_is_yellow() -> None:
    """除重点地区以外的其他省份来陕人员: from Chengdu, which is no key area."""
    outcome = colour(record(Kind.ARRIVAL, place="510117", at=NOW - 3 * DAY))
    assert outcome.colour is Colour.YELLOW
    assert codes(outcome) == ("from-other-province",)
    assert outcome.changes_at == TODAY + 12 * DAY


def test_shaanxi_lives_in_key_compound_of_the_province_is_yellow() -> None:
    """省内重点防控小区内的人员."""
    risks = RISKS.with_change(XIAN_COMPOUND, RiskLevel.MEDIUM, NOW - HOUR, issued_at=NOW)
    outcome = colour(home=lives(XIAN_COMPOUND), risks=risks)
    assert outcome.colour is Colour.YELLOW
    assert codes(outcome) == ("key-compound",)
    assert colour(home=lives("610113"), risks=risks).colour is Colour.GREEN


def test_shaanxi_yellow_stays_home_14_days() -> None:
    """该人群赋予黄码，在所在单位和社区监督下自行居家隔离14天."""
    texts = to_do(colour(record(Kind.ARRIVAL, place="510117")))
    assert "在所在单位和社区监督下自行居家隔离14天" in texts["zh"]
    assert "14 days" in texts["en"]


@pytest.mark.parametrize("case", ["confirmed", "suspected"])
def test_shaanxi_contact_within_14_days_is_red(case: str) -> None:
    """近14天内和新冠肺炎病例或疑似病例有密切接触的人员."""
    outcome = colour(record(Kind.CONTACT, case, at=NOW - 10 * DAY))
    assert outcome.colour is Colour.RED
    assert codes(outcome) == ("close-contact",)
    assert outcome.changes_at == TODAY + 5 * DAY


def test_shaanxi_from_key_area_of_another_province_is_red() -> None:
    """来自外省重点地区人员: from Qingyun in Suifenhe, medium since 13 December."""
    outcome = colour(record(Kind.ARRIVAL, place=QINGYUN, at=NOW - 3 * DAY))
    assert outcome.colour is Colour.RED
    assert codes(outcome) == ("from-key-area",)


@pytest.mark.parametrize("symptom", SYMPTOMS.values(), ids=SYMPTOMS.keys())
def test_shaanxi_symptom_now_is_red(symptom: str) -> None:
    """已出现发热、乏力、咳嗽、腹泻、结膜炎等症状的人员."""
    outcome = colour(record(Kind.SYMPTOM, symptom, at=NOW))
    assert outcome.colour is Colour.RED
    assert codes(outcome) == ("symptom",)


def test_shaanxi_red_contacts_the_health_centre() -> None:
    """尽快联系当地社区卫生服务中心或疾病预防控制中心，接受集中隔离医学观察或...发热门诊就诊."""
    texts = to_do(colour(record(Kind.SYMPTOM, "fever")))
    assert "请尽快联系当地社区卫生服务中心或疾病预防控制中心" in texts["zh"]
    assert "发热门诊" in texts["zh"]
    assert "fever clinic" in texts["en"]


def test_shaanxi_compound_raised_turns_its_travellers_from_yellow_to_red() -> None:
    """中风险地区由此前一处上升为三处: who came from Yingze Lidu is judged anew, nobody else."""
    came = record(Kind.ARRIVAL, place=YINGZE, at=NOW - 2 * DAY)
    other = record(Kind.ARRIVAL, place="231081", at=NOW - 2 * DAY)
    raised = RISKS.with_change(YINGZE, RiskLevel.MEDIUM, NOW, issued_at=NOW)
    assert (colour(came).colour, colour(came, risks=raised).colour) == (Colour.YELLOW, Colour.RED)
    assert colour(other, risks=raised).colour is Colour.YELLOW


def test_shaanxi_not_called_back_within_24_h_counts_as_negative() -> None:
    """24小时内未接到疫情防控单位复核通知，视为核酸检测结果为阴性: it answers an earlier recall."""
    recall = record(Kind.RECALL, at=NOW - 30 * HOUR)
    sample = record(Kind.SAMPLE, at=NOW - 20 * HOUR)
    waiting = assess(RULES, (lives(), recall, sample), RISKS, NOW)
    assert isinstance(waiting, Pending)
    assert waiting.changes_at == NOW + 4 * HOUR
    assert colour(recall, sample, now=NOW + 4 * HOUR).colour is Colour.GREEN
