"""The people of the demo, all of them invented: one or more for each line of the standard.

What is said of them is the input. Colours, reasons and dates come out of `issuer.colour.assess`
alone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

from issuer.colour.evidence import Kind
from issuer.people.identity import Identity

__all__ = [
    "CONTROLLED",
    "HEILONGJIANG",
    "NOW",
    "PEOPLE",
    "RISEN",
    "SHAANXI",
    "TRAVELLER",
    "Fact",
    "Part",
]

SHAANXI: Final = "610000"
HEILONGJIANG: Final = "230000"
#: The compound that rises: the second case of 13 December lives there, and on that day it was not
#: among the places of medium risk yet.
RISEN: Final = "231081-yingze-lidu"

#: Nowhere in Shaanxi was under key control that day; this compound is as invented as its resident.
CONTROLLED: Final = "610113-shili"

_CHINA: Final = timezone(timedelta(hours=8))
#: 13 December 2020, 20:00 in China.
NOW: Final = int(datetime(2020, 12, 13, 20, tzinfo=_CHINA).timestamp())
_DAY_S: Final = 24 * 3600
_BEILIN: Final = "610103"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing known of somebody: what, so many days before the story, and where it concerns."""

    kind: Kind
    value: str
    days_ago: float
    place: str = ""

    @property
    def at(self) -> int:
        return NOW - int(self.days_ago * _DAY_S)


@dataclass(frozen=True, slots=True, repr=False)
class Part:
    """One person of the story.

    Attributes:
        slug: Names their files.
        line: Which line of the standard this person stands for.
        declared: What they say themselves.
        reported: What the centre for disease control signs.
        phone_code: Whether the code lives on a phone; otherwise it is on paper.
    """

    slug: str
    english: str
    identity: Identity
    line: str
    home: str = _BEILIN
    declared: tuple[Fact, ...] = ()
    reported: tuple[Fact, ...] = ()
    phone_code: bool = False


def _arrived(place: str, days_ago: float) -> Fact:
    return Fact(Kind.ARRIVAL, "entered", days_ago, place)


PEOPLE: Final = (
    Part(
        "wang-xiulan", "Wang Xiulan", Identity("王秀兰", None, "610103194403080007"),
        "green: nothing known; a grandmother without a phone, registered at a desk",
    ),
    Part(
        "li-na", "Li Na", Identity("李娜", "+8613800138001", None),
        "green: her daughter, with a phone", phone_code=True,
    ),
    Part(
        "li-xiaobao", "Li Xiaobao", Identity("李小宝", None, "610103201506010008"),
        "green: the grandson, a paper code as well",
    ),
    Part(
        "zhao-qiang", "Zhao Qiang", Identity("赵强", "+8613800138002", None),
        "red: close contact of a confirmed case", reported=(Fact(Kind.CONTACT, "confirmed", 3),),
    ),
    Part(
        "qian-fang", "Qian Fang", Identity("钱芳", "+8613800138003", None),
        "red: close contact of a suspected case", reported=(Fact(Kind.CONTACT, "suspected", 11),),
    ),
    Part(
        "sun-li", "Sun Li", Identity("孙丽", "+8613800138004", None),
        "red: came from a key area outside the province",
        declared=(_arrived("231081-qingyun", 2),),
    ),
    Part(
        "zhou-min", "Zhou Min", Identity("周敏", "+8613800138005", None),
        "red: fever now", declared=(Fact(Kind.SYMPTOM, "fever", 0.1),),
    ),
    Part(
        "wu-gang", "Wu Gang", Identity("吴刚", "+8613800138006", None),
        "red: cough within 14 days", declared=(Fact(Kind.SYMPTOM, "cough", 9),),
    ),
    Part(
        "chen-wei", "Chen Wei", Identity("陈伟", "+8613800138007", None),
        "yellow: came from another province, not a key area; sampled in Pidu, not called back",
        declared=(_arrived("510117", 1),), reported=(Fact(Kind.SAMPLE, "taken", 1.5),),
    ),
    Part(
        "he-jing", "He Jing", Identity("何静", "+8613800138008", None),
        "yellow: came from a Suifenhe compound that is low risk, until it rises",
        declared=(_arrived(RISEN, 4),),
    ),
    Part(
        "gao-yun", "Gao Yun", Identity("高云", "+8613800138009", None),
        "yellow: lives in a compound under key control inside the province",
        home=CONTROLLED,
    ),
    Part(
        "lin-tao", "Lin Tao", Identity("林涛", "+8613800138010", None),
        "green again: the contact was 15 days ago",
        reported=(Fact(Kind.CONTACT, "confirmed", 15),),
    ),
    Part(
        "xu-lei", "Xu Lei", Identity("徐磊", "+8613800138011", None),
        "pending: called back for another test, whose result is awaited",
        reported=(Fact(Kind.SAMPLE, "taken", 1), Fact(Kind.RECALL, "re-test", 0.2)),
    ),
)  # fmt: skip

#: A resident of Heilongjiang who travels to Shaanxi with a code of the home province.
TRAVELLER: Final = Part(
    "liu-yang", "Liu Yang", Identity("刘洋", "+8613800138012", None),
    "green at home in Heilongjiang, and on the way to Xi'an", home="230103",
)  # fmt: skip
