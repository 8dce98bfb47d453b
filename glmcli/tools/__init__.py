"""Tools that a model may call: what files declare, what a call may do, and how it is run.

The model is not trusted: a call runs only if its arguments satisfy the tool's schema, and if it is approved.
"""
