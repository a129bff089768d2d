"""The start of `celadon-verify`, and of `python -m verifier`."""

import gc
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run `verifier.cli`, which collects garbage again where more than one code is checked."""
    # Nothing of what is imported is garbage, and looking for some is a tenth of a cold start.
    gc.disable()
    from verifier import cli  # noqa: PLC0415 - after the line above

    cli.main()


if __name__ == "__main__":
    main()
