"""A scriptable command line for GLM language models."""

__version__ = "0.1.0"
