from __future__ import annotations

import pytest
from scripted_server import Server, answer


@pytest.mark.parametrize("options", [{}, {"close_fds": True}], ids=["forked", "installed"])
def test_answer_and_reasoning_are_apart(glm, keys, options) -> None:
    with Server(answer("Hi!", "Thinking")) as server:
        done = glm("ask", "-P", "zai", "--base-url", server.url, "hello", env=keys, **options)
    assert (done.code, done.out, done.err) == (0, b"Hi!\n", "Thinking\n")
    assert server.requests[0].json == {
        "model": "glm-5",
        "messages": [{"role": "user", "content": "hello"}],
        "thinking": {"type": "enabled"},
        "stream": True,
    }
