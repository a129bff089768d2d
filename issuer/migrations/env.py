"""How Alembic reaches the issuer database: `alembic -n issuer upgrade head`.

The URL comes from CELADON_ISSUER_DATABASE, never from a file. `--sql` prints the statements for
an administrator who runs them under a role of their own.
"""

import os

from alembic import context
from alembic.util import CommandError

from audit.database import open_engine, writing
from issuer.models import metadata

url = os.environ.get("CELADON_ISSUER_DATABASE")
if url is None:
    raise CommandError("CELADON_ISSUER_DATABASE is not set")
if context.is_offline_mode():
    context.configure(url=url, target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = open_engine(url)
    try:
        with writing(engine) as connection:
            context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
            context.run_migrations()
    finally:
        engine.dispose()
