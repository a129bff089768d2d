"""All drills, in the order in which they are played."""

from typing import Final

from issuer.drills.hostile_host import HOSTILE_HOST
from issuer.drills.old_backup import OLD_BACKUP
from issuer.drills.root_lost import ROOT_LOST
from issuer.drills.root_stolen import ROOT_STOLEN
from issuer.drills.roots_stolen import ROOTS_STOLEN
from issuer.drills.scene import Drill

__all__ = ["DRILLS"]

DRILLS: Final[tuple[Drill, ...]] = (ROOT_LOST, ROOT_STOLEN, ROOTS_STOLEN, HOSTILE_HOST, OLD_BACKUP)
