"""The embedded providers: a real HTTP server on loopback that speaks every dialect, quirks included."""

from glmcli.sandbox.providers import PREFIXES
from glmcli.sandbox.server import Sandbox

__all__ = ["PREFIXES", "Sandbox"]
