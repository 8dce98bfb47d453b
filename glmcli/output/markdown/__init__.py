"""Markdown rendered on a terminal while it arrives: text -> blocks -> rows of the screen.

`stream` is the destination that the answer is written to. `splitter` cuts the text into blocks, `renderer` and
`code_block` turn a block into rows, and `screen` encodes the rows and repaints those that change. Only a terminal loads
this package: to import rich, markdown-it and Pygments takes longer than to print a short answer.
"""
