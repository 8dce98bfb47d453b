"""How a reply is printed: one module for each output format."""
