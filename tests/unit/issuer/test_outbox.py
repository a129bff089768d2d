"""Messages on their way to a phone: for their owner alone, in both languages, without a link."""

import os
import re
import resource
import stat
from pathlib import Path

import pytest

from issuer.errors import OutboxError
from issuer.people.outbox import (
    MAX_PER_HOUR,
    LimitedDelivery,
    LocalOutbox,
    Message,
    code_message,
    registered_message,
)
from issuer.people.problems import Text
from tests.web_support import Phones

PHONE = "+8613800138000"


def test_outbox_messages_come_back_in_order(tmp_path: Path) -> None:
    """What was delivered is read back as it was, oldest first."""
    outbox = LocalOutbox(tmp_path / "outbox")
    sent = [Message(PHONE, Text(f"第{i}条", f"number {i}"), 1_607_832_000 + i) for i in range(12)]
    for message in sent:
        outbox.deliver(message)
    assert list(outbox.messages()) == sent


def test_outbox_on_a_full_disk_keeps_no_half_message(tmp_path: Path) -> None:
    """What could not be written as a whole keeps nobody from reading the others."""
    outbox = LocalOutbox(tmp_path / "outbox")
    sent = code_message(PHONE, "012345", at=1, minutes=10)
    outbox.deliver(sent)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            outbox.deliver(sent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(caught.value.filename).startswith(str(tmp_path / "outbox"))
    assert list(outbox.messages()) == [sent]


@pytest.mark.parametrize(
    "content",
    [
        b"{", b"\xff", b"[]", b"{}", b"[" * 100_000,
        b'{"phone": "", "zh": "", "en": "", "at": "x"}',
        b'{"phone": "", "zh": "", "en": "", "at": 9999999999999}',
    ],
    ids=["cut", "no-text", "list", "empty", "deep", "no-time", "no-date"],
)  # fmt: skip
def test_outbox_with_a_strangers_file_gives_the_other_messages(
    tmp_path: Path, content: bytes
) -> None:
    """What somebody else put there is named, and hides nothing that was delivered."""
    outbox = LocalOutbox(tmp_path / "outbox")
    sent = [code_message(PHONE, "012345", at=at, minutes=10) for at in (1, 3)]
    for message in sent:
        outbox.deliver(message)
    (tmp_path / "outbox" / "000000000002-foreign.json").write_bytes(content)
    read = outbox.messages()
    assert [next(read), next(read)] == sent
    with pytest.raises(OutboxError, match="foreign"):
        next(read)


def test_outbox_is_for_its_owner_alone_under_any_umask(tmp_path: Path) -> None:
    """Folder and files can be reached by nobody else, whatever the umask is."""
    before = os.umask(0)
    try:
        outbox = LocalOutbox(tmp_path / "outbox")
        outbox.deliver(code_message(PHONE, "012345", at=1, minutes=10))
    finally:
        os.umask(before)
    (file,) = (tmp_path / "outbox").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert PHONE[1:] not in file.name


def test_messages_speak_both_languages_and_hold_no_link() -> None:
    """A link in a message with our name is always somebody else's (A15, B17)."""
    for message in (
        code_message(PHONE, "012345", at=1, minutes=10),
        registered_message(PHONE, at=1),
    ):
        assert re.search(r"[\u4e00-\u9fff]", message.text.zh)
        assert message.text.en.isascii()
        for text in message.text:
            assert not re.search(r"https?:|www\.|//|\.(com|cn|example)\b", text, re.IGNORECASE)


def test_code_message_has_the_code_in_both_languages() -> None:
    """Zeros in front stay."""
    message = code_message(PHONE, "001234", at=1, minutes=10)
    assert "001234" in message.text.zh
    assert "001234" in message.text.en


def test_message_repr_holds_nothing_of_it() -> None:
    """A message in a traceback shows neither phone nor code."""
    shown = repr(code_message(PHONE, "012345", at=1, minutes=10))
    assert PHONE not in shown
    assert "012345" not in shown


def test_limited_delivery_keeps_a_phone_quiet() -> None:
    """Ten messages an hour reach a phone, whatever they are about; other phones get theirs."""
    sent: list[Message] = []

    class Gateway:
        def deliver(self, message: Message) -> None:
            sent.append(message)

    limited = LimitedDelivery(Gateway())
    for second in range(30):
        limited.deliver(registered_message(PHONE, at=second))
    assert len(sent) == MAX_PER_HOUR
    limited.deliver(registered_message("+8613900139000", at=30))
    assert len(sent) == MAX_PER_HOUR + 1
    limited.deliver(registered_message(PHONE, at=3600))
    assert [message.at for message in sent[-2:]] == [30, 3600]


def test_limited_delivery_counts_what_was_taken() -> None:
    """What a gateway refused is none of the messages of the hour."""
    phones, down = Phones(), True

    class Gateway:
        def deliver(self, message: Message) -> None:
            if down:
                raise ConnectionError("the gateway is down")
            phones.deliver(message)

    limited = LimitedDelivery(Gateway())
    for second in range(MAX_PER_HOUR):
        with pytest.raises(ConnectionError):
            limited.deliver(registered_message(PHONE, at=second))
    down = False
    limited.deliver(registered_message(PHONE, at=MAX_PER_HOUR))
    assert len(phones.messages) == 1


def test_limited_delivery_forgets_phones() -> None:
    """What is remembered does not grow with all phones ever told."""
    limited = LimitedDelivery(Phones())
    for number in range(1000):
        limited.deliver(registered_message(f"+86138{number:08}", at=number * 10))
    assert len(limited._sent) <= 361
