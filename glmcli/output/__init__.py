"""How a reply is printed: one module a form."""
