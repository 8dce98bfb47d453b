"""Rows on more than one machine: what holds of every engine, and what happens when a worker or the driver is lost.

The installed program asks a server on loopback that counts; a real scheduler and real workers stand between.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import resource
import signal
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from batch_runs import KEY, by_id, entries, error, flags, lines, rows, statuses
from counting_server import IN_FLIGHT, OVERLOAD, CountingServer, Response, answer_with, prompt_of, refuse_with
from dask_cluster import Cluster
from processes import running
from program import CANARY, GLM, environment, leaks
from ray_cluster import MISSING, RayCluster, end

from glmcli.batch.cluster import worker as work
from glmcli.batch.cluster.driver import Driver
from glmcli.batch.cluster.engine import LostChunk
from glmcli.batch.cluster.messages import Chunk, ChunkResult, FinishedRow, Refusals, RowTask, Share, UnfinishedRow
from glmcli.batch.cluster.results import OpenRows, ResultHandler, SentChunk
from glmcli.batch.cluster.share import Lease, ShareLimiter, fitted
from glmcli.batch.ledger.index import Index
from glmcli.batch.ledger.writer import LedgerWriter, WriterOptions
from glmcli.batch.rate.limiter import AccountLimits, RateLimiter
from glmcli.batch.rows.row import QueueItem, Row
from glmcli.batch.run.budget import Budget
from glmcli.batch.run.state import RunSetup, RunState
from glmcli.chat.messages import Message, Request
from glmcli.chat.outcome import Cost, Outcome
from glmcli.chat.reply import Reply
from glmcli.config.plan import Candidate, Plan
from glmcli.console.redaction import Key, Redactor
from glmcli.errors import BudgetError, NetworkError, QuotaError, Retry
from glmcli.http.timeouts import Limits
from glmcli.providers.table import PROVIDERS, dialect_of

QUOTA = {"error": {"code": "1113", "message": "余额不足"}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as running_one:
        yield running_one


@pytest.fixture(scope="module")
def ray_cluster():
    if MISSING:
        pytest.skip(MISSING)
    with tempfile.TemporaryDirectory(prefix="glm") as folder, RayCluster(Path(folder)) as running_one:
        yield running_one


RAY = pytest.param("ray", marks=(pytest.mark.slow, pytest.mark.ray))


@pytest.fixture(params=["local", "dask", RAY])
def engine(request):
    """The flags of an engine."""
    clusters = {"dask": "cluster", "ray": "ray_cluster"}
    if request.param == "local":
        return ["--engine", "local"]
    return request.getfixturevalue(clusters[request.param]).flags


# What the driver does by itself shows on one engine as well; a cluster of processes takes its time.
ONE_IS_QUICK = pytest.mark.parametrize(
    "engine", ["local", pytest.param("dask", marks=pytest.mark.slow), RAY], indirect=True
)


# --- what holds of every engine ---


def test_every_row_stands_there_once(batch, server, engine) -> None:
    server.delay = 0.01
    batch.write(rows(200))
    done = batch.run(*engine)
    assert done.code == 0, done.err
    assert {key: entry["answer"] for key, entry in by_id(batch.output).items()} == {
        f"r{number}": f"Re: question {number}" for number in range(200)
    }
    assert sorted(server.prompts) == sorted(f"question {number}" for number in range(200))
    assert batch.run(*engine).code == 0
    assert len(server.prompts) == 200


@ONE_IS_QUICK
def test_rows_in_order(batch, server, engine) -> None:
    server.delay = 0.01
    batch.write(rows(60))
    assert batch.run("--ordered", *engine).code == 0
    assert [entry["id"] for entry in entries(batch.output)] == [f"r{number}" for number in range(60)]


def test_rows_end_as_in_one_process(batch, server, engine) -> None:
    """Whatever can become of a row: the same line, but for times and the command."""
    seen: Counter[str] = Counter()

    def respond(body):
        prompt = prompt_of(body)
        seen[prompt] += 1
        said = {
            "question 1": answer_with("cut", "length"),
            "question 2": answer_with("filtered", "sensitive"),
            "question 3": refuse_with({"error": {"code": "1301", "message": "unsafe"}}, status=400),
            "question 4": refuse_with({"error": {"code": "1210", "message": "no such parameter"}}, status=400),
            "question 6": Response(500, {"error": {"code": "1234", "message": "down"}}),
        }
        if prompt == "question 5" and seen[prompt] == 1:
            return Response(500, {"error": {"code": "1234", "message": "down"}})
        return said.get(prompt)

    def comparable():
        found = by_id(batch.output)
        for entry in found.values():
            entry["timing"] = entry["finished_at"] = entry["run"] = None
            entry.pop("command", None)  # the first line that was written has it
        return found

    server.respond = respond
    batch.write([*rows(9), {"id": "no prompt"}])
    assert batch.run("--retries", "1").code == 11
    expected = comparable()
    assert Counter(entry["status"] for entry in expected.values())["failed"] == 2
    batch.output.unlink()
    seen.clear()
    assert batch.run("--retries", "1", *engine).code == 11
    assert comparable() == expected


def test_a_cap_on_what_is_in_flight_holds_for_all_workers_together(batch, server, engine) -> None:
    server.delay, server.cap = 0.05, 10
    batch.write(rows(250))
    done = batch.run(*engine)
    assert done.code == 0, done.err
    assert len(by_id(batch.output)) == 250
    assert server.refusal_count <= 15
    assert server.most_in_flight <= 10


@ONE_IS_QUICK
def test_jobs_bound_what_is_in_flight(batch, server, engine) -> None:
    server.delay = 0.05
    batch.write(rows(60))
    assert batch.run("-j", "3", *engine).code == 0
    assert server.most_in_flight <= 3


@ONE_IS_QUICK
def test_requests_a_minute_are_shared(batch, engine) -> None:
    """A pace begins with two a second and doubles in twelve; what is told is divided among the chunks."""
    batch.write(rows(8))
    began = time.monotonic()
    assert batch.run("--rpm", "240", *engine).code == 0
    assert time.monotonic() - began > 1.5


@ONE_IS_QUICK
def test_a_quota_that_is_used_up_stops_the_run(batch, server, engine) -> None:
    server.delay = 0.01
    server.respond = lambda _body: refuse_with(QUOTA) if len(server.prompts) > 40 else None
    batch.write(rows(200))
    done = batch.run(*engine)
    assert done.code == 4
    assert set(statuses(batch.output).values()) == {"ok"}
    assert "the same command again resumes from here" in done.err
    assert len(server.prompts) < 120
    server.respond = lambda _body: None
    assert batch.run(*engine).code == 0
    assert len(by_id(batch.output)) == 200


@ONE_IS_QUICK
def test_ctrl_c_waits_for_what_is_out(batch, home, cwd, engine) -> None:
    """Workers begin nothing more, what they have asked is written, and the same command goes on."""
    batch.write(rows(400))
    with CountingServer(delay=0.2) as server:
        arguments = ["batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(server), *engine]
        with running(home, cwd, *arguments, env=KEY) as process:
            server.wait_for(40)
            process.send_signal(signal.SIGINT)
            asked = time.monotonic()
            assert process.wait(30) == -signal.SIGINT
            assert time.monotonic() - asked < 25
        paid = sum(server.answer_counts.values())
        assert paid < 400
        assert len(by_id(batch.output)) == paid


@ONE_IS_QUICK
def test_a_fallback_takes_what_another_provider_refuses(batch, server, home, engine) -> None:
    with CountingServer() as other:
        (home / "config.yaml").write_text(f"providers:\n  other:\n    like: vllm\n    base_url: {other.url}\n")
        server.respond = lambda body: refuse_with(QUOTA) if prompt_of(body) == "question 3" else None
        batch.write(rows(8))
        env = KEY | {"GLM_CONFIG": str(home / "config.yaml")}
        done = batch.glm(*batch.arguments("--fallback", "other/m", *engine), env=env)
        assert done.code == 0, done.err
        assert {entry["provider"] for entry in by_id(batch.output).values()} >= {"other"}
        assert by_id(batch.output)["r3"]["model"] == "m"
        assert "question 3" in other.prompts


@ONE_IS_QUICK
def test_a_provider_that_asks_to_wait_too_long_hands_over(batch, server, home, engine) -> None:
    """As in one process: nobody waits for longer than a minute where another provider does."""
    with CountingServer() as other:
        (home / "config.yaml").write_text(f"providers:\n  other:\n    like: vllm\n    base_url: {other.url}\n")
        server.respond = lambda _body: Response(
            503, {"error": {"code": "1234", "message": "down"}}, headers=("Retry-After: 100",)
        )
        batch.write(rows(4))
        env = KEY | {"GLM_CONFIG": str(home / "config.yaml")}
        done = batch.glm(*batch.arguments("-j", "1", "--fallback", "other/m", *engine), env=env)
        assert done.code == 0
        assert "the server asks to wait 100 s: rows go to other/m from now on" in done.err
        assert len(other.prompts) == 4
    assert {entry["provider"] for entry in entries(batch.output)} == {"other"}


@ONE_IS_QUICK
@pytest.mark.parametrize(("status", "body"), [(429, IN_FLIGHT), (503, {"error": {"code": "1234", "message": "down"}})])
def test_what_the_server_asks_to_wait_is_waited(batch, server, engine, status, body) -> None:
    """Longer than a chunk keeps a row that is refused: the wait goes on at the driver."""
    moments: list[float] = []

    def respond(_body):
        moments.append(time.monotonic())
        return Response(status, body, headers=("Retry-After: 3",)) if len(moments) == 1 else None

    server.respond = respond
    batch.write(rows(1))
    assert batch.run(*engine).code == 0
    assert moments[1] - moments[0] >= 2.9


@ONE_IS_QUICK
def test_an_overload_is_waited_out(batch, server, engine) -> None:
    """15 seconds, as the provider's own word has it; the deadline comes first."""
    server.respond = lambda _body: refuse_with(OVERLOAD)
    batch.write(rows(1))
    assert batch.run("--deadline", "3", *engine).code == 6
    assert len(server.prompts) == 1


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "dask"], indirect=True)
def test_ctrl_c_loses_no_answer_to_a_row_that_takes_long(batch, home, cwd, engine) -> None:
    """What a chunk has answered comes back in time, though another row of it is cut; Ray's tasks cannot be told."""
    batch.write(rows(100))

    def respond(body):
        return Response(hangs=True) if int(prompt_of(body).split()[1]) % 10 == 5 else None

    with CountingServer(respond, delay=0.2) as server:
        arguments = ["batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(server), *engine]
        with running(home, cwd, *arguments, env=KEY) as process:
            server.wait_for_answers(10)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == -signal.SIGINT
        assert by_id(batch.output).keys() == {f"r{prompt.split()[1]}" for prompt in server.answer_counts}


@ONE_IS_QUICK
def test_a_deadline_loses_no_answer(batch, server, engine) -> None:
    """The chunks end at the same moment as the run, and are waited for."""
    server.respond = lambda _body: Response(hangs=True) if len(server.prompts) > 30 else None
    batch.write(rows(100))
    done = batch.run("--deadline", "5", *engine)
    assert done.code == 6
    assert error(done) == "the deadline of 5 s has passed"
    assert by_id(batch.output).keys() == {f"r{prompt.split()[1]}" for prompt in server.answer_counts}


@ONE_IS_QUICK
def test_a_run_stops_soon_after_too_many_failures(batch, server, engine) -> None:
    server.respond = lambda _body: refuse_with({"error": {"code": "1210", "message": "no such parameter"}}, status=400)
    batch.write(rows(300))
    done = batch.run("--max-failures", "5", *engine)
    assert done.code == 11
    assert error(done).endswith("failed rows (--max-failures)")
    assert 5 <= len(by_id(batch.output)) <= 14  # two chunks


def test_rows_that_cannot_be_asked_are_failures(batch) -> None:
    batch.write([{"id": f"r{number}"} for number in range(50)])
    done = batch.run("--max-failures", "5", "--engine", "local")
    assert done.code == 11
    assert error(done) == "stopped after 5 failed rows (--max-failures)"
    assert list(statuses(batch.output).values()) == ["invalid"] * 5


@ONE_IS_QUICK
def test_a_run_that_stops_says_what_it_waits_for(batch, server, engine) -> None:
    def respond(body):
        """The first row is still in flight when another is told that the account is empty."""
        is_first = prompt_of(body) == "question 0"
        return answer_with("yes", delay=3.0 * is_first) if is_first or len(server.prompts) < 30 else refuse_with(QUOTA)

    server.respond = respond
    batch.write(rows(100))
    done = batch.run(*engine)
    assert done.code == 4
    assert done.err.count(": stopping when the requests in flight have ended (Ctrl-C ends them now)\n") == 1


def test_a_fault_of_the_input_is_none_of_the_engine(batch) -> None:
    """Finished rows that ask something else now, which a pipe shows only as the run goes on: as in one process."""
    batch.write(rows(3))
    assert batch.run().code == 0
    changed = lines([{"id": "r0", "prompt": "another question"}]).encode()
    told = []
    for engine in ([], ["--engine", "local"]):
        done = batch.glm("batch", "run", "-", *batch.arguments(*engine)[3:], env=KEY, stdin=changed)
        assert done.code == 2
        assert error(done) == "a finished row answers another request than would be sent now"
        told.append(done.err)
    assert told[0] == told[1]


def test_a_full_disk_is_said_once(batch, server) -> None:
    server.delay = 0.05
    batch.write(rows(100))
    limit = (resource.RLIMIT_FSIZE, (10_000, 10_000))
    done = batch.run("--engine", "local", preexec_fn=lambda: resource.setrlimit(*limit))
    assert done.code == 14
    assert done.err.count("cannot write out.jsonl") == 1
    assert "stopping" not in done.err


# --- clusters ---


def test_an_answer_that_holds_the_key_of_a_worker(batch, server, cluster) -> None:
    """The driver does not know that key, and writes none of it; the fixture looks for it in the output."""

    def respond(body):
        if prompt_of(body) == "question 0":
            return answer_with(f"your key is {CANARY}")
        said = {"error": {"code": CANARY, "message": f"no {CANARY}"}}
        return refuse_with(said, f"x-request-id: {CANARY}", status=400)

    server.respond = respond
    batch.write(rows(2))
    done = batch.glm(*batch.arguments(*cluster.flags), env={"ZAI_API_KEY": "the-key-of-the-driver"})
    assert done.code == 15, done.err
    assert by_id(batch.output)["r0"]["answer"] == "your key is ***"
    failed = by_id(batch.output)["r1"]
    assert (failed["request_id"], failed["error"]["provider_code"]) == ("***", "***")


def test_a_worker_without_a_key(batch, server, cluster, tmp_path) -> None:
    with Cluster(tmp_path / "keyless", 1, env={}) as keyless:
        batch.write(rows(4))
        done = batch.run(*keyless.flags)
    assert done.code == 3
    assert error(done).startswith("on ")
    assert error(done).endswith(": no key for zai")
    assert "  fix: ZAI_API_KEY in the environment of every worker; the same command again" in done.err
    assert server.prompts == []
    assert batch.run(*cluster.flags).code == 0


def test_a_worker_without_certificates(batch, tmp_path) -> None:
    """It is not the fault of any row: the run stops, and names the machine."""
    batch.write(rows(30))
    nowhere = KEY | {"SSL_CERT_FILE": "/nowhere.pem"}
    with Cluster(tmp_path / "bare", 1, env=nowhere) as bare:
        done = batch.run("--base-url", "https://127.0.0.1:1/v1", *bare.flags)
    assert done.code == 2
    assert error(done).startswith("on ")
    assert error(done).endswith(": SSL_CERT_FILE names /nowhere.pem, which does not exist")
    assert entries(batch.output) == []


def kill_a_worker(batch, server, cluster, *, count: int, after: int) -> None:
    """One of two workers is lost without a word: every row once, and paid twice only what it had out."""
    batch.write(rows(count))
    arguments = [GLM, *batch.arguments(*cluster.flags)]
    home = batch.input.parent.parent / "home"
    with subprocess.Popen(
        arguments, cwd=batch.input.parent, env=environment(home, **KEY), stderr=subprocess.PIPE
    ) as process:
        server.wait_for(after)
        written = len(entries(batch.output))
        cluster.workers[0].kill()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err.decode()
    assert {key: entry["answer"] for key, entry in by_id(batch.output).items()} == {
        f"r{number}": f"Re: question {number}" for number in range(count)
    }
    again = len(server.prompts) - count
    assert again <= after + 64 - written  # what the server had seen, and what was on its way, less what was safe
    assert b"has gone): sent again" in err


def test_a_worker_is_killed(batch, server, tmp_path) -> None:
    server.delay = 0.05
    with Cluster(tmp_path / "cluster") as cluster:
        kill_a_worker(batch, server, cluster, count=300, after=120)


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 30, 300, 700])
def test_a_worker_is_killed_at_any_moment(batch, server, tmp_path, after) -> None:
    server.delay = 0.05
    with Cluster(tmp_path / "cluster") as cluster:
        kill_a_worker(batch, server, cluster, count=800, after=after)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.skipif(bool(MISSING), reason=MISSING or "")
