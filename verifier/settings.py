"""What the environment may say to `celadon-verify`: one frozen value per process."""

import os.path
from collections.abc import Mapping
from typing import Final, NamedTuple

from verifier.errors import SettingsError

__all__ = ["PROFILES", "Settings", "from_env"]

PROFILES: Final = ("venue", "hospital", "checkpoint")
_PREFIX: Final = "CELADON_VERIFY_"
_KNOWN: Final = ("CELADON_VERIFY_LISTS", "CELADON_VERIFY_PROFILE")


class Settings(NamedTuple):
    """Where the lists are, and who is asking."""

    folder: str
    profile: str


def from_env(environ: Mapping[str, str]) -> Settings:
    """Read `CELADON_VERIFY_LISTS` (a folder) and `CELADON_VERIFY_PROFILE`.

    Raises:
        SettingsError: An unknown CELADON_VERIFY_ name, an empty folder or an unknown profile. A
            mistyped setting that was silently skipped could show colours to the wrong people.
    """
    for name in environ:
        if name.startswith(_PREFIX) and name not in _KNOWN:
            raise SettingsError(f"{name} is not a setting; known: {', '.join(_KNOWN)}")
    profile = environ.get("CELADON_VERIFY_PROFILE", PROFILES[0])
    if profile not in PROFILES:
        raise SettingsError(f"CELADON_VERIFY_PROFILE is one of {', '.join(PROFILES)}")
    folder = environ.get("CELADON_VERIFY_LISTS", _default_folder(environ))
    if not folder:
        raise SettingsError("CELADON_VERIFY_LISTS is empty; it names the folder of lists")
    return Settings(folder, profile)


def _default_folder(environ: Mapping[str, str]) -> str:
    base = environ.get("XDG_DATA_HOME") or environ.get("LOCALAPPDATA")
    home = base or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(home, "celadon-verify")
