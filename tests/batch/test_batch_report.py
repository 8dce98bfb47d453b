"""glm batch report: what it says of ledgers that are typed out here, and how a batch shows where it stands."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator
from processes import error_of, read_until, running, shell
from program import CANARY, GLM, environment

from glmcli.batch.run.progress import Progress, one_line
from glmcli.chat.events import Usage
from glmcli.chat.outcome import Cost
from glmcli.output.amounts import duration, money, plain, short
from glmcli.providers.pricing import saved
from glmcli.providers.table import PROVIDERS

TOP = Path(__file__).parents[2]
SCHEMA = Draft202012Validator(json.loads((TOP / "schemas" / "batch-report.schema.json").read_text()))
SVG = "{http://www.w3.org/2000/svg}"
EVIL = "<script>alert(1)</script>\"'&\x1b[2J\u202e\x00"


def usage(tokens_in: int | None, out: int | None, *, reasoning: int | None = None, cached: int | None = None) -> dict:
    total = None if tokens_in is None or out is None else tokens_in + out
    counts = {"input_tokens": tokens_in, "output_tokens": out}
    return counts | {"reasoning_tokens": reasoning, "cached_tokens": cached, "total_tokens": total}


def dollars(amount: float, as_of: str = "2026-09-30") -> dict:
    return {"amount": amount, "currency": "USD", "as_of": as_of}


def failure(kind: str, message: str = "it did not work", code: str | None = None, **more: Any) -> dict:
    said = {"type": kind, "message": message, "why": None, "fix": None, "http_status": None, "provider_code": code}
    return said | {"request_id": None, "retryable": False, "exit_code": 5} | more


def line(number: int, status: str = "ok", **changes: Any) -> dict:
    """A line as a run writes it; by default an answer without any counts."""
    return {
        "id": f"row-{number}",
        "line": number,
        "status": status,
        "provider": "zai",
        "model": "glm-5",
        "request_id": None,
        "reasoning": None,
        "answer": "Hi" if status == "ok" else None,
        "partial": None,
        "tool_calls": [],
        "finish_reason": "stop" if status == "ok" else None,
        "usage": None,
        "cost": None,
        "attempts": 1,
        "timing": {"first_event": None, "first_answer": None, "total": None},
        "error": None if status == "ok" else failure(status),
        "columns": {},
        "final": False,
        "calls": 1,
        "hash": "ab" * 32,
        "finished_at": f"2026-11-22T07:40:{number:02}.000Z",
    } | changes


def took(seconds: float) -> dict:
    return {"first_event": 0.1, "first_answer": 0.2, "total": seconds}


def ledger(*lines: dict, tail: str = "") -> str:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines) + tail


# Ten rows: six ok, of which one failed at first; one of each other kind but `rejected`. Worked out by hand below.
TEN = ledger(
    line(1, final=True, usage=usage(1000, 100, reasoning=40, cached=500), cost=dollars(0.00092), timing=took(1.0)),
    line(2, "failed", calls=4, error=failure("busy", "zai: too many requests", "1302"), timing=took(9.0)),
    line(3, usage=usage(2000, 200, cached=0), cost=dollars(0.00264), timing=took(2.0)),
    line(4, "filtered", final=True, error=failure("filtered", "zai: filtered", "1301"), timing=took(0.5)),
    line(5, usage=usage(10, 20), timing=took(3.0)),
    line(6, "invalid", final=True, calls=0, error=failure("usage", "no prompt"), provider=None, model=None),
    line(7, "incomplete", usage=usage(100, 4000), cost=dollars(0.0129), error=failure("incomplete"), timing=took(40.0)),
    line(8, cost=dollars(1.5, "2026-10-01"), usage=usage(None, 7), timing=took(4.0)),
    line(9, "failed", error=failure("busy", "zai: too many requests", "1302"), timing=took(5.0)),
    line(10, timing=took(6.0)),
    # Row 2 again, later.
    line(
        2, calls=5, usage=usage(300, 30), cost=dollars(0.000396), timing=took(1.5), finished_at="2026-11-22T07:41:01Z"
    ),
)


@pytest.fixture
def report(glm, cwd):
    """The object that --json prints of such a ledger, judged by its schema."""

    def of(text: str, **more: Any) -> dict[str, Any]:
        (cwd / "answers.jsonl").write_bytes(text.encode(errors="surrogateescape"))
        done = glm("batch", "report", "answers.jsonl", "--json", **more)
        assert (done.code, done.err) == (0, "")
        assert done.text.count("\n") == 1
        value = json.loads(done.out)
        SCHEMA.validate(value)
        assert value["rows"] == sum(value["statuses"].values())
        assert (
            value["rows"] - value["statuses"]["ok"] == sum(e["rows"] for e in value["errors"]) + value["other_errors"]
        )
        return value

    return of


def test_the_numbers(report) -> None:
    said = report(TEN)
    assert said["rows"] == 10
    assert said["statuses"] == {"ok": 6, "incomplete": 1, "filtered": 1, "rejected": 0, "invalid": 1, "failed": 1}
    assert (said["final"], said["asked"], said["calls"]) == (2, 9, 13)  # 8 rows with one call, one with five
    assert said["tokens"]["sums"] == {
        "input_tokens": 3410,
        "output_tokens": 4357,
        "reasoning_tokens": 40,
        "cached_tokens": 500,
        "total_tokens": 7760,
    }
    assert said["tokens"]["rows"] == {
        "input_tokens": 5,
        "output_tokens": 6,
        "reasoning_tokens": 1,
        "cached_tokens": 2,
        "total_tokens": 5,
    }
    assert said["tokens"]["unknown"] == 3  # 4, 9, 10; 6 was never sent
    assert said["spent"] == [
        # 500 cached tokens at 0.2 a million in place of 1.0
        {"cost": dollars(0.016856), "rows": 4, "saved": 0.0004},
        {"cost": dollars(1.5, "2026-10-01"), "rows": 1, "saved": None},
    ]
    assert said["unpriced"] == 4  # 4, 5, 9, 10
    assert said["time"] == {
        "first": "2026-11-22T07:39:27.000Z",  # row 7 took 40 seconds
        "last": "2026-11-22T07:41:01.000Z",
        "seconds": 94.0,
        "rate": pytest.approx(10 / 94),
        "pauses": 0,
        "paused": 0,
    }
    assert said["torn_line"] is None


def test_a_saving_by_the_prices_of_another_day_is_not_known(report) -> None:
    counts = usage(1000, 100, cached=500)
    rows = [line(1, usage=counts, cost=dollars(0.00092)), line(2, usage=counts, cost=dollars(0.00092, "2026-01-01"))]
    said = report(ledger(*rows))["spent"]
    assert [(spent["cost"]["as_of"], spent["saved"]) for spent in said] == [
        ("2026-01-01", None),
        ("2026-09-30", 0.0004),
    ]


def test_latency_by_the_nearest_rank(report) -> None:
    said = report(TEN)["latency"]  # 0.5 1 1.5 2 3 4 5 6 40
    assert said["rows"] == 9
    assert said["percentiles"] == {"p50": 3.0, "p90": 40.0, "p99": 40.0, "max": 40.0}
    bars = {bar["low"]: bar["rows"] for bar in said["histogram"]}
    assert bars == {0.5: 1, 0.7: 0, 1.0: 1, 1.5: 1, 2.0: 1, 3.0: 2, 5.0: 2, 7.0: 0, 10.0: 0, 15.0: 0, 20.0: 0, 30.0: 1}
    hundred = report(ledger(*(line(n % 60, id=str(n), timing=took(n / 10)) for n in range(1, 101))))["latency"]
    assert hundred["percentiles"] == {"p50": 5.0, "p90": 9.0, "p99": 9.9, "max": 10.0}


def test_failures_and_the_slowest(report) -> None:
    said = report(TEN)
    assert [(row["line"], row["seconds"]) for row in said["slowest"]][:3] == [(7, 40.0), (10, 6.0), (9, 5.0)]
    assert len(said["slowest"]) == 9
    assert [(row["id"], row["line"], row["status"], row["error_type"], row["message"]) for row in said["failed"]] == [
        ("row-4", 4, "filtered", "filtered", "zai: filtered"),
        ("row-6", 6, "invalid", "usage", "no prompt"),
        ("row-7", 7, "incomplete", "incomplete", "it did not work"),
        ("row-9", 9, "failed", "busy", "zai: too many requests"),
    ]
    kinds = [(kind["rows"], kind["type"], kind["provider_code"]) for kind in said["errors"]]
    assert kinds == [(1, "busy", "1302"), (1, "filtered", "1301"), (1, "incomplete", None), (1, "usage", None)]


def test_lists_are_bounded_and_say_what_they_leave_out(report, glm) -> None:
    rows = [line(n % 60, "failed", id=f"r{n}", error=failure("busy", code=str(n // 2))) for n in range(100)]
    said = report(ledger(*rows))
    assert (len(said["failed"]), len(said["errors"]), said["other_errors"]) == (20, 20, 60)
    assert "and 90 others\n" in glm("batch", "report", "answers.jsonl").text


@pytest.mark.parametrize(
    ("statuses", "counts"),
    [
        (("failed", "ok"), "ok"),
        (("ok", "failed"), "ok"),
        (("failed", "incomplete"), "incomplete"),
        (("ok", "failed", "failed"), "ok"),
    ],
)
def test_the_last_ok_line_counts_else_the_last(report, statuses, counts) -> None:
    said = report(ledger(*(line(1, status, calls=n, cost=dollars(n)) for n, status in enumerate(statuses, 1))))
    assert (said["rows"], said["statuses"][counts], said["calls"]) == (1, 1, len(statuses))
    paid = sum(spent["cost"]["amount"] for spent in said["spent"])
    old = sum(cost["amount"] for cost in said["superseded"]["costs"])
    assert (said["superseded"]["lines"], paid + old) == (len(statuses) - 1, sum(range(1, len(statuses) + 1)))


def test_the_text(glm, cwd) -> None:
    (cwd / "answers.jsonl").write_text(TEN + '{"id": "row-11", "li')
    done = glm("batch", "report", "answers.jsonl")
    assert (done.code, done.err) == (0, "")
    assert done.text == (
        "rows       10: 6 ok, 1 incomplete, 1 filtered, 1 invalid, 1 failed\n"
        "not ok     4: 2 final, 2 may still succeed: the same command asks them again\n"
        "calls      13 for 9 rows, 4 retries\n"
        "tokens     3,410 in (500 cached), 4,357 out (40 reasoning), 7,760 in all; of 3 rows not known\n"
        "cost       $0.017 for 4 rows (prices of 2026-09-30), $0.00040 saved by the cache\n"
        "           $1.50 for 1 row (prices of 2026-10-01)\n"
        "           not known of 4 rows\n"
        "time       2026-11-22T07:39:27Z to 2026-11-22T07:41:01Z, 94 s, 0.11 rows/s\n"
        "a row took p50 3.0 s, p90 40 s, p99 40 s, max 40 s\n"
        "slowest    40 s   line 7   row-7\n"
        "           6.0 s  line 10  row-10\n"
        "           5.0 s  line 9   row-9\n"
        "errors     1  busy        1302\n"
        "           1  filtered    1301\n"
        "           1  incomplete\n"
        "           1  usage\n"
        "failed     line 4  row-4  filtered 1301  zai: filtered\n"
        "           line 6  row-6  usage          no prompt\n"
        "           line 7  row-7  incomplete     it did not work\n"
        "           line 9  row-9  busy 1302      zai: too many requests\n"
        "superseded 1 line that a later one of the same row took the place of\n"
        "torn       line 12 cannot be read: it is no row\n"
    )


def ended(number: int, at: str, seconds: float | None = 1.0, run: str | None = None, **more: Any) -> dict:
    named = {"run": run} if run else {}
    return line(number, finished_at=at, timing=took(seconds) if seconds else None, **named, **more)


DAY = "2026-11-22T07:40:"
NEXT_DAY = "2026-11-23T09:00:"
ONE, TWO = "2026-11-22T07:39:59.000Z", "2026-11-23T08:59:59.000Z"
# The lines, and what counts as time: seconds, rows a second, pauses, seconds of pauses.
RUNS = {
    "the next day": (
        [ended(1, f"{DAY}01Z", run=ONE), ended(2, f"{DAY}04Z", run=ONE), ended(3, f"{NEXT_DAY}01Z", run=TWO)],
        (5.0, 0.6, 1, 91196.0),
    ),
    "the next day, by an earlier version": (
        [ended(1, f"{DAY}01Z"), ended(2, f"{DAY}04Z"), ended(3, f"{NEXT_DAY}01Z")],
        (5.0, 0.6, 1, 91196.0),
    ),
    "a second later": ([ended(1, f"{DAY}01Z", run=ONE), ended(2, f"{DAY}04Z", run=TWO)], (2.0, 1.0, 1, 2.0)),
    "one run that waits for its limits": (
        [ended(1, f"{DAY}01Z", run=ONE), ended(2, f"{DAY}51Z", run=ONE)],
        (51.0, 2 / 51, 0, 0.0),
    ),
    "a machine that slept": (
        [ended(1, f"{DAY}01Z", run=ONE), ended(2, f"{NEXT_DAY}01Z", run=ONE)],
        (2.0, 1.0, 1, 91199.0),
    ),
    "a row that took long": (
        [ended(1, f"{DAY}01Z", run=ONE), ended(2, "2026-11-22T08:40:00Z", 3600.0, run=ONE)],
        (3600.0, 2 / 3600, 0, 0.0),
    ),
    "two shards at one time": (
        [ended(1, f"{DAY}01Z", run=ONE), ended(2, f"{DAY}11Z", run=TWO), ended(3, f"{DAY}21Z", run=ONE)],
        (21.0, 3 / 21, 0, 0.0),
    ),
    "three runs": (
        [ended(1, f"{DAY}01Z", run=ONE), ended(2, f"{DAY}11Z", run=TWO), ended(3, f"{DAY}21Z", run=f"{DAY}19.000Z")],
        (3.0, 1.0, 2, 18.0),
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_pauses_between_runs_are_no_time(report, name) -> None:
    lines, (seconds, rate, pauses, paused) = RUNS[name]
    time = report(ledger(*lines))["time"]
    assert (time["seconds"], time["rate"]) == (pytest.approx(seconds), pytest.approx(rate))
    assert (time["pauses"], time["paused"]) == (pauses, pytest.approx(paused))


def test_pauses_in_words_and_in_charts(glm, cwd) -> None:
    lines, _ = RUNS["the next day"]
    (cwd / "a.jsonl").write_text(ledger(*lines))
    said = glm("batch", "report", "a.jsonl", "--html", "a.html").text
    span = "2026-11-22T07:40:00Z to 2026-11-23T09:00:01Z, 5.0 s, 0.6 rows/s; not counted: 1 pause, 25.3 h"
    assert f"time       {span}\n" in said
    bars = [rect for rect in Page(cwd / "a.html").all("rect") if rect.get("y")]
    assert len([rect for rect in bars if float(rect.get("x")) < 616]) >= 3
    assert "5.0 s</text>" in (cwd / "a.html").read_text()  # the end of the axis


def test_a_run_says_when_it_began_and_how_it_was_called(glm, cwd, keys) -> None:
    """Once, in the first line that it writes; the page has it, who was asked, and some answers."""
    (cwd / "in.txt").write_text("one\ntwo\nthree\n")
    arguments = ("batch", "run", "in.txt", "-O", "out.jsonl", "-m", "sandbox/glm-5", "-s", f"it's {CANARY}", "-j", "1")
    assert glm(*arguments, env=keys).code == 0
    lines = [json.loads(text) for text in (cwd / "out.jsonl").read_text().splitlines()]
    command = "glm batch run in.txt -O out.jsonl -m sandbox/glm-5 -s 'it'\"'\"'s ***' -j 1"
    assert [one.get("command") for one in lines] == [command, None, None]
    assert len({one["run"] for one in lines}) == 1
    said = json.loads(glm("batch", "report", "out.jsonl", "--json", env=keys).out)
    assert said["models"] == [{"provider": "sandbox", "model": "glm-5", "rows": 3}]
    assert said["commands"] == [command]
    assert glm("batch", "report", "out.jsonl", "--html", "a.html", env=keys).code == 0
    page = Page(cwd / "a.html")
    assert ["model", "sandbox/glm-5: 3 rows"] in page.cells()
    assert ["command", command] in page.cells()
    assert [row[:2] for row in page.cells() if "You asked" in row[-1]] == [
        [str(n), lines[n - 1]["id"]] for n in (1, 2, 3)
    ]


def test_answers_of_a_page_are_few_short_and_harmless(glm, cwd, keys) -> None:
    answers = [EVIL, f"two\nlines {CANARY}", "x" * 599 + CANARY, "y" * 10_000, *map(str, range(4, 40))]
    lines = [line(number, answer=answer) for number, answer in enumerate(answers)]
    lines += [line(0, "failed"), line(1, answer=f"newer {EVIL}")]
    (cwd / "a.jsonl").write_text(ledger(*lines))
    done = glm("batch", "report", "a.jsonl", "--html", "a.html", env=keys, may_hold_key=(cwd / "a.jsonl",))
    assert done.code == 0
    shown = [row[-1] for row in Page(cwd / "a.html").cells() if len(row) == 3 and row[0].isdigit()]
    evil = "<script>alert(1)</script>\"'&\u241b[2J<U+202E>\u2400"
    assert shown == [evil, f"newer {evil}", "x" * 599 + "*…", "y" * 600 + "…", *map(str, range(4, 10))]
    assert "Answers: 10 of 40</h2>" in (cwd / "a.html").read_text()


def test_no_rows(report, glm) -> None:
    said = report("")
    assert (said["rows"], said["time"], said["latency"], said["failed"]) == (0, None, None, [])
    assert set(said["tokens"]["sums"].values()) == {None}
    assert glm("batch", "report", "answers.jsonl").text == "rows       0\n"
    assert glm("batch", "report", "answers.jsonl", "--html", "a.html").code == 0


@pytest.mark.parametrize(
    "tail", ['{"id": "row-2", "stat', '{"id": "row-2", "answer": "\udc80', "{", "\x00" * 40, "\x00" * 40 + "\n\n"]
)
def test_a_torn_last_line_is_no_row(glm, cwd, tail) -> None:
    (cwd / "a.jsonl").write_bytes((ledger(line(1)) + tail).encode(errors="surrogateescape"))
    said = json.loads(glm("batch", "report", "a.jsonl", "--json").out)
    assert (said["rows"], said["torn_lines"], said["torn_line"]) == (1, 1, 2)


@pytest.mark.parametrize("text", ["Once upon a time", '{"name": "row-1"'])
def test_a_file_of_another_kind_is_not_torn(glm, cwd, text) -> None:
    (cwd / "a.jsonl").write_text(text)
    done = glm("batch", "report", "a.jsonl")
    assert (done.code, error_of(done.err)) == (2, "a.jsonl:1: not a line of a ledger: it is not JSON")


def test_a_last_line_that_lacks_only_its_end_is_a_row(report) -> None:
    said = report(ledger(line(1), line(2)).removesuffix("\n"))
    assert (said["rows"], said["torn_line"]) == (2, None)


def test_blank_lines_say_nothing(report) -> None:
    assert report(ledger(line(1)) + "\n  \r\n" + ledger(line(2)))["rows"] == 2


NO_LEDGERS = {
    "prompts": ('{"prompt": "hi"}', "it has no 'id'"),
    "text": ("Once upon a time\n", "it is not JSON"),
    "an array": ("[1, 2]\n", "it is not a JSON object"),
    "a status": (
        ledger(line(1, "done")),
        "its 'status' is none of ok, incomplete, filtered, rejected, invalid, failed",
    ),
    "no calls": (ledger(line(1, calls=None)), "it has no 'calls'"),
    "calls": (ledger(line(1, calls=-1)), "its 'calls' is not a count"),
    "a switch": (ledger(line(1, calls=True)), "its 'calls' is not a count"),
    "tokens": (ledger(line(1, usage=usage(10**30, 1))), "its 'input_tokens' is not a count"),
    "usage": (ledger(line(1, usage=7)), "its 'usage' is not an object"),
    "time": (ledger(line(1, finished_at="yesterday")), "its 'finished_at' is not a time"),
    "far times": (
        ledger(line(1, finished_at="0001-01-01T00:00:00+23:59")),
        "its 'finished_at' is not between 1971 and 9998",
    ),
    "NaN": (ledger(line(1, cost=dollars(float("nan")))), "its 'amount' is not a number from 0 to 1,000,000,000,000"),
    "money": (
        ledger(line(1, cost=dollars(1) | {"currency": "<b>"})),
        "its 'cost' has no currency such as CNY, or no day such as 2026-01-31",
    ),
    "deep": ("[" * 100_000 + "\n", "it is not JSON"),
    "bytes": ("\udcff\n", "it is not JSON"),
    "a digit flood": ('{"id": ' + "9" * 5000 + "}\n", "it is not JSON"),
}


@pytest.mark.parametrize("name", NO_LEDGERS)
def test_what_is_no_ledger(glm, cwd, name) -> None:
    text, why = NO_LEDGERS[name]
    (cwd / "a.jsonl").write_bytes(text.encode(errors="surrogateescape"))
    done = glm("batch", "report", "a.jsonl", "--html", "a.html")
    assert (done.code, done.out) == (2, b"")
    assert error_of(done.err) == f"a.jsonl:1: not a line of a ledger: {why}"
    assert {path.name for path in cwd.iterdir()} == {"a.jsonl"}


@pytest.mark.parametrize("name", NO_LEDGERS)
def test_what_cannot_be_read_in_a_ledger(report, name) -> None:
    text, _ = NO_LEDGERS[name]
    said = report(ledger(line(1)) + text + "\n" + ledger(line(2)))
    assert (said["rows"], said["torn_lines"], said["torn_line"]) == (2, 1, 2)


def test_what_cannot_be_read(glm) -> None:
    for path, why in (("none.jsonl", "No such file or directory"), (".", "Is a directory")):
        done = glm("batch", "report", path)
        assert (done.code, error_of(done.err)) == (2, f"cannot read {path}: {why}")
    done = glm("batch", "report")
    assert (done.code, error_of(done.err)) == (2, "FILE|- is missing")


def test_stdin(glm, home, cwd) -> None:
    assert glm("batch", "report", "-", stdin=TEN.encode()).text.startswith("rows       10: 6 ok")
    assert "stdin:1: not a line of a ledger" in glm("batch", "report", "-", stdin=b"x\n").err
    done = shell('"$GLM" batch report - <&-', home, cwd)
    assert (done.returncode, error_of(done.stderr.decode())) == (2, "FILE reads stdin, but stdin is closed")


def test_a_silent_stdin_is_said(home, cwd) -> None:
    with running(home, cwd, "batch", "report", "-", stdin=subprocess.PIPE) as process:
        read_until(process.stderr, b"waiting for FILE on stdin")
        process.stdin.close()
        assert (process.stdout.read(), process.wait(30)) == (b"rows       0\n", 0)


def test_a_reader_that_goes_away(home, cwd) -> None:
    (cwd / "a.jsonl").write_text(TEN)
    done = shell('set -o pipefail; "$GLM" batch report a.jsonl | head -1', home, cwd)
    assert done.stdout.startswith(b"rows ")
    done = shell('"$GLM" batch report a.jsonl | true; echo "${PIPESTATUS[0]}"', home, cwd)
    assert done.stdout in (b"0\n", b"141\n")
    assert done.stderr == b""


def test_a_full_temporary_folder(home, cwd) -> None:
    """What is kept of the rows outgrows memory, and then the disk."""
    (cwd / "a.jsonl").write_text("".join(ledger(line(1, id=f"{n:0200}")) for n in range(60_000)))
    done = shell('ulimit -f 4000; "$GLM" batch report a.jsonl', home, cwd)
    assert done.returncode == 14
    assert error_of(done.stderr.decode()).startswith("cannot keep the rows in a temporary file: ")


# What others wrote


def test_a_key_in_a_message(glm, cwd, keys) -> None:
    # One is cut where messages are cut.
    lines = [line(n, "failed", id=f"{'x' * n}{CANARY}", error=failure("busy", "y" * n + CANARY)) for n in (1, 50, 59)]
    lines += [line(3, "failed", id=f"{'x' * n}{CANARY}", error=failure("busy", "y" * n + CANARY)) for n in (180, 190)]
    (cwd / "a.jsonl").write_text(ledger(*lines))
    for flags in ((), ("--json",), ("--html", "a.html")):
        done = glm("batch", "report", "a.jsonl", *flags, env=keys, may_hold_key=(cwd / "a.jsonl",))
        assert done.code == 0
        assert "***" in done.text
        assert "canary+KEY" not in done.text
    assert "***" in (cwd / "a.html").read_text()
    assert "canary+KEY" not in (cwd / "a.html").read_text()


def hostile() -> str:
    said = failure("busy", EVIL + "\nglm: error: forged\ud800", EVIL)
    rows = [line(1, "failed", id=EVIL, error=said, timing=took(1)), line(2, id=" \n", timing=took(2), model=EVIL)]
    return "".join(json.dumps(row) + "\n" for row in rows)  # in ASCII: half a surrogate pair has no UTF-8


def test_foreign_text_on_a_terminal(home, cwd) -> None:
    (cwd / "a.jsonl").write_text(hostile())
    code, seen = on_terminal(home, cwd, GLM, "batch", "report", "a.jsonl")
    assert code == 0
    assert b"\x1b" not in seen
    assert "\u202e" not in seen.decode()
    assert "␛[2J<U+202E>" in seen.decode()
    assert "\nglm: error" not in seen.decode()


class Page:
    """A page, read as XML: it must be well-formed for that."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text()
        self.root = ET.fromstring(self.text.removeprefix("<!DOCTYPE html>\n"))
        self.words = " ".join(self.root.itertext())

    def all(self, name: str) -> list[ET.Element]:
        return [*self.root.iter(name), *self.root.iter(SVG + name)]

    def cells(self) -> list[list[str]]:
        """The text of each cell of each row of its tables."""
        return [["".join(cell.itertext()) for cell in row] for row in self.root.iter("tr")]


