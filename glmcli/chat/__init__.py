"""A conversation, for any provider: messages and requests, events and replies, and how a question ended."""

from __future__ import annotations
