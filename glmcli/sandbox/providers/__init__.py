"""The providers that the sandbox stands in for: a module for each family, which ends in its rows."""
