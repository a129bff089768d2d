"""Between regions: notices from other issuers, and a person's appeals about what they said."""

import asyncio
import base64
from http import HTTPStatus
from typing import Annotated, Final, Literal

from pydantic import StringConstraints

from audit.events import Kind
from audit.logreader import LoggedEvent
from audit.tlog.proof import encode_proof
from issuer.between.appeals import State, appeals_of
from issuer.between.envelope import MAX_BYTES
from issuer.between.message import Ground
from issuer.between.reason import Reason
from issuer.between.rows import AppealRow
from issuer.colour.regions import load_regions
from issuer.errors import RegionNoticeError
from issuer.people.problems import Problem, Text
from issuer.storage.tx import Done, Tx
from issuer.web.appkeys import EXCHANGE, ISSUING, LOG, SOON
from issuer.web.routes import AnyRoute, Call, In, Nothing, Out, Route
from issuer.web.times import format_instant

__all__ = ["ROUTES"]

_MAX_CHARS: Final = (MAX_BYTES + 2) // 3 * 4


class NoticeSent(In):
    """*notice*: an envelope as docs/spec/region-notice.md has it, in base64."""

    notice: Annotated[str, StringConstraints(max_length=_MAX_CHARS)]


class NoticeHeld(Out):
    """*receipt*: signed, in base64. The notice is held durably; its effect comes in its turn."""

    receipt: str


async def take_notice(call: Call[NoticeSent, Nothing]) -> NoticeHeld:
    app = call.request.app
    try:
        data = base64.b64decode(call.body.notice, validate=True)
    except ValueError as error:  # not base64, or not even ASCII
        raise RegionNoticeError(Reason.MALFORMED, "not base64") from error
    receipt = await asyncio.to_thread(app[EXCHANGE].receive, data)
    # Nobody waits for the effect: how long it takes would tell whether the person is known here.
    app[SOON].submit(app[EXCHANGE].take)
    return NoticeHeld(receipt=base64.b64encode(receipt).decode())


class AppealWanted(In):
    """*region*: one of the origins that `/me/colour` names."""

    region: Annotated[str, StringConstraints(pattern="^[1-8][0-9]{5}$")]
    ground: Literal["not-me", "not-so", "outdated"]


class AppealStep(Out):
    """One step, as the log has it. *proof* (c2sp.org/tlog-proof) shows offline that it does."""

    at: str
    zh: str
    en: str
    proof: str


class AppealShown(Out):
    appeal: str
    region: str
    region_zh: str
    region_en: str
    ground: Literal["not-me", "not-so", "outdated"]
    state: Literal["open", "upheld", "corrected", "lapsed"]
    zh: str
    en: str
    filed_at: str
    deadline: str
    steps: list[AppealStep]


class Appeals(Out):
    """Oldest first."""

    appeals: list[AppealShown]


async def file_appeal(call: Call[AppealWanted, Nothing]) -> AppealShown:
    exchange, body = call.request.app[EXCHANGE], call.body
    row = await asyncio.to_thread(exchange.appeal, call.subject, body.region, Ground(body.ground))
    logged = await asyncio.to_thread(call.request.app[LOG].events_of, call.subject, _STEPS)
    return _shown(row, logged)


async def my_appeals(call: Call[Nothing, Nothing]) -> Appeals:
    app = call.request.app

    def load(tx: Tx) -> Done[list[AppealRow]]:
        return Done(appeals_of(tx.store, tx.secrets, call.subject))

    # In the writer's turn: what is stored is in the log by the time that it answers.
    rows = await app[ISSUING].run(load)
    logged = await asyncio.to_thread(app[LOG].events_of, call.subject, _STEPS)
    return Appeals(appeals=[_shown(row, logged) for row in rows])


def _shown(row: AppealRow, logged: tuple[LoggedEvent, ...]) -> AppealShown:
    place, state = load_regions().place(row.region), _STATES[State(row.state)]
    return AppealShown.model_validate(
        {
            "appeal": row.appeal_id.hex(),
            "region": row.region,
            "region_zh": place.zh,
            "region_en": place.en or place.zh,
            "ground": row.ground,
            "state": row.state,
            "zh": state.zh,
            "en": state.en,
            "filed_at": format_instant(row.filed_at),
            "deadline": format_instant(row.deadline),
            "steps": [
                _step(one) for one in logged if one.event.details.get("appeal") == row.appeal_id
            ],
        }
    )


def _step(logged: LoggedEvent) -> AppealStep:
    text = _STEPS[logged.event.kind]
    return AppealStep(
        at=format_instant(logged.event.at),
        zh=text.zh,
        en=text.en,
        proof=encode_proof(logged.proof).decode(),
    )


_STATES: Final = {
    State.OPEN: Text(
        "信息来源地区须在期限前答复。",
        "The region that the information came from has to answer before the deadline.",
    ),
    State.UPHELD: Text(
        "来源地区认为信息无误，维持原判定。",
        "The region says that its information is right. The decision stands.",
    ),
    State.CORRECTED: Text(
        "来源地区已撤回信息，已为您重新判定。",
        "The region took its information back, and your colour was decided anew.",
    ),
    State.LAPSED: Text(
        "来源地区逾期未答复，其信息不再计入。请填写流行病学史调查，或到窗口由工作人员协助。",
        "The region did not answer in time, and its information no longer counts. Answer the"
        " epidemiological survey, or let the staff at a desk help you.",
    ),
}
_STEPS: Final = {
    Kind.APPEAL_FILED: Text("提出申诉", "Appeal filed"),
    Kind.APPEAL_ANSWERED: Text("来源地区已答复", "Answered by the region"),
    Kind.APPEAL_LAPSED: Text("逾期未答复", "Not answered in time"),
}

ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "POST",
        "/region-notices",
        take_notice,
        "For other regions' issuers: a sealed notice, for a signed receipt.",
        NoticeSent,
        Nothing,
        NoticeHeld,
        problems=(Problem.REGION_NOTICE_REFUSED, Problem.REGION_NOTICE_EARLY),
    ),
    Route(
        "GET",
        "/me/appeals",
        my_appeals,
        "My appeals about what other regions said, with every step.",
        Nothing,
        Nothing,
        Appeals,
        bound=True,
    ),
    Route(
        "POST",
        "/me/appeals",
        file_appeal,
        "Contest what another region said and my colour rests on.",
        AppealWanted,
        Nothing,
        AppealShown,
        HTTPStatus.ACCEPTED,
        bound=True,
        problems=(Problem.NOTHING_TO_APPEAL,),
    ),
)
