"""Tools that a model may call: what files declare, what a call may do, and how it is run.

Nothing here trusts the model: a call runs only if its arguments satisfy the tool's schema and somebody approved it.
"""
