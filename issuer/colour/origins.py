"""Which other regions a decision rests on, beside the rules that decided; where to appeal. Pure.

    reasons = rule id ["@" region *("+" region)] *("," ...)       red-contact@230000,red-symptom

A decision about evidence of another region names it, to the person and in the log: whoever contests
it has to know where.
"""

from collections.abc import Iterable
from typing import NamedTuple

from issuer.colour.assess import Outcome
from issuer.colour.evidence import Evidence
from issuer.colour.regions import contains, load_regions
from issuer.rules.ruletypes import RuleSet, Texts

__all__ = ["Given", "given_reasons", "how_to_appeal", "reasons_text"]


class Given(NamedTuple):
    """A rule that decided, and the other regions whose evidence it rests on."""

    rule: str
    origins: tuple[str, ...]

    def texts(self, rules: RuleSet) -> Texts:
        """The reason in every language of the rules; in ours, with the names of the regions."""
        texts = rules.rule(self.rule).reason
        if not self.origins:
            return texts
        zh, en = _names(self.origins)
        return {
            **texts,
            "zh": f"{texts['zh']}（信息来自：{zh}）",
            "en": f"{texts['en']} (as reported by: {en})",
        }


def reasons_text(outcome: Outcome, records: Iterable[Evidence], region: str) -> str:
    """The reasons of an outcome, as a decision keeps them.

    Args:
        outcome: By `assess`.
        records: That it rests on.
        region: Our own. What lies in it is not another one.
    """
    origins = {record.evidence_id: record.origin_region for record in records}
    parts = []
    for reason in outcome.reasons:
        others = {origins[one] for one in reason.evidence if not contains(region, origins[one])}
        parts.append(reason.rule_id + ("@" + "+".join(sorted(others)) if others else ""))
    return ",".join(parts)


def given_reasons(text: str) -> tuple[Given, ...]:
    """What `reasons_text` wrote."""
    parts = (part.partition("@") for part in text.split(","))
    return tuple(
        Given(rule, tuple(origins.split("+")) if origins else ()) for rule, _, origins in parts
    )


def how_to_appeal(reasons: Iterable[Given], contact: str) -> Texts:
    """What whoever thinks that a decision is wrong can do.

    Args:
        reasons: That decided.
        contact: The issuer's, from the trust list.
    """
    zh = f"如认为判定有误，可联系 {contact} 或到服务窗口申诉。"
    en = f"If you think that this is wrong, appeal to {contact} or at a service desk."
    origins = sorted({origin for reason in reasons for origin in reason.origins})
    if origins:
        names_zh, names_en = _names(origins)
        zh = f"{names_zh}提供的信息如有误，可在健康码页面提出申诉，由该地区限期答复。{zh}"
        en = (
            f"What {names_en} reported can be contested on your code's own page, and has to be"
            f" answered by a deadline. {en}"
        )
    return {"zh": zh, "en": en}


def _names(regions: Iterable[str]) -> tuple[str, str]:
    places = [load_regions().place(region) for region in regions]
    return "、".join(place.zh for place in places), ", ".join(p.en or p.zh for p in places)