def test_foreign_text_on_the_page(glm, cwd) -> None:
    (cwd / "<b>&.jsonl").write_text(hostile())
    assert glm("batch", "report", "<b>&.jsonl", "--html", "a.html").code == 0
    page = Page(cwd / "a.html")
    assert not page.all("script")
    assert not page.all("b")
    assert "<script>alert(1)</script>\"'&␛[2J<U+202E>␀" in page.words
    assert "\u202e" not in page.text
    assert "Batch report:  <b>&.jsonl" in page.words


# The page


def test_the_page(glm, cwd) -> None:
    (cwd / "a.jsonl").write_text(TEN)
    done = glm("batch", "report", "a.jsonl", "--html", "a.html")
    assert done.code == 0
    assert done.text.startswith("rows       10")
    page = Page(cwd / "a.html")
    for word in ("10: 6 ok", "13 for 9 rows", "zai: too many requests", "1302", "row-7", "$1.50 for 1 row"):
        assert word in page.words
    charts = [svg for svg in page.all("svg") if svg.get("role") == "img"]
    titles = [svg.findtext(SVG + "title") for svg in charts]
    assert titles == [
        "Rows that ended, a second",
        "Tokens in and out, a second",
        "Cost so far",
        "Rows by how long they took",
    ]
    assert all(svg.findtext(SVG + "desc") for svg in charts)
    ids = [element.get("id") for element in page.root.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) == 8
    # Sixty slices of 1.57 seconds: row 6 ended in that of row 5, and row 9 in that of row 8.
    assert len(charts[0].findall(SVG + "rect")) == 8
    assert "prefers-color-scheme: dark" in page.text


