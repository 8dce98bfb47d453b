"""The one place that speaks HTTP: `exchange` for a question, `lane` for thousands. Nothing is imported here.

`ask` must not pay for the event loop that only a batch needs.
"""
