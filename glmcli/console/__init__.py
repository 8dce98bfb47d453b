"""Everything between the program and its terminal or pipes: streams, stdin, signals, and the redaction of keys."""

from __future__ import annotations
