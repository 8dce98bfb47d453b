"""When the next request of a batch may be sent: concurrency, requests and tokens a minute, pauses after failures.

Everything here is pure: the time is always an argument, in seconds of any clock that does not go back.
"""

from __future__ import annotations
