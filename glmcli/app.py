"""What every command gets from the program that called it."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from glmcli.terminal import Terminal


@dataclass(frozen=True)
class App:
    """The terminal, the environment, and when the program began (monotonic)."""

    terminal: Terminal
    lost: frozenset[int] = frozenset()
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    started: float = field(default_factory=time.monotonic)
