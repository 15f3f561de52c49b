"""Draws the pictures of the documentation from runs of Lamina.

python -m docs.make_pictures                      all of them, into docs/pictures
python -m docs.make_pictures kernels loss         some of them
python -m docs.make_pictures --out FOLDER

It needs the extra `docs`. A picture whose data is not there is left as it is.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).with_name("pictures")
DRAWINGS = Path(__file__).with_name("drawings")


def names() -> list[str]:
    """Every picture, by name."""
    found = [module.name for module in pkgutil.iter_modules([str(DRAWINGS)])]
    return sorted(set(found) - {"style"})


def draw(name: str, folder: Path) -> Path | None:
    """Draw one picture; None when its data is not there."""
    import matplotlib as mpl

    import lamina as lm
    from docs.drawings import style

    lm.random.seed(0)
    with mpl.rc_context(style.SETTINGS):
        drawn = importlib.import_module(f"docs.drawings.{name}").draw()
        if drawn is None:
            return None
        path = folder / f"{name}.svg"
        path.write_text(style.svg(drawn))
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw what is asked for; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="pictures (all)")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where to (docs/pictures)")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(names())
    if unknown:
        parser.error(f"no picture {', '.join(sorted(unknown))}: there are {', '.join(names())}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or names():
        done = draw(name, options.out)
        print(f"{name}: {done or 'its data is not there, left as it is'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
