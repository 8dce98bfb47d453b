"""Requests until there is an answer: one attempt, retries and fallback, the loop with tools, other calls of an API."""