def test_a_ray_node_is_killed(batch, server, home, cwd) -> None:
    server.delay = 0.05
    batch.write(rows(300))
    with (
        tempfile.TemporaryDirectory(prefix="glm") as folder,
        RayCluster(Path(folder)) as cluster,
        running(home, cwd, *batch.arguments(*cluster.flags), env=KEY) as process,
    ):
        server.wait_for(120)
        end(cluster.nodes[0])
        assert process.wait(120) == 0
    assert len(by_id(batch.output)) == 300


@pytest.mark.slow
def test_a_worker_falls_silent(batch, server, tmp_path) -> None:
    """It is there and does nothing: others get its rows, however long a request may take."""
    server.delay = 0.05
    with Cluster(tmp_path / "cluster") as cluster:
        batch.write(rows(300))
        home = batch.input.parent.parent / "home"
        with running(home, batch.input.parent, *batch.arguments(*cluster.flags), env=KEY) as process:
            server.wait_for(60)
            cluster.workers[0].send_signal(signal.SIGSTOP)
            _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"was not heard of for 20 s): sent again" in err
    assert len(by_id(batch.output)) == 300


@pytest.mark.slow
def test_a_worker_that_is_silent_from_the_beginning(batch, tmp_path) -> None:
    """The others go on without it."""
    batch.write(rows(20))
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.workers[0].send_signal(signal.SIGSTOP)
        assert batch.run(*cluster.flags).code == 0
        cluster.workers[1].send_signal(signal.SIGSTOP)
        done = batch.run(*cluster.flags)
    assert len(by_id(batch.output)) == 20
    assert done.code == 6
    assert error(done).startswith("no worker of the Dask scheduler at tcp://127.0.0.1:")
    assert error(done).endswith(" answers within 10 s")


