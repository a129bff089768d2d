"""What a door says, in Chinese and English. Pure: only words.

Every text says what to do next. A door never learns why a code is not admitted, unless its profile
shows it, so several reasons share one text. Nobody is sent away by "check again": a person decides.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from verifier.check import Kind, Reason
from verifier.claims import Colour
from verifier.transport import PREFIX

__all__ = [
    "CARE_FIRST",
    "COLOURS",
    "NOT_A_DIAGNOSIS",
    "SIGNS",
    "TEXTS",
    "Bilingual",
    "Local",
    "hint",
    "successor_advice",
]


class Bilingual(NamedTuple):
    """One thing to say, in both languages."""

    zh: str
    en: str


class Local:
    """Reasons beside those of the check: what can go wrong before there is a text to check."""

    SEVERAL: Final = "several-codes"
    NO_CODE: Final = "no-code-found"
    UNREADABLE: Final = "picture-unreadable"
    FAILED: Final = "cannot-check"


#: A sign that is told apart without colour and exists in every Chinese character set, and words.
SIGNS: Final[Mapping[Kind, tuple[str, Bilingual]]] = {
    Kind.ADMIT: ("√", Bilingual("可以通行", "ADMIT")),
    Kind.DO_NOT_ADMIT: ("\u00d7", Bilingual("不予通行", "DO NOT ADMIT")),
    Kind.CHECK_AGAIN: ("?", Bilingual("请再核验", "CHECK AGAIN")),
    Kind.NOT_A_CODE: ("!", Bilingual("不是健康码", "NOT A CODE")),
}

COLOURS: Final[Mapping[Colour, Bilingual]] = {
    Colour.GREEN: Bilingual("绿码。", "Green."),
    Colour.YELLOW: Bilingual("黄码。", "Yellow."),
    Colour.RED: Bilingual("红码。", "Red."),
}

#: Said wherever a colour other than green is shown.
NOT_A_DIAGNOSIS: Final = Bilingual("健康码颜色不是诊断结论。", "A colour is not a diagnosis.")

#: Said wherever nobody may be turned away for a code.
CARE_FIRST: Final = Bilingual(
    "请先救治，不得以健康码为由推诿、拒诊。", "Care comes first: nobody is refused it for a code."
)

_DESK: Final = Bilingual("或到人工通道办理", "or use the staffed desk")

_FRESH: Final = Bilingual(f"请出示新的健康码，{_DESK.zh}。", f"Ask for a fresh code, {_DESK.en}.")
_LISTS: Final = Bilingual(
    "请更新本机名单（celadon-verify update），其间由工作人员人工核验。",
    "Update the lists on this machine (celadon-verify update); until then staff decide by hand.",
)
_NOT_OURS: Final = Bilingual(
    "这不是健康码，本机不会打开其内容。请出示健康码，或到人工通道办理。",
    "This is not a health code; its content is not opened. Ask for the health code, "
    "or use the staffed desk.",
)
_DENIED: Final = Bilingual(
    "请礼貌告知：可打开健康码查看原因和申诉办法，或到人工通道咨询。",
    "Say kindly: the code's own page gives the reason and how to appeal, "
    "or ask at the staffed desk.",
)
_INVALID: Final = Bilingual(
    "该码不是有效签发的健康码。请出示新的健康码，或到人工通道核实。",
    "This code was not validly issued. Ask for a fresh code, or have it looked into at the "
    "staffed desk.",
)

TEXTS: Final[Mapping[str, Bilingual]] = {
    Reason.ADMITTED: Bilingual("健康码有效。", "The code is valid."),
    Reason.NOT_ADMITTED: _DENIED,
    Reason.WITHDRAWN: _DENIED,
    Reason.BAD_SIGNATURE: _INVALID,
    Reason.KEY_PURPOSE: _INVALID,
    Reason.OUT_OF_SCOPE: _INVALID,
    Reason.KEY_WITHDRAWN: Bilingual(
        f"签发该码的密钥已停用。{_FRESH.zh}",
        f"The key that signed this code was withdrawn. {_FRESH.en}",
    ),
    Reason.MALFORMED: _NOT_OURS,
    Reason.WRONG_TYPE: Bilingual(
        "这是系统的签名文件，不是健康码。请出示健康码，或到人工通道办理。",
        "This is a signed file of the service, not a health code. Ask for the health code, "
        "or use the staffed desk.",
    ),
    Reason.SUPERSEDED: Bilingual(f"该码已被更新。{_FRESH.zh}", f"A newer code exists. {_FRESH.en}"),
    Reason.EXPIRED: Bilingual(f"该码已过期。{_FRESH.zh}", f"This code has expired. {_FRESH.en}"),
    Reason.NOT_YET: Bilingual(
        "该码尚未生效。请核对本机时间，或请对方打开当前的健康码，或到人工通道办理。",
        "This code is not valid yet. Check this machine's clock, ask for the current code, "
        "or use the staffed desk.",
    ),
    Reason.PRESENTATION_OLD: Bilingual(
        "画面已过时（可能是截图）。请对方在手机上重新打开健康码，或到人工通道办理。",
        "The picture is too old, perhaps a screenshot. Ask to reopen the code on the phone, "
        "or use the staffed desk.",
    ),
    Reason.PRESENTATION_AHEAD: Bilingual(
        "手机时间快于本机。请核对双方时间后再扫，或到人工通道办理。",
        "The phone's clock is ahead of this machine's. Check both clocks and scan again, "
        "or use the staffed desk.",
    ),
    Reason.REPEATED: Bilingual(
        f"该码刚刚在此出示过。{_FRESH.zh}", f"This code was shown here just now. {_FRESH.en}"
    ),
    Reason.CLOCK: Bilingual(
        "本机时间早于已签发的名单，时间有误。请校准本机时间，其间由工作人员人工核验。",
        "This machine's clock is wrong: earlier than a list that is already signed. Set the "
        "clock; until then staff decide by hand.",
    ),
    Reason.STALE_TRUST: Bilingual(
        f"签发机构名单已超过24小时未更新。{_LISTS.zh}",
        f"The list of issuers is over 24 h old. {_LISTS.en}",
    ),
    Reason.STALE_STATUS: Bilingual(
        f"状态名单已超过24小时未更新。{_LISTS.zh}", f"The status list is over 24 h old. {_LISTS.en}"
    ),
    Reason.NO_STATUS: Bilingual(
        f"本机没有该码的状态名单。{_LISTS.zh}",
        f"The status list of this code is not here. {_LISTS.en}",
    ),
    Reason.STATUS_UNKNOWN: Bilingual(
        f"无法确定该码的状态。{_FRESH.zh}", f"The status of this code cannot be told. {_FRESH.en}"
    ),
    Reason.UNKNOWN_KEY: Bilingual(
        f"签发机构不在本机名单中。{_LISTS.zh}",
        f"Its issuer's key is not on the list held. {_LISTS.en}",
    ),
    Reason.KEY_NOT_IN_FORCE: Bilingual(
        f"签发密钥不在有效期内。{_FRESH.zh}", f"Its issuer's key is not in force now. {_FRESH.en}"
    ),
    Reason.ISSUER_ENDED: Bilingual(
        "该地健康码已停用。请改用新启用的健康码，或到人工通道办理。",
        "This city's code has ended. Ask for a code of its successor, or use the staffed desk.",
    ),
    Local.SEVERAL: Bilingual(
        "画面中不止一个二维码。请只对准一个健康码再试，或到人工通道办理。",
        "More than one QR code in view. Show one code alone and try again, "
        "or use the staffed desk.",
    ),
    Local.NO_CODE: Bilingual(
        "照片中没有找到二维码。请靠近、对焦、避免反光后重拍，或到人工通道办理。",
        "No QR code found in the photo. Take it again, closer, sharp and without glare, "
        "or use the staffed desk.",
    ),
    Local.UNREADABLE: Bilingual(
        "照片已损坏或过大。请重拍，或到人工通道办理。",
        "The photo is damaged or far too large. Take it again, or use the staffed desk.",
    ),
    Local.FAILED: Bilingual(
        "本机无法核验。请由工作人员人工核验，并通知技术人员。",
        "This machine cannot check. Staff decide by hand; tell the technician.",
    ),
}


def successor_advice(name_zh: str, name_en: str) -> Bilingual:
    """Whose code to get, where the one that was shown has ended."""
    return Bilingual(f"请申领{name_zh}健康码。", f"Get a code of {name_en}.")


_KEYBOARD: Final = Bilingual(
    "若扫的是健康码：输入法改动了文字，请把键盘切换到英文（半角）后重扫。",
    "If it was a health code: the keyboard changed its text. Switch the keyboard to English "
    "(half-width) and scan again.",
)
_CAPS: Final = Bilingual(
    "字母大小写被改动：请检查 Caps Lock 和扫描枪设置后重扫。",
    "Its letters came in the wrong case: check Caps Lock and the scanner's settings, scan again.",
)


_AROUND: Final = Bilingual(
    "扫描枪在码前后添加了字符：请在扫描枪设置中关闭前缀和后缀后重扫。",
    "The scanner adds characters around the code: switch its prefix and suffix off, scan again.",
)


def hint(text: str) -> Bilingual | None:
    """What to tell staff about a scanned text that is no code, where the scanner is at fault."""
    if not text.isascii():
        return _KEYBOARD
    if PREFIX in text and not (text.startswith(PREFIX) and text.isprintable()):
        return _AROUND
    return _CAPS if text.startswith(PREFIX.swapcase()) else None
