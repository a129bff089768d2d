"""`python -m issuer.demo [--token] [FOLDER]`: tell the main job; leave its files in demo-out/."""

import argparse
import os
import shutil
from pathlib import Path

from issuer.demo import softhsm
from issuer.demo.country import open_country
from issuer.demo.story import Story
from issuer.demo.telling import Teller


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m issuer.demo", description=__doc__)
    parser.add_argument("folder", nargs="?", default="demo-out", help="made anew (demo-out)")
    parser.add_argument(
        "--token", action="store_true", help="sign codes inside PKCS#11 tokens (SoftHSM)"
    )
    arguments = parser.parse_args()
    if arguments.token and not softhsm.is_installed():
        parser.error(softhsm.PACKAGE_MISSING)
    out = Path(arguments.folder).resolve()
    if out.exists() and any(out.iterdir()):
        if not (out / "private" / "trust").is_dir():
            parser.error(f"{out} is not empty, and not an earlier demo: nothing was touched")
        shutil.rmtree(out)
    os.umask(0o077)
    out.mkdir(exist_ok=True)
    with open_country(out, tokens=arguments.token) as country:
        Story(country, Teller()).tell()


if __name__ == "__main__":
    main()