@pytest.mark.slow
def test_a_worker_that_comes_and_says_nothing(batch, home, cwd, tmp_path) -> None:
    """It does not look as if the scheduler were lost."""
    batch.write(rows(3000))
    with CountingServer(delay=0.3) as server, Cluster(tmp_path / "cluster", 1) as cluster:
        arguments = ["batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(server), *cluster.flags]
        with running(home, cwd, *arguments, env=KEY) as process:
            server.wait_for(1)
            cluster.add(KEY)
            cluster.workers[1].send_signal(signal.SIGSTOP)
            _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    assert len(by_id(batch.output)) == 3000


@pytest.mark.slow
def test_the_scheduler_falls_silent(batch, server, tmp_path) -> None:
    server.delay = 0.05
    batch.write(rows(3000))
    with Cluster(tmp_path / "cluster") as cluster:
        home = batch.input.parent.parent / "home"
        with running(home, batch.input.parent, *batch.arguments(*cluster.flags), env=KEY) as process:
            server.wait_for(60)
            cluster.scheduler.send_signal(signal.SIGSTOP)
            _, err = process.communicate(timeout=60)
    assert process.returncode == 6
    assert b"Traceback" not in err
    assert b"glm: error: the connection to the Dask scheduler at tcp://127.0.0.1:" in err


@pytest.mark.slow
def test_all_workers_are_lost_and_another_comes(batch, server, tmp_path) -> None:
    server.delay = 0.05
    with Cluster(tmp_path / "cluster") as cluster:
        batch.write(rows(200))
        home = batch.input.parent.parent / "home"
        with running(home, batch.input.parent, *batch.arguments(*cluster.flags), env=KEY) as process:
            server.wait_for(60)
            for worker in list(cluster.workers):
                worker.kill()
            cluster.add(KEY)
            assert process.wait(60) == 0
    assert len(by_id(batch.output)) == 200


@pytest.mark.slow
def test_the_scheduler_is_lost(batch, server, tmp_path, home, cwd) -> None:
    server.delay = 0.05
    batch.write(rows(2000))
    with Cluster(tmp_path / "cluster") as cluster:
        process = subprocess.Popen(
            [GLM, *batch.arguments(*cluster.flags)], cwd=cwd, env=environment(home, **KEY), stderr=subprocess.PIPE
        )
        server.wait_for(60)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 6, err.decode()
    assert b"Traceback" not in err
    assert batch.run().code == 0
    assert len(by_id(batch.output)) == 2000


@pytest.mark.slow
def test_the_driver_is_killed_and_the_same_command_goes_on(batch, server, home, cwd, cluster) -> None:
    server.delay = 0.05
    batch.write(rows(200))
    with running(home, cwd, *batch.arguments(*cluster.flags), env=KEY) as process:
        server.wait_for(60)
        process.kill()
        process.wait()
    before = len(by_id(batch.output))
    assert 0 < before < 200
    assert batch.run(*cluster.flags).code == 0
    assert len(by_id(batch.output)) == 200


def test_no_key_reaches_the_cluster(batch, server, cluster, home, cwd) -> None:
    """Neither the tasks that the scheduler holds, nor its pages, nor any log."""
    import distributed

    def tasks_of(dask_scheduler):
        """What the scheduler holds of every task, as bytes, and where its pages are."""
        tasks = {task.key: pickle.dumps(task.run_spec) for task in dask_scheduler.tasks.values()}
        return tasks, list(dask_scheduler.workers), dask_scheduler.services["dashboard"].port

    batch.write(rows(30))
    server.delay = 1.0  # so that the tasks are there for long enough
    with running(home, cwd, *batch.arguments(*cluster.flags), env=KEY):
        server.wait_for(1)
        with distributed.Client(cluster.address, set_as_default=False) as client:
            tasks, workers, port = client.run_on_scheduler(tasks_of)
            identity = repr(client.scheduler_info(n_workers=-1)).encode()  # its page fails once a task has ended
        paths = [page.format(quote(each, safe="")) for page in _PAGES_OF_A_WORKER for each in workers]
        paths += [f"info/task/{key}.html" for key in tasks]
        pages = [urlopen(f"http://127.0.0.1:{port}/{path}").read() for path in (*_PAGES, *paths)]
    assert any(b"question" in task for task in tasks.values())
    assert not any(leaks(each) for each in (*tasks.values(), *pages, identity))
    logs = [path.read_bytes() for path in cluster.folder.rglob("*") if path.is_file()]
    assert len(logs) >= 4
    assert not any(leaks(each) for each in logs)


_PAGES = ("info/main/workers.html", "info/main/logs.html", "json/counts.json", "metrics")
_PAGES_OF_A_WORKER = ("info/worker/{}.html", "info/logs/{}.html", "info/call-stacks/{}.html")


@pytest.mark.slow
def test_a_worker_of_another_version(batch, tmp_path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import glmcli\nglmcli.__version__ = '0.0.9'\n")
    batch.write(rows(2))
    with Cluster(tmp_path / "other", 1, env=KEY | {"PYTHONPATH": str(tmp_path)}) as other:
        done = batch.run(*other.flags)
    assert done.code == 2
    assert "has glm 0.0.9 on Python 3." in error(done)
    assert batch.server.prompts == []


@pytest.mark.slow
def test_a_worker_without_glm(batch, tmp_path) -> None:
    """It is named, and goes on with what it does for others."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['glmcli'] = None\n")
    batch.write(rows(2))
    with Cluster(tmp_path / "other", 1, env=KEY | {"PYTHONPATH": str(tmp_path)}) as other:
        done = batch.run(*other.flags)
        assert done.code == 2
        assert "has no glm that can be used, this is glm " in error(done)
        assert batch.run(*other.flags).code == 2
    assert batch.server.prompts == []


# --- the driver alone, before engines that do what a test says ---


class Scripted:
    """An engine of one worker, which keeps what it is given as bytes, and ends it as `ends` says; None: not at all."""

    def __init__(self, ends, *, tracks_workers: bool = False) -> None:
        self.tracks_workers = tracks_workers
        self.looks = 0
        self._ends = ends
        self._back: list = []
        self.tasks: list[bytes] = []
        self.shares: list[int] = []
        self.drained = False

    def start(self) -> None:
        pass

    def workers(self) -> int:
        return 1

    def submit(self, chunk, share) -> str:
        self.tasks.append(pickle.dumps((chunk, share)))
        self.shares.append(share.slots)
        handle = str(len(self.tasks))
        result = self._ends(chunk, len(self.tasks))
        if result is not None:
            self.come_back(handle, result)
        return handle

    def come_back(self, handle: str, result) -> None:
        self._back.append((handle, result))

    def done(self):
        self.looks += 1
        back, self._back = self._back, []
        return iter(back)

    def drain(self, _run, _seconds) -> None:
        self.drained = True

    def stop(self) -> None:
        pass


class Given:
    """Items, as a feed gives them."""

    error = None

    def __init__(self, items) -> None:
        self._items = list(items)

    def start(self, _wake) -> None:
        pass

    @property
    def is_exhausted(self) -> bool:
        return not self._items

    @property
    def is_ready(self) -> bool:
        return bool(self._items)

    def take(self):
        return self._items.pop(0) if self._items else None


class Written:
    """Lines, as JSON."""

    def __init__(self) -> None:
        self.rows: list[dict] = []

    def write(self, line: bytes) -> int:
        self.rows.append(json.loads(line))
        return 0


def driven(engine, number: int, *, ceiling=None, fallback=None, question="question", say=lambda _: None, **limits):
    """The lines of a run of so many rows, and the driver."""
    request = Request("glm-5", (Message("user", question),))
    call = dialect_of(PROVIDERS["zai"]).encode(request, PROVIDERS["zai"])
    candidate = Candidate(PROVIDERS["zai"], "glm-5", call.replace(key=Key(CANARY, "ZAI_API_KEY")), request)
    limits = {"connect": 10, "first": 300, "idle": 300, "deadline": None} | limits
    candidates = (candidate, candidate.replace(model=fallback)) if fallback else (candidate,)
    plan = Plan(candidates, time.monotonic(), Limits(retries=3, retry_max_time=180, **limits))
    items = [QueueItem(each, Row(line=each), f"r{each}", "h", request, 10) for each in range(number)]
    out = Written()
    with closing(Index()) as index:
        writing = LedgerWriter(out, index, Redactor(), WriterOptions())
        setup = RunSetup(Given(items), writing, plan, Budget(ceiling, 0.0), window=None, watch=lambda: None, note=say)
        limiters = tuple(RateLimiter(AccountLimits(8), time.monotonic()) for _ in candidates)
        driver = Driver(engine, setup, limiters, tpm=None)
        asyncio.run(driver.run())
    return out.rows, driver


def answer_of(chunk, text: str = "yes", calls: int = 1):
    """Every row of the chunk is answered."""
    outcome = Outcome("zai", "glm-5", Reply(answer=text, finish_reason="stop"), attempts=calls)
    return ChunkResult(tuple(FinishedRow(row.number, outcome, calls) for row in chunk.rows), (), Refusals(), 0.1)


def test_no_key_is_in_what_is_pickled() -> None:
    engine = Scripted(lambda chunk, _: answer_of(chunk))
    written, _ = driven(engine, 30)
    assert len(written) == 30
    assert len(engine.tasks) >= 3
    assert not any(leaks(task) for task in engine.tasks)
    assert all(b"question" in task for task in engine.tasks)


def test_a_chunk_that_is_lost_is_sent_again() -> None:
    engine = Scripted(lambda chunk, which: LostChunk("it has gone") if which <= 2 else answer_of(chunk))
    written, _ = driven(engine, 10)
    assert [row["status"] for row in written] == ["ok"] * 10
    assert len({row["id"] for row in written}) == 10


def test_rows_that_are_lost_too_often_have_failed() -> None:
    engine = Scripted(lambda _chunk, _which: LostChunk("it has gone"))
    written, _ = driven(engine, 10)
    assert {(row["status"], row["final"], row["error"]["type"]) for row in written} == {("failed", False, "network")}
    assert written[0]["error"]["message"] == "lost 4 times with its worker: it has gone"
    assert len(written) == 10
    assert len(engine.tasks) == 4


def test_of_two_results_of_a_row_the_second_is_dropped() -> None:
    """A chunk is late and sent again; then both come back."""
    kept: list = []

    def ends(chunk, which):
        if which == 1:
            kept.append(chunk)
            return None
        engine.come_back("1", answer_of(kept[0], "the first", 2))
        return answer_of(chunk, "the second")

    engine = Scripted(ends)
    written, _ = driven(engine, 10, connect=-7.0, first=0.1, idle=0.1)  # late after a fifth of a second
    assert sorted(row["id"] for row in written) == [f"r{number}" for number in range(10)]
    assert {row["answer"] for row in written} == {"the first"}
    assert {row["calls"] for row in written} == {2}


def test_a_chunk_takes_its_time_where_the_engine_hears_its_worker() -> None:
    """Its rows may be long streams, each of which is well within the limits of a request."""
    kept: list = []

    class Slow(Scripted):
        def done(self):
            if kept and self.looks > 30:  # more than half a second
                self.come_back("1", answer_of(kept.pop()))
            return super().done()

    engine = Slow(lambda chunk, _which: kept.append(chunk), tracks_workers=True)
    written, _ = driven(engine, 5, connect=-7.0, first=0.1, idle=0.1)
    assert len(written) == 5
    assert len(engine.tasks) == 1


def test_rows_that_are_lost_are_said_once() -> None:
    """Late first, and then the engine knows that the worker has gone: it has lost nothing any more."""
    said: list[str] = []

    def ends(chunk, which):
        if which == 1:
            return None
        engine.come_back("1", LostChunk("it has gone"))
        return answer_of(chunk)

    engine = Scripted(ends)
    written, _ = driven(engine, 1, connect=-7.0, first=0.1, idle=0.1, say=said.append)
    assert len(written) == 1
    assert said == ["1 row lost with a worker (it did not come back in time): sent again; some may be paid twice"]


def test_a_ceiling_on_the_cost_counts_rows_that_are_lost() -> None:
    """Each may have been paid: it counts as the dearest so far."""
    paid = Outcome("zai", "glm-5", Reply(answer="yes", finish_reason="stop"), cost=Cost(1.0, "CNY", "2026-11-22"))

    def ends(chunk, which):
        if which == 2:
            return LostChunk("it has gone")
        return ChunkResult(tuple(FinishedRow(row.number, paid, 1) for row in chunk.rows), (), Refusals(), 0.1)

    written, driver = driven(Scripted(ends), 20, ceiling=6.5)
    assert isinstance(driver.shutdown.error, BudgetError)
    assert len(written) == 1  # then five were lost


def test_heavy_rows_go_in_small_chunks() -> None:
    """As many as are in flight at once, and no more: memory holds them all."""
    sizes: list[int] = []

    def ends(chunk, _which):
        sizes.append(len(chunk.rows))
        return answer_of(chunk)

    written, _ = driven(Scripted(ends), 20, question="x" * (3 << 20))
    assert len(written) == 20
    assert sizes == [4] * 5


def test_a_pace_counts_the_first_row_of_each_chunk() -> None:
    """Which goes at once: the others take the time of all."""
    assert fitted(Share(8, rpm=60.0), 4) == Share(4, rpm=45.0)
    assert fitted(Share(8, rpm=60.0), 1) == Share(1, rpm=60.0)
    assert fitted(Share(2), 10) == Share(2)


@pytest.fixture
def index():
    with closing(Index()) as opened:
        yield opened


def test_a_run_stops_when_nobody_was_reached_for_a_minute(index) -> None:
    """Chunks are shorter than that: what they say counts together."""
    said: list[str] = []
    limits = Limits(connect=10, first=300, idle=300, deadline=None, retries=3, retry_max_time=180)
    request = Request("glm-5", (Message("user", "question"),))
    call = dialect_of(PROVIDERS["zai"]).encode(request, PROVIDERS["zai"])
    plan = Plan((Candidate(PROVIDERS["zai"], "glm-5", call, request),), 0.0, limits)
    writing = LedgerWriter(Written(), index, Redactor(), WriterOptions())
    setup = RunSetup(Given([]), writing, plan, Budget(None, 0.0), window=None, watch=lambda: None, note=said.append)
    state = RunState(setup)
    handler = ResultHandler(OpenRows(), setup, state)
    item = QueueItem(0, Row(line=0), "r0", "h", request, 10)

    def come_back(now: float, refuse_with: Refusals) -> None:
        gate = RateLimiter(AccountLimits(8), 0.0)
        out = SentChunk([item], Lease(gate, Share(1), 10, now), now + 600)
        handler.take(out, ChunkResult((), (), refuse_with, 1.0), now)

    for now in (0.0, 50.0, 60.0):
        come_back(now, Refusals(unreached=NetworkError("Connection refused")))
    assert state.shutdown.error is None
    come_back(70.0, Refusals(requests=1))  # somebody was reached
    come_back(80.0, Refusals(unreached=NetworkError("Connection refused")))
    come_back(140.0, Refusals(unreached=NetworkError("Connection refused")))
    assert state.shutdown.error is None
    come_back(140.5, Refusals(unreached=NetworkError("Connection refused")))
    assert str(state.shutdown.error.message) == "Connection refused; no connection could be made for 60 s"
    assert said == ["Connection refused; trying again"] * 2


def test_shares_are_never_more_than_the_slots() -> None:
    """Two chunks are out at a time; the first does not come back before the second is out."""
    waiting: list = []

    def ends(chunk, which):
        waiting.append((str(which), answer_of(chunk)))
        while which >= 2 and waiting:
            engine.come_back(*waiting.pop())

    engine = Scripted(ends)
    written, _ = driven(engine, 40)
    assert len(written) == 40
    assert set(engine.shares) == {4}


def test_a_ceiling_on_the_cost_counts_only_what_is_out() -> None:
    """Rows that came back unanswered wait, and cost nothing: the run ends when the next might cost too much."""

    def ends(chunk, _which):
        outcome = Outcome(
            "zai", "glm-5", Reply(answer="yes", finish_reason="stop"), cost=Cost(1.0, "CNY", "2026-11-22")
        )
        first, *others = chunk.rows
        left = tuple(UnfinishedRow(row.number, 0, 0, 0, resent=False) for row in others)
        return ChunkResult((FinishedRow(first.number, outcome, 1),), left, Refusals(), 0.1)

    written, driver = driven(Scripted(ends), 20, ceiling=5.5)
    assert len(written) == 5
    assert isinstance(driver.shutdown.error, BudgetError)


def test_the_end_of_a_run_is_told_to_the_workers() -> None:
    """A quota that is used up: what another chunk has still to ask would only be refused."""

    def ends(chunk, _which):
        left = tuple(UnfinishedRow(row.number, 0, 0, 0, resent=False) for row in chunk.rows)
        return ChunkResult((), left, Refusals(), 0.1, QuotaError("used up"))

    engine = Scripted(ends)
    written, driver = driven(engine, 20)
    assert (written, engine.drained) == ([], True)
    assert isinstance(driver.shutdown.error, QuotaError)


def test_a_share_loses_a_slot_with_each_refusal_and_gets_none_back() -> None:
    gate = ShareLimiter(Share(3), PROVIDERS["zai"], 0.0)
    tickets = [gate.start(0.0, 0) for _ in range(3)]
    gate.refused(0.1, tickets[0], Retry.IN_FLIGHT, None)
    gate.answered(0.2, tickets[1], None)
    assert gate.slots == 2
    gate.refused(0.3, tickets[2], Retry.OVERLOAD, None)
    assert gate.slots == 2
    assert gate.wait(0.4, 0) == float("inf")  # overloads are waited out at the driver
    assert gate.summary() == Refusals(requests=2, slots=1, kind=Retry.OVERLOAD)


def test_a_share_gets_no_more_tokens_back_than_were_taken() -> None:
    """10 rows of 9.8 tokens at 60 a minute, each thought to use 1,000."""
    share, now = ShareLimiter(Share(1, None, 60.0), PROVIDERS["zai"], 0.0), 0.0
    for _ in range(10):
        now += share.wait(now, 1000)
        share.answered(now, share.start(now, 1000), 9.8)
    assert now == pytest.approx(90, rel=0.01)


def test_a_candidate_that_is_used_up_gets_no_more_rows() -> None:
    """One row has shown it: those that came back unasked, and those that were not read yet, go to the fallback."""
    models: list[str] = []

    def ends(chunk, _which):
        models.extend(chunk.model for _ in chunk.rows)
        if chunk.model == "glm-5":
            first, *others = chunk.rows
            left = tuple(UnfinishedRow(row.number, 0, 0, 0, resent=False) for row in others)
            left += (UnfinishedRow(first.number, 1, 0, 0, resent=False, stopped_chunk=True),)
            return ChunkResult((), left, Refusals(), 0.1, QuotaError("used up"))
        return answer_of(chunk)

    written, driver = driven(Scripted(ends), 60, fallback="glm-4.6")
    assert len(written) == 60
    assert driver.shutdown.error is None
    assert models.count("glm-5") <= 20  # the two chunks that were out
    assert models.count("glm-4.6") == 60


def test_what_fails_after_a_chunk_has_ended_is_counted(server, monkeypatch) -> None:
    """Or a row whose answer takes longer than its chunk may would be sent again for ever, and paid each time."""
    monkeypatch.setenv("ZAI_API_KEY", CANARY)
    server.respond = lambda _body: Response(hangs=True)
    provider = PROVIDERS["zai"].replace(base_url=server.url)
    request = Request("glm-5", (Message("user", "question"),))
    limits = Limits(connect=5, first=0.5, idle=0.5, deadline=None, retries=3, retry_max_time=180)
    asked = RowTask(0, "r0", request, 10)
    chunk = Chunk("run", provider, "glm-5", (asked,), limits, elapsed=0.0, max_seconds=0.1)
    done = work.work(chunk, Share(1))
    assert done.finished == ()
    assert [left.replace(wait=0.0) for left in done.unfinished] == [UnfinishedRow(0, 1, 0, 1, resent=True)]
    assert 0.5 < done.unfinished[0].wait <= 1.25  # what is left of the wait goes on at the driver
    again = work.work(chunk.replace(rows=(asked.replace(retries=1, resent=True),)), Share(1))
    assert again.unfinished == ()
    assert isinstance(again.finished[0].outcome.error, NetworkError)
    assert len(server.prompts) == 2


def test_refusals_of_a_worker_take_slots_from_all() -> None:
    """Each share is refused three times: the gate has six slots fewer, and the next shares are smaller."""
    waiting: list = []

    def ends(chunk, which):
        refuse_with = Refusals(requests=3, slots=3) if which <= 2 else Refusals()
        waiting.append((str(which), answer_of(chunk).replace(refusals=refuse_with)))
        while which >= 2 and waiting:
            engine.come_back(*waiting.pop())

    engine = Scripted(ends)
    _, driver = driven(engine, 60)
    assert engine.shares[:3] == [4, 4, 1]
    assert driver.counts().refused == 6


# --- what is refused before anything is sent ---


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "spark"], "--engine spark: there is no such engine"),
        (["--engine", "dask"], "--engine dask needs the --address of a cluster"),
        (["--engine", "ray"], "--engine ray needs the --address of a cluster"),
        (["--engine", "local", "--address", "h:1"], "--address: the local engine has none"),
        (["--address", "h:1"], "--address is where an engine's cluster is, and there is no engine"),
        (["--engine", "dask", "--address", "http://h"], "--address http://h: unknown address scheme 'http'"),
        (["--engine", "dask", "--address", "tls://h:1"], "--address tls://h:1: TLS expects a `ssl_context` argument"),
        (["--engine", "local", "--key-file", "k"], "--key-file is on this machine, and workers read their own"),
    ],
)
def test_words_that_are_refused(batch, words, message) -> None:
    batch.write(rows(1))
    done = batch.run(*words)
    assert done.code == 2
    assert error(done).startswith(message)
    assert not batch.output.exists()


def test_without_the_extra(batch, tmp_path) -> None:
    folder = tmp_path / "path" / "distributed"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ModuleNotFoundError(name='distributed')\n")
    batch.write(rows(1))
    words = batch.arguments("--engine", "dask", "--address", "127.0.0.1:1")
    done = batch.glm(*words, env=KEY | {"PYTHONPATH": str(folder.parent)})
    assert done.code == 2
    assert error(done) == "--engine dask: distributed is not installed"
    assert "pip install 'glmcli[dask]'" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("listens", [True, False])
def test_nobody_answers_at_the_address(batch, listens) -> None:
    import socket

    batch.write(rows(1))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listens:
            silent.listen()
        began = time.monotonic()
        done = batch.run("--engine", "dask", "--address", f"tcp://127.0.0.1:{silent.getsockname()[1]}")
    assert done.code == 6
    assert error(done).startswith("no Dask scheduler answers at tcp://127.0.0.1:")
    assert time.monotonic() - began < 40
    assert not batch.output.exists()
