"""Nothing that we send or print leads anywhere, so whatever does is somebody else's (A15, B17)."""

import re

from issuer.people.outbox import code_message, registered_message
from verifier.transport import PREFIX

LINK = re.compile(r"https?:|www\.|://|[a-z0-9]\.[a-z]{2}", re.IGNORECASE)
PHONE = "+8613812345678"


def test_messages_hold_no_link_no_name_and_no_number_but_the_code() -> None:
    """A text from us never asks anybody to open something."""
    sent = code_message(PHONE, "123456", at=0, minutes=10)
    told = registered_message(PHONE, at=0)
    for text in (*sent.text, *told.text):
        assert LINK.search(text) is None
        assert not set(re.findall(r"[0-9]+", text)) - {"123456", "10"}


def test_codes_are_no_addresses() -> None:
    """A camera app finds nothing to open in a code."""
    assert re.fullmatch(r"[A-Z0-9]+:", PREFIX)
    assert LINK.search(PREFIX) is None
