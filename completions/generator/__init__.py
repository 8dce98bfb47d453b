"""Writes the shell completions: `python -m completions.generator`, from the top of the repository.

The scripts are static. They hold every word that they offer, because asking the program at each Tab would start it.
"""
