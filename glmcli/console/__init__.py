"""Everything between the program and its terminal or pipes: output, stdin, signals, and the redaction of keys."""
