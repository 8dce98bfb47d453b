"""A scriptable command line for GLM language models."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]

__version__ = "0.1.0"

# Until glmcli.console.signals answers Ctrl-C, it simply ends us: Python's own answer is a traceback. This runs before
# all else of ours; `_signal` is built in, and `signal` would cost a million instructions of every start.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
