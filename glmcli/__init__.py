"""A scriptable command line for GLM language models."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]

__version__ = "0.1.0"

# Until glmcli.console.signals handles it, Ctrl-C simply ends the process, instead of raising KeyboardInterrupt with a
# traceback. `_signal` is built in; importing `signal` would cost a million instructions on every start.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
