"""The commands: read the flags, decide, run, print."""
