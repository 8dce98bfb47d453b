"""What a provider gives an account a minute as a rule: a batch begins there, and says so."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from batch_runs import lines, rows

CONFIG = """\
providers: {gate: {like: openai, base_url: URL, key_env: []}}
models:
  gate/slow: {rate_limits: {rpm: 60}}
  gate/words: {rate_limits: {tpm: 30720}}
"""


@pytest.fixture
def asked(glm, cwd, server):
    """Runs a command on the rows of a batch at that model; what it said, and the seconds between the requests."""
    (cwd / "c.yaml").write_text(CONFIG.replace("URL", server.url))
    times: list[float] = []
    server.respond = lambda _body: times.append(time.monotonic())

    def run(command: str, model: str, *flags: str, count: int = 2):
        (cwd / "in.jsonl").write_text(lines(rows(count)))
        times.clear()
        given = ("batch", command, "in.jsonl", "-m", f"gate/{model}", "--no-stream", *flags)
        done = glm(*given, env={"GLM_CONFIG": "c.yaml"})
        assert done.code == 0, done.err
        return done, [after - before for before, after in pairwise(times)]

    return run


def test_a_run_begins_at_the_usual_rate(asked) -> None:
    """60 a minute are one each second; 30,720 tokens are one row each second, whose answer may have 512."""
    done, (gap,) = asked("run", "slow", "-v")
    assert gap > 0.9
    begins = "gate/slow: the pace begins at 60 requests a minute, which are usual; --rpm and --tpm set a limit"
    assert begins in done.err
    # Four rows of about 514 tokens: a second's worth may be sent at once.
    _, gaps = asked("run", "words", count=3)
    assert sum(gaps) > 0.9


def test_a_limit_that_was_given_counts_instead(asked) -> None:
    done, (gap,) = asked("run", "slow", "-v", "--rpm", "6000")
    assert gap < 0.9
    assert "usual" not in done.err
    _, (gap,) = asked("run", "unknown")
    assert gap < 0.4


def test_a_shard_has_its_part(asked) -> None:
    done, _ = asked("run", "slow", "-v", "--shard", "1/2", count=1)
    assert "gate/slow: the pace begins at 30 requests a minute" in done.err
    done, _ = asked("run", "slow", "-v", "--shard", "1/240", count=1)
    assert "gate/slow: the pace begins at 0.25 requests a minute" in done.err


def test_an_estimate_counts_with_it(asked) -> None:
    done, _ = asked("sample", "slow", "--count", "1", count=121)
    assert "time       2 min at the requests a minute that are usual\n" in done.text
