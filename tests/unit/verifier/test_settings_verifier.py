"""Settings from the environment: few, checked, and never silently skipped."""

import pytest

from verifier.door import POLICIES
from verifier.errors import SettingsError
from verifier.settings import PROFILES, from_env


def test_from_env_without_anything_is_a_venue_with_a_folder_of_its_own() -> None:
    """The default shows the least and keeps its lists where such programs do."""
    assert from_env({"XDG_DATA_HOME": "/data"}) == ("/data/celadon-verify", "venue")
    assert from_env({}).folder.endswith("/.local/share/celadon-verify")


def test_from_env_takes_folder_and_profile() -> None:
    """Both can be set for all of a machine."""
    environ = {"CELADON_VERIFY_LISTS": "/srv/lists", "CELADON_VERIFY_PROFILE": "hospital"}
    assert from_env({**environ, "HOME": "/root"}) == ("/srv/lists", "hospital")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CELADON_VERIFY_PROFIL", "venue"),
        ("CELADON_VERIFY_", ""),
        ("CELADON_VERIFY_PROFILE", "Venue"),
        ("CELADON_VERIFY_PROFILE", ""),
        ("CELADON_VERIFY_LISTS", ""),
    ],
)
def test_from_env_with_a_wrong_setting_refuses(name: str, value: str) -> None:
    """C124: a mistyped setting stops the program instead of showing colours to the wrong people."""
    with pytest.raises(SettingsError, match="CELADON_VERIFY_"):
        from_env({name: value})


def test_every_profile_has_its_policy() -> None:
    """The names on the command line are those of the policies."""
    assert set(PROFILES) == set(POLICIES)
