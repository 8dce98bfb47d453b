"""glm batch sample: which rows it asks, and what it makes of the answers."""

from __future__ import annotations

import json
import re

import pytest
from batch_runs import KEY, by_id, error, flags, lines, rows, statuses
from counting_server import Response, answer_with, prompt_of, refuse_with
from jsonschema import Draft202012Validator

from glmcli import documents
from glmcli.batch.report.estimate import RunLimits, Sampler, estimate, mean_range

SCHEMA = Draft202012Validator(documents.load_schema("batch-sample"))


def sample(batch, *more, **options):
    return batch.glm("batch", "sample", "in.jsonl", *flags(batch.server), *more, env=KEY, **options)


# Which rows


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("of", [0, 1, 2, 3, 7, 8, 39, 64, 65, 1000, 4097])
def test_a_few_are_spread_over_all(count, of) -> None:
    few: Sampler[int] = Sampler(count)
    for number in range(of):
        few.offer(f"r{number}", number)
    chosen = few.chosen
    assert len(chosen) == min(count, of)
    assert chosen == sorted(set(chosen))
    part = of / count
    for place, number in enumerate(chosen) if of > 20 * count else ():
        assert part * (place - 0.3) <= number <= part * (place + 1.3)


def test_a_pattern_in_the_rows_is_not_followed() -> None:
    few: Sampler[int] = Sampler(64)
    for number in range(4096):
        few.offer(f"r{number}", number)
    places = [number % 8 for number in few.chosen]
    assert all(3 <= places.count(place) <= 15 for place in range(8)), places


# What is asked and written


def test_a_few_rows_are_asked_and_nothing_is_written(batch, cwd) -> None:
    batch.write(rows(1000))
    done = sample(batch)
    assert done.code == 0, done.err
    assert len(batch.server.prompts) == 5
    assert len(done.text.split("\n\n")[0].split("\n")) == 5
    assert "Re: question" in done.text
    assert "the rest   1,000 rows, estimated from 5\ntokens in  5k\ntokens out 2k\n" in done.text
    assert {path.name for path in cwd.iterdir()} == {"in.jsonl"}
    first = list(batch.server.prompts)
    sample(batch)
    assert sorted(batch.server.prompts[5:]) == sorted(first)


def test_a_run_goes_on_from_a_sample(batch) -> None:
    batch.write(rows(30))
    done = sample(batch, "-O", "out.jsonl", "-n", "4")
    assert "the rest   26 rows" in done.text
    assert list(statuses(batch.output).values()) == ["ok"] * 4
    sample(batch, "-O", "out.jsonl", "-n", "4")
    assert len(by_id(batch.output)) == 8
    assert batch.run().code == 0
    assert len(by_id(batch.output)) == len(batch.server.prompts) == 30


def test_a_sample_of_stdin(batch) -> None:
    data = lines(rows(100)).encode()
    done = batch.glm("batch", "sample", "-", *flags(batch.server), "--count", "3", env=KEY, stdin=data)
    assert (done.code, len(batch.server.prompts)) == (0, 3)


def test_a_sample_of_a_shard(batch) -> None:
    batch.write(rows(100))
    found = json.loads(sample(batch, "--shard", "1/2", "--json", "-n", "1").text)
    assert list(SCHEMA.iter_errors(found)) == []
    assert 30 < found["estimate"]["rows"] < 70


def test_a_shard_without_rows_is_named(batch) -> None:
    batch.write(rows(1))
    said = {error(sample(batch, *more, "--shard", f"{n}/2")) for n in "12" for more in ((), ("--dry-run",))} - {""}
    assert len(said) == 2
    assert all(re.match(r"in.jsonl, part [12] of 2, has no row that (is still to|can) be sent", text) for text in said)


def test_as_json(batch) -> None:
    batch.write([*rows(50), {"prompt": 1}])
    done = sample(batch, "--json", "-n", "2")
    found = json.loads(done.text)
    assert list(SCHEMA.iter_errors(found)) == []
    assert [row["answer"] for row in found["rows"]] == [f"Re: question {row['id'][1:]}" for row in found["rows"]]
    assert found["invalid"] == 1
    assert found["estimate"]["input_tokens"] == {"mean": 250, "low": 250, "high": 250}
    assert found["estimate"]["cost"] is None
    assert found["error"] is None
    assert "in.jsonl:51: prompt must be a string, not a number (1); quote it: left out" in done.err