def test_the_page_loads_and_runs_nothing(glm, cwd) -> None:
    (cwd / "a.jsonl").write_text(TEN)
    glm("batch", "report", "a.jsonl", "--html", "a.html")
    text = (cwd / "a.html").read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|src=|href=|url\(|@import|<script|<link|\son\w+=", text)
    assert "default-src 'none'" in text


def test_the_page_is_replaced_only_when_it_is_whole(glm, cwd) -> None:
    (cwd / "a.html").write_text("old")
    (cwd / "a.jsonl").write_text("x\n")
    assert glm("batch", "report", "a.jsonl", "--html", "a.html").code == 2
    assert (cwd / "a.html").read_text() == "old"


@pytest.mark.parametrize("page", ["a.jsonl", "./a.jsonl", "-", "/dev/stdout"])
def test_the_page_has_a_place_of_its_own(glm, cwd, page) -> None:
    (cwd / "a.jsonl").write_text(TEN)
    done = glm("batch", "report", "a.jsonl", "--html", page)
    assert (done.code, done.out) == (2, b"")
    assert (cwd / "a.jsonl").read_text() == TEN


def test_all_at_one_moment(glm, cwd, report) -> None:
    at = {"finished_at": "2026-11-22T07:40:00Z"}
    assert report(ledger(line(1, **at), line(2, **at)))["time"]["rate"] is None
    assert glm("batch", "report", "answers.jsonl", "--html", "a.html").code == 0
    assert len(Page(cwd / "a.html").all("rect")) == 1  # the share of ok: there is nothing to draw over time


RUN = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak * (1 if sys.platform == "darwin" else 1024))
sys.exit(done.returncode)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(home, cwd) -> None:
    with (cwd / "a.jsonl").open("w") as file:
        for number in range(100_000):
            counts = usage(1000, 100, cached=500)
            name = f"{number:0200}"  # half of what is kept
            at = f"2026-11-22T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z"
            file.write(
                ledger(line(number, id=name, usage=counts, cost=dollars(0.00092), timing=took(1.0), finished_at=at))
            )
    peaks = []
    for rows in (1000, 100_000):
        some = cwd / f"{rows}.jsonl"
        with (cwd / "a.jsonl").open() as file, some.open("w") as out:
            out.writelines(next(file) for _ in range(rows))
        program = [sys.executable, "-c", RUN, GLM, "batch", "report", some.name, "--html", "a.html"]
        done = subprocess.run(program, cwd=cwd, env=environment(home), capture_output=True, check=True)
        peaks.append(int(done.stdout))
    # 16 MiB of pages and some of what is sorted; without a bound it is 40 MB.
    assert peaks[1] - peaks[0] < 33_000_000, peaks
    assert peaks[1] < 80_000_000, peaks


