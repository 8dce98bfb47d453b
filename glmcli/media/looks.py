"""What is known of some bytes without decoding them."""

from __future__ import annotations

from glmcli.record import Record


class Looks(Record):
    """What the first bytes say, and the structure behind them.

    Attributes:
        type: the media type; empty where no signature is known.
        what: the same in words: `a PNG picture`.
        width: pixels, where the format says it before the pixels begin.
        height: the same.
        animated: there is more than one frame.
        fault: why it is not whole, as the end of a sentence; empty where it is, as far as its structure tells.
    """

    type: str = ""
    what: str = "of no kind that is known"
    width: int | None = None
    height: int | None = None
    animated: bool = False
    fault: str = ""