def test_as_json_however_it_ends(batch) -> None:
    def found(*more, of=sample):
        done = of(batch, "--json", *more)
        assert done.text.count("\n") == 1
        value = json.loads(done.text)
        assert list(SCHEMA.iter_errors(value)) == []
        assert value["error"]["exit_code"] == done.code
        assert value["error"]["message"] == error(done)
        return (
            len(value["rows"]),
            value["invalid"],
            value["error"]["type"],
            value["estimate"] and value["estimate"]["of"],
        )

    assert found() == (0, 0, "usage", None)  # there is no input
    batch.write([*rows(2), {"prompt": 1}])
    assert found("--shard", "4/3") == (0, 0, "usage", None)
    assert found("--max-cost", "1") == (0, 1, "budget", None)
    assert found(of=lambda batch, *more: batch.glm("batch", "sample", "in.jsonl", *more)) == (0, 0, "credentials", None)
    batch.server.respond = lambda _body: Response(401, {"error": {"code": "1000", "message": "no such key"}})
    assert found() == (0, 1, "credentials", None)
    batch.server.respond = lambda body: answer_with("cut", "length") if prompt_of(body) == "question 1" else None
    assert found() == (2, 1, "failed_rows", 2)
    batch.write([{"prompt": 1}])
    assert found() == (0, 1, "usage", None)


def test_rows_that_fail(batch) -> None:
    batch.write(rows(40))
    batch.server.respond = lambda body: answer_with("cut", "length") if int(prompt_of(body).split()[1]) % 2 else None
    done = sample(batch, "-n", "12")
    assert done.code == 15
    assert "incomplete  line " in done.text
    assert "estimated from 12" in done.text
    batch.server.respond = lambda _body: Response(500, {"error": {"code": "1234", "message": "down"}})
    done = sample(batch, "-n", "2", "--retries", "0")
    assert done.code == 11
    assert error(done) == "2 of 2 rows have no answer; 2 may still get one"
    assert "time       not known" in done.text


def test_an_account_without_money(batch) -> None:
    batch.write(rows(40))
    batch.server.respond = lambda _body: refuse_with({"error": {"code": "1113", "message": "no balance"}})
    done = sample(batch, "-n", "2")
    assert (done.code, done.out) == (4, b"")


def test_nothing_is_left_to_ask(batch) -> None:
    batch.write(rows(3))
    assert batch.run().code == 0
    done = sample(batch, "-O", "out.jsonl")
    assert (done.code, error(done)) == (2, "in.jsonl has no row that is still to be sent")


def test_n_is_the_count_and_dry_run_is_long(batch) -> None:
    batch.write(rows(3))
    assert json.loads(sample(batch, "--dry-run").text)["body"]["model"] == "glm-5"
    assert batch.server.prompts == []
    assert error(sample(batch, "-n", "0")) == "--count: 0 is less than 1"


# What is made of it


def entry(seconds=2.0, tokens_in=10, out=20, paid=0.5, currency="CNY"):
    usage = {"input_tokens": tokens_in, "output_tokens": out, "total_tokens": tokens_in + out}
    cost = {"amount": paid, "currency": currency, "as_of": "2026-01-31"} if paid is not None else None
    return {"usage": usage, "timing": {"total": seconds}, "cost": cost}


FREE = RunLimits(jobs=4, rpm=None, tpm=None, unknown=None)


def test_the_range_is_that_of_student() -> None:
    """By hand: 2, 4, 6 have the mean 4 and the deviation 2; t of two degrees is 4.30."""
    found = mean_range([2, 4, 6])
    assert found.mean == 4
    assert found.low == 0.0  # 4 - 4.30 * 2 / sqrt(3) is less than nothing
    assert found.high == pytest.approx(4 + 4.30 * 2 / 3**0.5)
    assert mean_range([3.0]).low is None


def test_what_the_rest_takes() -> None:
    found = estimate([entry(), entry()], 100, FREE)
    assert (found.input_tokens.mean, found.output_tokens.mean, found.total_tokens.mean) == (1000, 2000, 3000)
    assert (found.cost.range.mean, found.cost.currency) == (50, "CNY")
    assert (found.time.range.mean, found.time.bound) == (2.0 * 100 / 4, "jobs")


@pytest.mark.parametrize(
    ("pace", "seconds", "bound"),
    [
        (FREE.replace(rpm=60.0), 100, "rpm"),
        (FREE.replace(rpm=6000.0), 50, "jobs"),
        (FREE.replace(tpm=600.0), 300, "tpm"),
        (FREE.replace(jobs=1000), 2, "jobs"),
    ],
)
def test_the_slowest_decides(pace, seconds, bound) -> None:
    found = estimate([entry(), entry()], 100, pace).time
    assert (found.range.mean, found.bound) == (pytest.approx(seconds), bound)


def test_what_is_not_known_of_one_row_is_not_known() -> None:
    assert estimate([entry(), entry(paid=None)], 9, FREE).cost is None
    assert estimate([entry(), entry(currency="USD")], 9, FREE).cost is None
    nothing = estimate([], 9, FREE)
    assert (nothing.of, nothing.total_tokens, nothing.time) == (0, None, None)
    silent = entry()
    silent["usage"]["output_tokens"] = None
    found = estimate([entry(), silent], 9, FREE)
    assert found.output_tokens is None
    assert found.input_tokens.mean == 90
