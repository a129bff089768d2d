"""What the commands of `celadon` begin with: settings, keystore and office. Shell."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from issuer.app import Office, office
from issuer.settings import Settings, from_env, read_passphrase
from keys.store import Keystore

__all__ = ["clock", "open_keystore", "open_office"]


def clock() -> int:
    """The present second."""
    return int(time.time())


def open_keystore() -> tuple[Settings, Keystore]:
    """The settings in the environment, and the keystore that they name."""
    settings = from_env(os.environ)
    return settings, Keystore.open(settings.keystore, read_passphrase(settings.passphrase_file))


@contextmanager
def open_office() -> Iterator[Office]:
    """The office of these settings, until the block ends."""
    settings, keystore = open_keystore()
    with office(settings, keystore, clock=clock) as opened:
        yield opened
