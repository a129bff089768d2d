"""All drills, in the order in which they are played."""

from typing import Final

from issuer.drills.city_retired import CITY_RETIRED
from issuer.drills.hostile_host import HOSTILE_HOST
from issuer.drills.key_lost import KEY_LOST
from issuer.drills.old_backup import OLD_BACKUP
from issuer.drills.root_lost import ROOT_LOST
from issuer.drills.root_stolen import ROOT_STOLEN
from issuer.drills.roots_stolen import ROOTS_STOLEN
from issuer.drills.scene import Drill
from issuer.drills.status_key_lost import STATUS_KEY_LOST
from issuer.drills.stolen_key import STOLEN_KEY

__all__ = ["DRILLS"]

DRILLS: Final[tuple[Drill, ...]] = (
    STOLEN_KEY,
    KEY_LOST,
    STATUS_KEY_LOST,
    ROOT_LOST,
    ROOT_STOLEN,
    ROOTS_STOLEN,
    HOSTILE_HOST,
    CITY_RETIRED,
    OLD_BACKUP,
)
