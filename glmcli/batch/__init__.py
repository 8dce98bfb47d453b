"""Batches: thousands of rows are sent, and each ends as one line of the output, never lost and never written twice."""