# Money that a cache saved


@pytest.mark.parametrize(
    ("provider", "model", "counts", "amount"),
    [
        ("zai", "glm-5", (1_000_000, 0, 1_000_000), 0.8),  # 0.2 in place of 1.0
        ("zai", "glm-5", (1000, 10, 0), 0.0),
        ("bigmodel", "glm-5.1", (40_000, 1000, 10_000), 0.06),  # 2 in place of 8
        ("zai", "glm-5", (1000, 10, None), None),
        ("zai", "glm-5", (1000, 10, 2000), None),
        ("zai", "glm-99", (1000, 10, 10), None),
        ("zai", "glm-4-32b-0414-128k", (1000, 10, 10), None),  # no price of cached input
        ("zai", "glm-5", (None, 10, 10), None),
    ],
)
def test_what_a_cache_saved(provider, model, counts, amount) -> None:
    tokens_in, out, cached = counts
    found = saved(PROVIDERS[provider], model, Usage(input_tokens=tokens_in, output_tokens=out, cached_tokens=cached))
    assert (found and found.amount) == amount


# Where a batch stands


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        (
            Progress(
                done=1240,
                total=5000,
                failed=2,
                in_flight=40,
                slots=40,
                rate=212.3,
                tokens=1_912_000,
                costs=(Cost(3.0, "CNY", "2026-09-30"), Cost(0.1, "CNY", "2026-10-01")),
                left=17.7,
            ),
            "1,240/5,000 rows  212/s  40 in flight  2 failed  1.9M tokens  ¥3.10  18 s left",
        ),
        (Progress(), "0 rows  0 in flight"),
        (Progress(done=1, in_flight=3, slots=40, refused=7), "1 row  3 of 40 in flight  7 refused"),
        (
            Progress(done=2, total=2, costs=(Cost(1.0, "CNY", "x"), Cost(0.002, "USD", "x"))),
            "2/2 rows  0 in flight  ¥1.00  $0.0020",
        ),
    ],
)
def test_progress_in_one_line(progress, shown) -> None:
    assert one_line(progress) == shown


