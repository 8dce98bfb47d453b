"""A batch that is run, killed, resumed and edited in any order: what must hold of its output whatever happened.

Hypothesis invents the stories. The program is real and so are its deaths, but it is forked from a process that has
imported it already (tests/support/forked_runs.py).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
from batch_runs import KEY, entries, flags
from counting_server import IN_FLIGHT, CountingServer, Response, answer_with, refuse_with
from forked_runs import ForkServer
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from program import environment

JOBS = 4
IDS = [f"row-{number}" for number in range(6)]
BEHAVIOURS = ("answer", "refuse", "fail", "filter")


def asked_of(messages) -> str:
    """The hash that the ledger has of this conversation."""
    turns = [{"role": message["role"], "text": message["content"]} for message in messages]
    said = {"extra": {}, "messages": turns, "model": "glm-5"}
    return sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()[:32]


class Story(RuleBasedStateMachine):
    """Invariants: rows in = ok + failed + pending; nothing torn; what is finished is not asked again."""

    fork_server: ForkServer

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.out = self.folder / "out.jsonl"
        self.input: dict[str, int] = {}  # id -> which wording of its prompt; -1: none, so that it cannot be asked
        self.wording = "v0"
        self.behaviour: dict[str, str] = {}
        self.refused: set[str] = set()
        self.server = CountingServer(self.respond, delay=0.002)
        self.server.__enter__()

    def teardown(self) -> None:
        self.server.__exit__()
        shutil.rmtree(self.folder)

    def respond(self, body):
        """Answers with what was asked."""
        messages = body["messages"]
        prompt = messages[-1]["content"]
        match self.behaviour.get(prompt.split()[0], "answer"):
            case "refuse" if prompt not in self.refused:
                self.refused.add(prompt)
                return refuse_with(IN_FLIGHT)
            case "fail":
                return Response(500, {"error": {"code": "1234", "message": "down"}})
            case "filter":
                return refuse_with({"error": {"code": "1301", "message": "sensitive"}}, status=400)
        return answer_with(json.dumps(messages), delay=self.server.delay)

    # What a user does between runs

    @initialize(count=st.integers(2, len(IDS)))
    def begin(self, count) -> None:
        self.input = dict.fromkeys(IDS[:count], 0)

    @rule(name=st.sampled_from(IDS), how=st.sampled_from(["add", "remove", "move", "reword", "spoil"]))
    def edit_the_input(self, name, how) -> None:
        match how:
            case "add":
                self.input.setdefault(name, 0)
            case "remove" if len(self.input) > 1:
                self.input.pop(name, None)
            case "move" if name in self.input:
                self.input[name] = self.input.pop(name)
            case "reword":
                self.input[name] = 1 - max(self.input.get(name, 0), 0)
            case "spoil":
                self.input[name] = -1

    @rule(name=st.sampled_from(IDS), changed=st.sampled_from([("--redo-changed",), ("--keep-changed",), ()]))
    def reword_and_run(self, name, changed) -> None:
        self.input[name] = 1 - max(self.input.get(name, 0), 0)
        self.run_to_the_end(changed)

    @rule(wording=st.sampled_from(["v0", "v1"]))
    def edit_the_request_file(self, wording) -> None:
        self.wording = wording

    @rule(name=st.sampled_from(IDS), behaviour=st.sampled_from(BEHAVIOURS))
    def provider_changes(self, name, behaviour) -> None:
        self.behaviour[name] = behaviour

    @rule(size=st.integers(1, 30))
    def power_cut(self, size) -> None:
        """The last line is torn."""
        data = self.out.read_bytes() if self.out.exists() else b""
        begin = data.rfind(b"\n", 0, -1) + 1
        if data.endswith(b"\n"):
            os.truncate(self.out, max(len(data) - size, begin))

    # Runs

    @rule(
        changed=st.sampled_from([(), (), ("--redo-changed",), ("--keep-changed",)]),
        failed=st.sampled_from([(), (), ("--retry-failed",), ("--no-retry-failed",)]),
        ordered=st.sampled_from([(), ("--ordered",)]),
    )
    def run_with_flags(self, changed, failed, ordered) -> None:
        self.run_to_the_end(changed, failed, ordered)

    @rule(changed=st.sampled_from([(), ("--redo-changed",)]))
    def run(self, changed) -> None:
        self.run_to_the_end(changed)

    def run_to_the_end(self, changed, failed=(), ordered=()) -> None:
        before = self.known()
        code = self.glm(*changed, *failed, *ordered)
        self.check_asked(before, changed)
        if code == 2:
            assert not changed, self.stderr()
            assert self.asked == []
            assert any(self.is_changed(name, entry) for name, entry in before.items()), self.stderr()
            return
        found = entries(self.out)
        assert len({entry["id"] for entry in found}) == len(found), "a row stands there twice"
        last = {entry["id"]: entry for entry in found}
        assert set(self.input) <= set(last), "a row is missing"
        ends = [last[name] for name in self.input]
        may = any(entry["status"] != "ok" and not entry["final"] for entry in ends)
        bad = any(entry["status"] != "ok" for entry in ends)
        if any(self.is_changed(name, last[name]) for name in self.input) and "--keep-changed" not in changed:
            assert code in (11, 15), self.stderr()  # the old answer stays where the new question has failed
        else:
            assert code == (11 if may else 15 if bad else 0), self.stderr()
        if not changed:
            assert all(entry["hash"] == self.hash(entry["id"]) for entry in ends if entry["status"] == "ok")

    @rule(after=st.integers(0, 6), moment=st.floats(0, 0.01), changed=st.sampled_from([(), ("--redo-changed",)]))
    def run_and_kill(self, after, moment, changed) -> None:
        before = self.known()
        old, answers = self.answer_lines(), self.server.answer_count

        def kill(pid) -> None:
            until = time.monotonic() + 0.3  # there may be less to ask
            while len(self.asked) < after and time.monotonic() < until and self.lives(pid):
                time.sleep(0.001)
            time.sleep(moment)
            os.kill(pid, signal.SIGKILL)

        self.glm(*changed, while_it_runs=kill)
        self.check_asked(before, changed)
        new = self.answer_lines() - old
        assert self.server.answer_count - answers - new.total() <= JOBS, "more was paid for in vain than was in flight"

    @rule(room=st.integers(0, 2000))
    def run_on_a_full_disk(self, room) -> None:
        before = self.known()
        whole = self.out.read_bytes() if self.out.exists() else b""
        code = self.glm(most=len(whole) + room)
        assert code in (0, 2, 11, 14, 15), self.stderr()
        self.check_asked(before, ())
        if code != 2:
            left = self.out.read_bytes() if self.out.exists() else b""
            # Where even what a power cut left torn cannot be set aside, nothing is touched.
            assert left[-1:] in (b"", b"\n") or (code == 14 and left == whole), "a line is torn"

    # What it is made of

    def glm(self, *more, most=None, while_it_runs=lambda _pid: None) -> int:
        rows = [
            {"id": name} | ({"prompt": f"{name} in wording {wording}"} if wording >= 0 else {"prompt": " "})
            for name, wording in self.input.items()
        ]
        (self.folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (self.folder / "request.yaml").write_text(f"system: {self.wording}\n")
        begun = len(self.server.prompts)
        arguments = ["batch", "run", "in.jsonl", "-O", "out.jsonl", "-j", str(JOBS), "--retries", "0", "-q"]
        arguments += ["--request", "request.yaml", *flags(self.server), *more]
        self.begun = begun
        with Path(os.devnull).open() as nothing, (self.folder / "stderr").open("wb") as err:
            given = (nothing.fileno(), err.fileno(), err.fileno())
            pid = self.fork_server.start(arguments, self.folder, environment(self.folder, **KEY), given, most)
        while_it_runs(pid)
        code = self.fork_server.end()
        assert code != 70, self.stderr()
        assert "Traceback" not in self.stderr()
        self.check_answers()
        return code

    @property
    def asked(self) -> list[str]:
        """The prompts of the last run."""
        return self.server.prompts[self.begun :]

    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    @staticmethod
    def lives(pid) -> bool:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"

    def whole_lines(self) -> list[dict]:
        """The lines that end in a newline, or are whole without it."""
        if not self.out.exists():
            return []
        *lines, rest = self.out.read_bytes().split(b"\n")
        found = [json.loads(line) for line in lines]
        try:
            return [*found, json.loads(rest)]
        except ValueError:
            return found

    def answer_lines(self) -> Counter[tuple[str, str]]:
        """What the output has of each answer: a run that is killed at its end may have compacted it."""
        return Counter((entry["id"], entry["finished_at"]) for entry in self.whole_lines() if entry["status"] == "ok")

    def known(self) -> dict[str, dict]:
        """The line that counts, of every row."""
        return {entry["id"]: entry for entry in self.whole_lines()}

    def hash(self, name) -> str:
        prompt = f"{name} in wording {self.input[name]}"
        return asked_of([{"role": "system", "content": self.wording}, {"role": "user", "content": prompt}])

    def is_changed(self, name, entry) -> bool:
        return name in self.input and entry["status"] == "ok" and entry["hash"] != self.hash(name)

    def check_answers(self) -> None:
        """An answer belongs to the request that is hashed beside it, and to its row."""
        for entry in self.whole_lines():
            if entry["status"] == "ok":
                messages = json.loads(entry["answer"])
                assert entry["hash"] == asked_of(messages)
                assert messages[-1]["content"].split()[0] == entry["id"]

    def check_asked(self, before, changed) -> None:
        """What was finished was not asked again, unless it was to be."""
        done = {name for name, entry in before.items() if entry["status"] == "ok"}
        if changed == ("--redo-changed",):
            done -= {name for name, entry in before.items() if self.is_changed(name, entry)}
        assert done.isdisjoint(prompt.split()[0] for prompt in self.asked), "a finished row was asked again"
        kept = self.known()
        if changed != ("--redo-changed",):
            lost = [name for name in done if kept.get(name, {}).get("status") != "ok"]
            assert not lost, f"answers were lost: {lost}"


# All that a run would import, so that it dies at work and not on its way there.
MODULES = (
    "glmcli.batch.rows.queue",
    "glmcli.batch.execution",
    "glmcli.batch.setup",
    "glmcli.providers.openai",
    "glmcli.config.request_file",
)


@pytest.fixture(scope="module", autouse=True)
def fork_server():
    with ForkServer(*MODULES) as Story.fork_server:
        yield


HEALTHY = (HealthCheck.too_slow, HealthCheck.data_too_large)
Story.TestCase.settings = settings(
    phases=(Phase.explicit, Phase.generate),  # to shrink a story takes minutes: GLM_STORIES does it
    derandomize=True,  # the same stories in every run; GLM_STORIES tells new ones
    max_examples=5,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=HEALTHY,
    print_blob=True,
)
TestStory = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")(Story.TestCase)


class LongStory(Story):
    """The same, for longer."""


LongStory.TestCase.settings = settings(
    derandomize="GLM_STORIES" not in os.environ,
    max_examples=int(os.environ.get("GLM_STORIES", "20")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=HEALTHY,
    print_blob=True,
)
TestLongStory = pytest.mark.slow(LongStory.TestCase)
