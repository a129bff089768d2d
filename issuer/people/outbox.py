"""How one-time codes and notices reach a phone: a Protocol, and a local folder as its default.

The folder stands in for a text-message gateway on one machine: one file per message, for its
owner alone, read with `celadon outbox`. Texts hold no link, so that a link in a message with our
name is always somebody else's.
"""

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from issuer.errors import OutboxError
from issuer.people.problems import Text
from keys.files import write_private

__all__ = [
    "MAX_PER_HOUR", "CodeDelivery", "LimitedDelivery", "LocalOutbox", "Message", "code_message",
    "registered_message",
]  # fmt: skip

#: Messages to one phone.
MAX_PER_HOUR: Final = 10
_HOUR_S: Final = 3600
_PRIVATE_FOLDER: Final = 0o700
_LATEST: Final = 2**36  # what a calendar has a date for


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """One text to one phone (E.164)."""

    phone: str
    text: Text
    at: int


class CodeDelivery(Protocol):
    """Hands a message to whoever brings it to the phone. Returns when it is accepted."""

    def deliver(self, message: Message) -> None: ...


def code_message(phone: str, code: str, *, at: int, minutes: int) -> Message:
    """The one-time code, the same text for known and unknown people."""
    return Message(
        phone,
        Text(
            f"【青瓷健康码】验证码 {code}，{minutes} 分钟内有效。"
            "请勿告诉任何人，工作人员不会向您索要。",
            f"[Celadon] Your code is {code}, good for {minutes} minutes. Tell it to nobody: our"
            " staff never ask for it.",
        ),
        at,
    )


def registered_message(phone: str, *, at: int) -> Message:
    """What the owner of a phone is told when it is registered, the first time and again."""
    return Message(
        phone,
        Text(
            "【青瓷健康码】有人用此手机号登记了健康码。若非本人操作，请到服务窗口说明。",
            "[Celadon] Somebody registered for a health code with this number. If it was not you,"
            " tell a service desk.",
        ),
        at,
    )


class LimitedDelivery:
    """Hands on a few messages an hour to each phone, and drops the rest without a word.

    Names can be varied without end, so limits per person do not keep a stranger's phone quiet.
    Counted in memory, in each process by itself.
    """

    __slots__ = ("_delivery", "_lock", "_sent")

    def __init__(self, delivery: CodeDelivery) -> None:
        self._delivery = delivery
        self._lock = threading.Lock()
        self._sent: OrderedDict[str, list[int]] = OrderedDict()

    def deliver(self, message: Message) -> None:
        with self._lock:
            self._forget(message.at)
            sent = self._sent.setdefault(message.phone, [])
            sent[:] = [at for at in sent if at > message.at - _HOUR_S]
            if len(sent) >= MAX_PER_HOUR:
                return
            sent.append(message.at)
            self._sent.move_to_end(message.phone)
        try:
            self._delivery.deliver(message)
        except Exception:
            with self._lock, suppress(ValueError):  # an hour later it is forgotten already
                sent.remove(message.at)
            raise

    def _forget(self, now: int) -> None:
        """Phones in front got their last message longest ago."""
        while self._sent:
            phone, sent = next(iter(self._sent.items()))
            if sent and sent[-1] > now - _HOUR_S:
                return
            del self._sent[phone]


class LocalOutbox:
    """Messages as files in a folder of mode 0700, each of mode 0600 and written as a whole."""

    __slots__ = ("_folder",)

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._folder = folder

    def deliver(self, message: Message) -> None:
        token = os.urandom(8).hex()
        told = {"phone": message.phone, "at": message.at, **message.text._asdict()}
        content = json.dumps(told, ensure_ascii=False).encode()
        write_private(self._folder / f"{message.at:012d}-{token}.json", content, token=token)

    def messages(self) -> Iterator[Message]:
        """All messages, oldest first.

        Raises:
            OutboxError: After the last of them: these files are something else.
        """
        foreign = []
        for path in sorted(self._folder.glob("*.json")):
            message = _read(path)
            if message is None:
                foreign.append(path.name)
            else:
                yield message
        if foreign:
            names = ", ".join(ascii(name)[1:-1] for name in foreign)
            raise OutboxError(f"{self._folder}: not a message of ours: {names}")


def _read(path: Path) -> Message | None:
    try:
        read = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    match read:
        case {"phone": str(phone), "zh": str(zh), "en": str(en), "at": int(at)} if at < _LATEST:
            return Message(phone, Text(zh, en), at)
        case _:
            return None
