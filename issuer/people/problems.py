"""Every way in which a request can be refused, with its text in Chinese and English. Pure.

The names are part of the API (`type` of a problem, docs/spec/api.md): they are never reused for
another meaning. Texts say what to do, and hold nothing of what was sent.
"""

import enum
from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["TEXTS", "Problem", "Text"]


class Text(NamedTuple):
    zh: str
    en: str


class Problem(enum.StrEnum):
    # The body as bytes.
    EMPTY_BODY = "empty-body"
    NOT_UTF8 = "not-utf8"
    NOT_JSON = "not-json"
    TOO_DEEP = "too-deep"
    DUPLICATE_MEMBER = "duplicate-member"
    LONE_SURROGATE = "lone-surrogate"
    BAD_NUMBER = "bad-number"
    NOT_AN_OBJECT = "not-an-object"
    BODY_TOO_LARGE = "body-too-large"
    BODY_TOO_SLOW = "body-too-slow"
    BODY_BROKEN_OFF = "body-broken-off"
    BODY_NOT_EXPECTED = "body-not-expected"
    NOT_JSON_TYPE = "not-json-type"
    ENCODED_BODY = "encoded-body"
    # The request as a whole.
    BAD_REQUEST = "bad-request"
    BAD_QUERY = "bad-query"
    METHOD_OVERRIDE = "method-override"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    # Members of the body.
    UNKNOWN_MEMBER = "unknown-member"
    MISSING_MEMBER = "missing-member"
    WRONG_VALUE = "wrong-value"
    NAME_LENGTH = "name-length"
    NAME_CHARACTER = "name-character"
    PHONE_FORM = "phone-form"
    NOT_A_MOBILE = "not-a-mobile"
    IDENTITY_NUMBER_FORM = "identity-number-form"
    IDENTITY_NUMBER_WRONG = "identity-number-wrong"
    BIRTH_IN_FUTURE = "birth-in-future"
    TIME_FORM = "time-form"
    TIME_OUT_OF_RANGE = "time-out-of-range"
    UNKNOWN_PLACE = "unknown-place"
    UNKNOWN_VALUE = "unknown-value"
    BAD_HOLDER_KEY = "bad-holder-key"
    # Who asks, and what stands already.
    NOT_BOUND = "not-bound"
    CODE_REFUSED = "code-refused"
    IDEMPOTENCY_KEY = "idempotency-key"
    IDEMPOTENCY_CONFLICT = "idempotency-conflict"
    COLOUR_PENDING = "colour-pending"
    ISSUER_ENDED = "issuer-ended"
    TOO_MANY = "too-many"
    TOO_MANY_READS = "too-many-reads"
    TOO_MANY_CODES = "too-many-codes"
    NOTHING_TO_APPEAL = "nothing-to-appeal"
    # From another region's issuer.
    REGION_NOTICE_REFUSED = "region-notice-refused"
    REGION_NOTICE_EARLY = "region-notice-early"
    # Ours.
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


