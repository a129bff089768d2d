"""A log that was restored from an old copy goes on under another name. Shell. ADR 0014.

What a log signed stays signed: a copy that has lost its newest entries must never sign another
tree of a size that it signed already. So it gets a new origin, its entries stay as they are, and
the first entry under the new name says which checkpoint of the old one they fall short of.
"""

from sqlalchemy import Engine, delete

from audit import store
from audit.database import reading, writing
from audit.errors import LogForkError
from audit.models import log_checkpoints
from audit.store import Head
from audit.tlog.checkpoint import Checkpoint, SignedCheckpoint, sign_checkpoint
from audit.tlog.note import NoteKey
from audit.verify import Broken, verify_log
from keys.cose import MessageSigner

__all__ = ["restart_log"]


def restart_log(
    engine: Engine, signer: MessageSigner, *, old: NoteKey, origin: str, seen: SignedCheckpoint
) -> int:
    """Sign what there is under the name *origin*; gives how many entries there are.

    Args:
        engine: The log's database, out of a copy.
        signer: Of the log's checkpoints.
        old: Name and key under which the copy was signed.
        origin: The new name, another one than the old.
        seen: The newest checkpoint that is known of the old log; the copy falls short of it.

    Raises:
        LogForkError: The copy is broken, or is no beginning of what was seen.
    """
    verdict = verify_log(engine, old)
    if isinstance(verdict, Broken):
        raise LogForkError(f"the copy of the log: {verdict}")
    known = seen.checkpoint
    if verdict.tree_size > known.tree_size:
        raise LogForkError(f"the copy has {verdict.tree_size} entries, more than were seen")
    if verdict.tree_size == known.tree_size and verdict.root_hash != known.root_hash:
        raise LogForkError("the copy has as many entries as were seen, and others")
    with reading(engine) as connection:
        before = store.read_head(connection)
    checkpoint = Checkpoint(origin, verdict.tree_size, verdict.root_hash)
    time = max(seen.time or 0, verdict.time or 0)
    after = Head(verdict.tree_size, sign_checkpoint(checkpoint, signer, now=time))
    with writing(engine) as connection:
        if not store.swap_head(connection, before, after):
            raise LogForkError("somebody else writes to the copy")
        # They were signed under the old name, and verify under no other.
        connection.execute(delete(log_checkpoints))
    return verdict.tree_size
