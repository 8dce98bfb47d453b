"""Batches that a provider runs: rows go there as a file, and answers come back as files, hours later.

`request_files` writes what is uploaded, `rows_file` remembers which row each line is, `job_file` what exists at the
provider. `batch_client` talks to the provider, `submission` creates batches there, `fetch` brings `results` back.
"""
