"""The one place that speaks HTTP: `client` (httpx) for a question, `bulk` (aiohttp) for thousands.

Both send an `HttpCall` and tell a `Receiver` what happens, in the same words. Nothing is imported here: `ask` must not
pay for the event loop that only a batch needs.
"""