def test_numbers_as_a_person_reads_them() -> None:
    assert [short(n) for n in (0, 950, 1000, 1240, 12_400, 1_912_000, 2_000_000_000)] == [
        "0", "950", "1k", "1.2k", "12k", "1.9M", "2G",
    ]  # fmt: skip
    assert [plain(n) for n in (0, 0.017, 1.25, 9.96, 212.3, 1234)] == ["0", "0.017", "1.2", "10", "212", "1,234"]
    assert [duration(s) for s in (0, 0.35, 0.9996, 9.96, 119.6, 720, 12_600)] == [
        "0 s", "350 ms", "1.0 s", "10 s", "2 min", "12 min", "3.5 h",
    ]  # fmt: skip
    assert [money(0, "USD"), money(1234.5, "CNY"), money(0.00213, "EUR")] == ["$0.00", "¥1,234.50", "EUR 0.0021"]


TICKS = """
import sys
from glmcli.batch.run.progress import Progress
from glmcli.batch.run.progress import ProgressDisplay
from glmcli.console.terminal import Terminal
import os
terminal = Terminal(os.environ)
terminal.quiet, terminal.plain = "-q" in sys.argv, terminal.plain or "--plain" in sys.argv
now = [0.0]
ticker = ProgressDisplay(terminal, lambda: now[0])
for done in range(251):
    now[0] = done / 10
    ticker.update(Progress(done=done, total=250))
    if done == 120:
        terminal.note("a row failed")
ticker.stop()
terminal.note("over")
assert ("rich" in sys.modules) == ("--live" in sys.argv)
"""


