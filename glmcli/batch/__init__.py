"""Thousands of prompts: rows in, one line a row out, never one lost and never one written twice."""
