"""Remarks on text that looks as if the provider's row described its server wrongly; the text itself stays. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.chat.events import Remark
from glmcli.providers.text_filter import CLOSE_TAG, OPEN_TAG

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmcli.providers.row import Api

_MIN_REPEATS = 3  # frames in a row that repeat the one before; two may happen by chance ("a", "ab")


class CumulativeText:
    """Watches whether each frame repeats all text so far.

    A gateway of an OpenAI-compatible API sent accumulated text: github.com/QwenLM/qwen-code/pull/3896 (2026-05-13).
    """

    def __init__(self) -> None:
        """Start before the first frame."""
        self._last: str | None = ""
        self._repeats = 0

    def push(self, texts: Iterable[str]) -> None:
        """Watch the texts of these frames; the first that repeats nothing ends it."""
        for text in texts:
            if self._last is None or not text.startswith(self._last):
                self._last = None
                return
            if self._last and text != self._last:
                self._repeats += 1
            self._last = text

    def remarks(self) -> Iterable[Remark]:
        """The remark, if every frame repeated the one before."""
        if self._last is not None and self._repeats >= _MIN_REPEATS:
            what = "each frame repeats all text so far"
            yield Remark(f"{what}; if so, text_frames: cumulative in the provider's row of the configuration undoes it")


def think_tag_remarks(answer: str, api: Api) -> Iterable[Remark]:
    """The remark on an answer that holds thinking, if the row expects none or marks it differently."""
    form = None
    before, tag, _ = answer.partition(CLOSE_TAG)
    if tag and before.lstrip().startswith(OPEN_TAG):
        form = "open"
    elif tag and OPEN_TAG not in before:
        form = "bare"
    if form and form != api.think_tags:
        what = f"the answer seems to hold thinking before a {CLOSE_TAG} tag"
        yield Remark(f"{what}; if so, think_tags: {form} in the provider's row of the configuration tells them apart")
