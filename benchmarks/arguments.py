"""What the scripts that measure CPU and time are told on their command lines."""

from __future__ import annotations

import argparse
import os


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser that knows --peers, --rounds and --cpus."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--peers", action="store_true", help="and the others; installs what is missing, for this run")
    made.add_argument("--rounds", type=positive, default=3, help="of which the median counts")
    made.add_argument("--cpus", type=_cpus, default="0,1", help="of the server and of the programs")
    return made


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _cpus(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) < (os.cpu_count() or 1) for part in parts):  # noqa: PLR2004 - a pair
        raise argparse.ArgumentTypeError(f"{text!r} is not two CPUs of this machine, such as 0,0")
    return int(parts[0]), int(parts[1])
