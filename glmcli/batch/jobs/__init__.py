"""Batches that a provider runs: rows go there as a file, and answers come back as files, hours later.

`lines` makes the files, `asked` remembers which row each line is, `job` what exists at the provider, `service` talks to
it, `submission` brings parts there, `collection` brings answers back.
"""