TEXTS: Final[Mapping[Problem, Text]] = {
    Problem.EMPTY_BODY: Text("请求没有内容。", "The request has no body."),
    Problem.NOT_UTF8: Text("请求内容不是 UTF-8 编码。", "The body is not UTF-8."),
    Problem.NOT_JSON: Text("请求内容不是 JSON。", "The body is not JSON."),
    Problem.TOO_DEEP: Text("JSON 嵌套过深。", "The JSON is nested too deeply."),
    Problem.DUPLICATE_MEMBER: Text("JSON 中有重复的字段。", "The JSON names a member twice."),
    Problem.LONE_SURROGATE: Text(
        "JSON 中有不成对的代理字符。", "The JSON has half of a surrogate pair."
    ),
    Problem.BAD_NUMBER: Text(
        "JSON 中的数字无法接受。", "The JSON has a number that is not accepted."
    ),
    Problem.NOT_AN_OBJECT: Text("请求内容须为 JSON 对象。", "The body must be a JSON object."),
    Problem.BODY_TOO_LARGE: Text("请求内容过大。", "The body is too large."),
    Problem.BODY_TOO_SLOW: Text("请求内容传输过慢。", "The body came too slowly."),
    Problem.BODY_BROKEN_OFF: Text("请求内容不完整。", "The body broke off."),
    Problem.BODY_NOT_EXPECTED: Text("此请求不应带有内容。", "This request takes no body."),
    Problem.NOT_JSON_TYPE: Text(
        "Content-Type 须为 application/json。", "The Content-Type must be application/json."
    ),
    Problem.ENCODED_BODY: Text(
        "不接受压缩或另行编码的请求内容。",
        "Compressed or otherwise encoded bodies are not accepted.",
    ),
    Problem.BAD_REQUEST: Text("请求有误。", "The request is not well-formed."),
    Problem.BAD_QUERY: Text(
        "网址中的参数重复、未知或有误。", "A query parameter is doubled, unknown or wrong."
    ),
    Problem.METHOD_OVERRIDE: Text("不接受改写请求方法。", "Overriding the method is not accepted."),
    Problem.NOT_FOUND: Text("没有找到。", "Not found."),
    Problem.METHOD_NOT_ALLOWED: Text("不支持此请求方法。", "This method is not allowed here."),
    Problem.UNKNOWN_MEMBER: Text("有不认识的字段。", "A member is unknown."),
    Problem.MISSING_MEMBER: Text("缺少必填字段。", "A required member is missing."),
    Problem.WRONG_VALUE: Text("字段的值有误。", "A member has a wrong value."),
    Problem.NAME_LENGTH: Text("姓名须为 1 至 100 个字符。", "A name has 1 to 100 characters."),
    Problem.NAME_CHARACTER: Text(
        "姓名中有不能使用的字符。", "The name has a character that names do not have."
    ),
    Problem.PHONE_FORM: Text(
        "手机号码只能由数字、空格、连字符、括号和开头的加号组成。",
        "A phone number has digits, spaces, hyphens, brackets and a leading plus sign only.",
    ),
    Problem.NOT_A_MOBILE: Text("这不是手机号码。", "This is not the number of a mobile phone."),
    Problem.IDENTITY_NUMBER_FORM: Text(
        "身份证号码须为 18 位。", "An identity number has 18 characters."
    ),
    Problem.IDENTITY_NUMBER_WRONG: Text(
        "身份证号码有误，请逐位核对。", "The identity number is wrong: check each digit."
    ),
    Problem.BIRTH_IN_FUTURE: Text("出生日期晚于今天。", "The birth date lies in the future."),
    Problem.TIME_FORM: Text(
        "日期须写作 2020-12-13，时间须写作 2020-12-13T08:00:00+08:00。",
        "Write a date as 2020-12-13 and a time as 2020-12-13T08:00:00+08:00.",
    ),
    Problem.TIME_OUT_OF_RANGE: Text(
        "时间有误：不得晚于现在，症状和行程限最近30天内，结束不得早于开始。",
        "The time is out of range: nothing lies in the future, symptoms and arrivals within the"
        " last 30 days, an end not before its beginning.",
    ),
    Problem.UNKNOWN_PLACE: Text("没有这个地区代码。", "There is no such place."),
    Problem.UNKNOWN_VALUE: Text(
        "此项不能自行申报，或取值不在列表中。",
        "This cannot be declared by oneself, or the value is not on the list.",
    ),
    Problem.BAD_HOLDER_KEY: Text(
        "手机公钥无效或重复。", "A holder key is not a valid public key, or stands twice."
    ),
    Problem.NOT_BOUND: Text(
        "尚未绑定或绑定已过期，请重新绑定。", "Not bound, or the binding ended: bind again."
    ),
    Problem.CODE_REFUSED: Text(
        "验证失败：验证码有误、已使用或已过期，或姓名与手机号未登记。请核对后重试，或重新获取验证码。",
        "Not confirmed: the code is wrong, used or expired, or nobody is registered with this name"
        " and number. Check them and try again, or ask for a new code.",
    ),
    Problem.IDEMPOTENCY_KEY: Text(
        "须带有 Idempotency-Key，由 16 至 64 个字母、数字、连字符或下划线组成。",
        "Send an Idempotency-Key of 16 to 64 letters, digits, hyphens or underscores.",
    ),
    Problem.IDEMPOTENCY_CONFLICT: Text(
        "此 Idempotency-Key 已用于另一个请求。",
        "This Idempotency-Key was used for another request.",
    ),
    Problem.COLOUR_PENDING: Text(
        "数据尚未齐全，暂时不能发码，请稍后再试或联系工作人员。",
        "Data is still missing, so no code can be made yet: try again later or ask the staff.",
    ),
    Problem.ISSUER_ENDED: Text(
        "本地健康码已停用，请申领新启用的健康码，或到服务窗口办理。",
        "This city's health code has ended: get a code of its successor, or ask the staff.",
    ),
    Problem.TOO_MANY: Text(
        "一次或一天内申报的数量过多，请减少数量或明天再报。",
        "Too much at once or within a day: declare less, or the rest tomorrow.",
    ),
    Problem.TOO_MANY_READS: Text("查询次数过多，请稍后再试。", "Read too often: try again later."),
    Problem.TOO_MANY_CODES: Text(
        "已领取的码已达上限，请使用仍有效的码，或待部分码到期后再领取。",
        "You were given as many codes as one person may have: use those that are still good, or ask"
        " again once some have ended.",
    ),
    Problem.NOTHING_TO_APPEAL: Text(
        "目前的判定未采用该地区提供的、仍可申诉的信息。如认为判定有误，请到服务窗口申诉。",
        "The present decision rests on nothing from that region that can still be contested. If you"
        " think that it is wrong, appeal at a service desk.",
    ),
    Problem.REGION_NOTICE_REFUSED: Text(
        "地区间通知无法接受。", "The notice between regions is not accepted."
    ),
    Problem.REGION_NOTICE_EARLY: Text(
        "此前的地区间通知尚未到齐，请稍后再送。",
        "Too many notices before this one are missing: send it again later.",
    ),
    Problem.UNAVAILABLE: Text(
        "服务暂时不可用，请稍后再试。", "The service is not available: try again in a moment."
    ),
    Problem.INTERNAL: Text("服务出错，请稍后再试。", "Something failed here: try again later."),
}
