"""Each file of examples/ says in a comment how it is used, and that is run: to be there is to be tested."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from console_examples import TOP, matches, run, steps, workplace
from program import GLM, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKFLOW = "github-actions.yml"
# The programs of tool files are run by test_tool_examples.py.
EXAMPLES = sorted(
    path for path in (TOP / "examples").rglob("*.*") if path.name != WORKFLOW and path.suffix in {".yaml", ".sh"}
)
COMMENT = re.compile(r"^# (?=\$ )", re.MULTILINE)
ROWS = yaml.safe_load((TOP / "examples/config.yaml").read_text())["providers"]


@pytest.fixture
def place(tmp_path):
    return workplace(tmp_path)


def commands(example: Path) -> str:
    """The lines of its comments that begin with a `$`, and those with which they go on."""
    lines = iter(example.read_text().splitlines())
    found = []
    for line in lines:
        if COMMENT.match(line):
            found.append(line.removeprefix("# "))
            while found[-1].endswith("\\"):
                found.append(next(lines).removeprefix("# "))
    return "\n".join(found)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_does_what_it_says(example, place) -> None:
    found = steps(commands(example))
    assert found, "no comment says how to run it: # $ glm …"
    for step in found:
        code, printed = run(step.command, place / "examples", place / "bin")
        assert code == step.code, printed
        assert step.shown is None or matches(step.shown, printed)


@pytest.mark.parametrize("example", [path for path in EXAMPLES if path.suffix == ".yaml"], ids=lambda path: path.name)
def test_an_editor_finds_the_schema_of_an_example(example) -> None:
    first = example.read_text().splitlines()[0]
    schema = first.removeprefix("# yaml-language-server: $schema=")
    assert schema != first
    assert json.loads((example.parent / schema).read_text())["title"]


@pytest.mark.parametrize("row", ROWS)
def test_each_row_of_the_configuration_can_be_asked(row, place) -> None:
    command = f"glm ask --dry-run -m {row}/glm-5 'Who are you'"
    code, printed = run(command, place / "examples", place / "bin", GLM_CONFIG="config.yaml")
    assert code == 0, printed
    assert json.loads(printed)["url"].startswith(ROWS[row]["base_url"] + "/")


# What the provider does, and what the build makes of it.
BUILDS = {
    "an answer": ("", 0, "see review.md"),
    "busy": ("1302", 0, "left out today"),
    "no balance": ("1113", 0, "left out today"),
    "a reset connection": ("reset", 0, "left out today"),
    "a cut answer": ("length", 0, "no whole answer"),
    "a filter": ("sensitive", 0, "no whole answer"),
    "a bad key": ("401", 1, "set up wrongly"),
    "no API": ("html", 13, ""),
}


@pytest.fixture
def sandbox(request, tmp_path) -> Iterator[str]:
    """The address of a sandbox with this fault."""
    fault = ["--fault", request.param] if request.param else []
    server = subprocess.Popen([GLM, "sandbox", *fault], stdout=subprocess.PIPE, text=True, env=environment(tmp_path))
    with server:
        yield next(line.split("\t")[1].strip() for line in server.stdout if line.startswith("sandbox\t"))
        server.terminate()


@pytest.mark.parametrize(("sandbox", "code", "said"), BUILDS.values(), ids=BUILDS, indirect=["sandbox"])
def test_the_ci_script_decides_by_exit_codes(sandbox, code, said, place) -> None:
    command = f"git diff | sh ci.sh --retries 0 --base-url {sandbox}"
    ended, printed = run(command, place / "examples", place / "bin")
    assert ended == code, printed
    assert said in printed
    assert (place / "examples" / "review.md").exists() == (said == "see review.md")


def test_the_workflow_passes(place) -> None:
    """Every step but the installation, as a runner does it: bash, and variables that a step leaves to the next."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    job = yaml.safe_load((place / "examples" / WORKFLOW).read_text())["jobs"]["ask"]
    left = place / "left"
    left.touch()
    variables = environment(place, PATH=f"{Path(GLM).parent}:{os.environ['PATH']}", **job["env"])
    variables |= {"RUNNER_TEMP": str(place), "GITHUB_ENV": str(left), "GITHUB_ACTIONS": "true"}
    started = []
    try:
        for step in job["steps"]:
            if "run" not in step or step["name"] == "Install":
                continue
            given = variables | dict(line.split("=", 1) for line in left.read_text().splitlines())
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            log = place / f"{step['name']}.log"
            with log.open("w") as file:
                process = subprocess.Popen(
                    command, cwd=place, env=given, stdout=file, stderr=file, start_new_session=True
                )
            started.append(process)
            assert process.wait(60) == 0, log.read_text()
    finally:
        for process in started:
            try:
                os.killpg(process.pid, signal.SIGTERM)
            except ProcessLookupError:
                continue


def test_the_batch_of_many_jobs_passes(place) -> None:
    """Every step but the installation, for each part; the files that jobs hand on are in one folder here."""
    jobs = yaml.safe_load((place / "examples" / "github-batch.yml").read_text())
    shards = jobs["jobs"]["part"]["strategy"]["matrix"]["shard"]
    scripts = [
        step["run"].replace("${{ matrix.shard }}", str(shard))
        for job, parts in (("part", shards), ("join", [0]))
        for shard in parts
        for step in jobs["jobs"][job]["steps"]
        if step.get("name") in ("Ask", "Join")
    ]
    assert len(scripts) == 5
    for script in scripts:
        code, printed = run(f"set -e\n{script}", place, place / "bin", **jobs["env"])
        assert code == 0, printed
    assert len((place / "examples" / "labels.jsonl").read_text().splitlines()) == 6