def on_terminal(home, cwd, *program: str, **env: str) -> tuple[int, bytes]:
    """Exit code, and what the terminal got that is stdout and stderr."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        program, cwd=cwd, env=environment(home, TERM="xterm", **env), stdin=slave, stdout=slave, stderr=slave
    ) as process:
        os.close(slave)
        seen = b""
        while data := _read(master):
            seen += data
    os.close(master)
    return process.returncode, seen.replace(b"\r\n", b"\n")


def _read(master: int) -> bytes:
    try:
        return os.read(master, 1 << 16)
    except OSError:  # Linux says so when the last writer of a terminal is gone
        return b""


# After 10 and 20 seconds.
PLAIN = b"glm: 100/250 rows  0 in flight\nglm: a row failed\nglm: 200/250 rows  0 in flight\nglm: over\n"


def test_a_line_now_and_then_where_stderr_is_no_terminal(home) -> None:
    done = subprocess.run([sys.executable, "-c", TICKS], env=environment(home), capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", PLAIN)


@pytest.mark.parametrize(("flag", "env"), [("--plain", {}), ("", {"NO_COLOR": "1"}), ("", {"TERM": "dumb"})])
def test_a_plain_terminal_gets_lines_too(home, cwd, flag, env) -> None:
    assert on_terminal(home, cwd, "env", *(f"{k}={v}" for k, v in env.items()), sys.executable, "-c", TICKS, flag) == (
        0,
        PLAIN,
    )


def test_nothing_under_quiet(home, cwd) -> None:
    assert on_terminal(home, cwd, sys.executable, "-c", TICKS, "-q") == (0, b"")


def test_a_live_line_on_a_terminal(home, cwd) -> None:
    code, seen = on_terminal(home, cwd, sys.executable, "-c", TICKS, "--live", COLUMNS="20")
    assert code == 0
    assert seen.count(b"/250 rows") > 200
    assert b"flight" not in seen  # what does not fit is left out, or it would take two lines
    # What is said between stands on a line of its own, and nothing of the live line is left at the end.
    screen = shown(seen)
    assert screen == ["glm: a row failed", "glm: over"]
    assert seen.count(b"\x1b[?25l") == seen.count(b"\x1b[?25h") > 0  # the cursor is back


def shown(seen: bytes) -> list[str]:
    """The lines that a terminal shows after all this; it knows what rich writes for one line."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[?0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", seen.decode()):
        if token == "\r":
            column = 0
        elif token == "\n":
            row, column = row + 1, 0
            lines += [""] * (row == len(lines))
        elif token == "\x1b[2K":
            lines[row] = ""
        elif token == "\x1b[1A":
            row = max(row - 1, 0)
        elif not token.startswith("\x1b"):
            lines[row] = lines[row][:column].ljust(column) + token + lines[row][column + len(token) :]
            column += len(token)
    return [text.rstrip() for text in lines if text.strip()]


GONE = """
import os, pty
from glmcli.batch.run.progress import Progress
from glmcli.batch.run.progress import ProgressDisplay
from glmcli.console.terminal import Terminal
master, slave = pty.openpty()
os.dup2(slave, 2)
now = [0.0]
ticker = ProgressDisplay(Terminal({}), lambda: now[0])
ticker.update(Progress())
os.close(master)
for now[0] in range(30):
    ticker.update(Progress())
ticker.stop()
"""


def test_a_terminal_that_is_gone_ends_no_batch(home) -> None:
    done = subprocess.run([sys.executable, "-c", GONE], env=environment(home), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")
