"""The hash beside an answer says what was asked, and is the same by the quick way and by the long one."""

from __future__ import annotations

import batch_sizes
from hypothesis import given
from hypothesis import strategies as st

from glmcli.batch.rows.requests import RequestBuilder, digest
from glmcli.chat.messages import Message, Request
from glmcli.config.options import Options
from glmcli.console.stdin import Stdin
from glmcli.console.terminal import Terminal
from glmcli.providers.table import PROVIDERS
from glmcli.record import Record

texts = st.text(max_size=20)
messages = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), texts), min_size=1, max_size=3).map(
    tuple
)
bases = st.builds(
    Request,
    model=texts,
    messages=st.just((Message("user", "x"),)),
    think=st.none() | st.booleans(),
    effort=st.none() | texts,
    temperature=st.sampled_from([None, 0, 0.0, 1, 1.0, True]),
    stop=st.lists(texts, max_size=2).map(tuple),
    extra=st.dictionaries(texts, st.none() | st.integers() | texts, max_size=2),
    stream=st.booleans(),
)


@given(bases, bases, messages)
def test_the_quick_hash_is_that_of_the_whole_request(base, other, said) -> None:
    stdin = Stdin(is_closed=False, deadline=float("inf"), say=lambda _text: None)
    questions = RequestBuilder(Options(prompt="x"), {}, None, stdin, Terminal({}))
    questions.set_base(base, PROVIDERS["zai"])
    for request in (base.replace(messages=said), other.replace(messages=said), base.replace(temperature=1.0)):
        assert questions.digest(request) == digest(request)


def test_a_hash_stays_what_it_was() -> None:
    """Outputs of earlier versions are read: another hash would ask all their rows again."""
    request = Request("glm-5", (Message("user", "hi"),))
    assert digest(request) == batch_sizes.row_hash("hi") == "4ec87f157607a9889fa6a69b2daf1c67"


class _Point(Record):
    x: int
    y: int = 2


def test_a_record_that_is_copied_is_as_if_it_were_made() -> None:
    assert _Point(1, 5).replace(x=3) == _Point(3, 5)
    assert _Point(1).fields() == {"x": 1, "y": 2}
    assert list(_Point(y=1, x=2).fields()) == ["x", "y"]
