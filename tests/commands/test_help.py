"""Help and version, and what a start costs: nothing is loaded that is not needed."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from processes import error_of, shell
from program import CANARY, environment

HERE = Path(__file__)
COMMANDS = ("ask", "stream", "vision", "tools", "batch", "models", "sandbox")
TOOL_COMMANDS = ("run", "check", "list", "call")
BATCH_COMMANDS = ("run", "sample", "merge", "submit", "status", "fetch", "cancel", "list", "report")
LEVELS = (
    (),
    *((command,) for command in COMMANDS),
    *(("tools", command) for command in TOOL_COMMANDS),
    *(("batch", command) for command in BATCH_COMMANDS),
)
BROKEN = {
    "GLM_CONFIG": "/none/of/that",
    "GLM_PROVIDER": "nobody",
    "GLM_BASE_URL": "x",
    "https_proxy": "socks://x",
    "SSL_CERT_FILE": "/none",
    "ZAI_API_KEY": "a b\nc",
}
# Section 2 of the contract: what all that ask a model have.
FLAGS = (
    "-m",
    "--model",
    "-P",
    "--provider",
    "--base-url",
    "--key-file",
    "--fallback",
    "-f",
    "--request",
    "--var",
    "-s",
    "--system",
    "-a",
    "--attach",
    "--session",
    "--no-stdin",
    "--need-stdin",
    "--think",
    "--no-think",
    "--effort",
    "--think-budget",
    "--keep-thinking",
    "--no-keep-thinking",
    "--temperature",
    "--top-p",
    "--top-k",
    "--repetition-penalty",
    "--max-tokens",
    "--seed",
    "--stop",
    "-o",
    "--option",
    "--force",
    "--no-stream",
    "-R",
    "--no-reasoning",
    "--reasoning",
    "--sources",
    "--json",
    "--jsonl",
    "-u",
    "--usage",
    "--meta",
    "-O",
    "--output",
    "--keep-partial",
    "--allow-empty",
    "--exact",
    "--plain",
    "--raw",
    "-n",
    "--dry-run",
    "--curl",
    "-q",
    "--quiet",
    "-v",
    "--verbose",
    "--retries",
    "--retry-max-time",
    "--connect-timeout",
    "--first-timeout",
    "--idle-timeout",
    "--deadline",
    "-h",
    "--help",
)


def flags_in(text: str) -> set[str]:
    """The flags that stand in the first column of a help text."""
    columns = re.findall(r"^  (-\S.*?)(?:  |$)", text, re.MULTILINE)
    return {flag for column in columns for flag in re.findall(r"(?<![\w-])--?[a-zA-Z][a-z-]*", column)}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("env", [{}, BROKEN, {"COLUMNS": "0"}, {"COLUMNS": "1"}, {"COLUMNS": "x"}, {"TERM": "dumb"}])
def test_help_works_everywhere(glm, level, flag, env) -> None:
    done = glm(*level, flag, env=env)
    assert (done.code, done.err) == (0, "")
    assert done.text.startswith(" ".join(("Usage: glm", *level)))


def test_help_works_with_a_broken_configuration_at_its_place(glm, home, cwd) -> None:
    (home / ".config" / "glm").mkdir(parents=True)
    (home / ".config" / "glm" / "config.yaml").write_text("{{{")
    for level in LEVELS:
        assert glm(*level, "--help").code == 0
    done = shell('"$GLM" ask --help <&- 2>&-', home, cwd)
    assert done.returncode == 0
    assert done.stdout.startswith(b"Usage: glm ask")


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (("tools", "list"), "FILE"),
        (("tools", "check"), "FILE..."),
        (("batch", "report"), "FILE|-"),
        (("batch", "fetch"), "FILE"),
        (("batch", "status"), "FILE|ID"),
        (("batch", "merge"), "OUT..."),
    ],
)
def test_a_missing_argument_is_named(glm, command, missing) -> None:
    done = glm(*command)
    assert (done.code, done.out, error_of(done.err)) == (2, b"", f"{missing} is missing")


def test_help_lists_the_commands(glm) -> None:
    text = glm("--help").text
    for command in COMMANDS:
        assert re.search(rf"^  {command}  +[A-Z]", text, re.MULTILINE)
    assert "--version" in text


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_help_lists_the_flags_of_the_contract(glm, command) -> None:
    assert flags_in(glm(command, "--help").text) == set(FLAGS)


TOOL_FLAGS = {
    "--tools",
    "--max-steps",
    "--yes",
    "--approve",
    "--plan",
    "--tool-choice",
    "--tool-stream",
    "--no-tool-stream",
    "--stream",
}


def test_help_of_tools_lists_the_flags_of_the_contract(glm) -> None:
    assert flags_in(glm("tools", "run", "--help").text) == set(FLAGS) | TOOL_FLAGS
    text = glm("tools", "--help").text
    assert [name for name in TOOL_COMMANDS if re.search(rf"^  {name}  +[A-Z]", text, re.MULTILINE)] == list(
        TOOL_COMMANDS
    )


VISION_FLAGS = {"--image", "--video", "--file", "--at", "--detail", "--resize", "--stream"}


def test_help_of_vision_lists_the_flags_of_the_contract(glm) -> None:
    assert flags_in(glm("vision", "--help").text) == set(FLAGS) | VISION_FLAGS


def test_every_flag_does_something(glm) -> None:
    """Each long flag of each help text is used by a test: the tests say what it does."""
    tests = "".join(path.read_text() for path in sorted(HERE.parents[1].rglob("test_*.py")) if path != HERE)
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", tests))
    shown = {flag for level in LEVELS for flag in flags_in(glm(*level, "--help").text) if flag.startswith("--")}
    assert shown - used - {"--help", "--version"} == set()


def test_version(glm) -> None:
    done = glm("--version", env=BROKEN)
    assert (done.code, done.text, done.err) == (0, f"glm {version('glmcli')}\n", "")
    assert re.fullmatch(r"glm \d+\.\d+\.\d+\n", done.text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing command"),
        (("aks",), "unknown command 'aks', did you mean 'ask'?"),
        (("qqq",), "unknown command 'qqq'"),
        (("",), "unknown command ''"),
        (("--nothing",), "--nothing"),
        (("-x",), "-x"),
        (("ask", "--nothing", "hi"), "--nothing"),
        (("ask", "-m"), "-m"),
        (("ask", "--json=yes", "hi"), "--json"),
        (("sandbox", "--port", "x"), "--port: 'x' is not a whole number"),
        (("sandbox", "--port", "-1"), "--port: -1 is less than 0"),
        (("sandbox", "--latency", "-1"), "--latency: -1 is less than 0"),
        (("sandbox", "--pace", "x"), "--pace: 'x' is not a number of seconds"),
        (("sandbox", "--fault", "nothing"), "nothing"),
        (("sandbox", "extra"), "extra"),
        (("ask\n\x1b[2J",), "unknown command"),
    ],
)
def test_what_is_unknown(glm, arguments, message) -> None:
    done = glm(*arguments)
    assert (done.code, done.out) == (2, b"")
    assert message in error_of(done.err)


def test_run_as_a_module_it_is_the_same(glm, home, cwd) -> None:
    for arguments in (("--help",), ("ask", "--help"), ("--version",), ("aks",), ("ask", "-m", "sandbox/glm-5", "hi")):
        done = subprocess.run(
            [sys.executable, "-m", "glmcli", *arguments],
            cwd=cwd,
            env=environment(home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        own = glm(*arguments)
        assert (done.returncode, done.stdout, done.stderr.decode()) == (own.code, own.out, own.err)


# What is loaded: Python itself tells, on stderr, of every module that it imports.


def traced(home: Path, cwd: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "glmcli", *arguments],
        cwd=cwd,
        env=environment(home, **env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


def modules_of(done: subprocess.CompletedProcess[bytes]) -> set[str]:
    return set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr.decode(), re.MULTILINE))


def loaded(home: Path, cwd: Path, *arguments: str, **env: str) -> set[str]:
    done = traced(home, cwd, *arguments, **env)
    assert done.returncode == 0, done.stderr
    return modules_of(done)


def tops(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("ask", "--help"), ("tools", "--help"), ("tools", "run", "--help")]
)
def test_help_loads_nothing_heavy(home, cwd, arguments) -> None:
    modules = loaded(home, cwd, *arguments)
    assert "typer" in modules
    heavy = {
        "httpx",
        "httpcore",
        "h11",
        "aiohttp",
        "ssl",
        "jsonschema",
        "yaml",
        "rich",
        "pydantic",
        "dataclasses",
        "certifi",
        "asyncio",
    }
    assert tops(modules) & heavy <= {"dataclasses"}
    assert not {module for module in modules if module.startswith(("glmcli.sandbox", "glmcli.providers.table"))}


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_a_question_from_flags_loads_no_parser_of_files(home, cwd, command) -> None:
    modules = loaded(home, cwd, command, "-m", "sandbox/glm-5", "hi", ZAI_API_KEY=CANARY)
    assert "httpx" in modules
    assert tops(modules) & {"yaml", "jsonschema", "pydantic", "rich", "asyncio", "aiohttp"} == set()
    assert "glmcli.documents" not in modules
    assert not {module for module in modules if "media" in module}


REQUEST_YAML = "model: sandbox/glm-5\nprompt: hi {{A}}\nvars: {A: x}\ntemperature: 1\n"
REQUEST_JSON = '{"model": "sandbox/glm-5", "messages": [{"role": "user", "content": "hi"}]}'
CONFIG = "model: sandbox/glm-5\nproviders: {office: {like: vllm, base_url: 'http://10.0.0.7/v1', key_env: [A]}}\n"


@pytest.mark.parametrize(
    ("name", "text", "parsers"),
    [
        ("request.yaml", REQUEST_YAML, {"yaml"}),
        ("request.json", REQUEST_JSON, set()),
        ("config.yaml", "model: sandbox/glm-5\n", {"yaml"}),
        ("config.yaml", CONFIG, {"yaml"}),
    ],
)
def test_a_file_that_is_right_loads_no_more_than_its_parser(home, cwd, name, text, parsers) -> None:
    (cwd / name).write_text(text)
    if name.startswith("request"):
        modules = loaded(home, cwd, "ask", "-f", name)
    else:
        modules = loaded(home, cwd, "ask", "hi", GLM_CONFIG=name)
    assert "glmcli.documents.fast_validator" in modules
    assert tops(modules) & {"yaml", "jsonschema", "referencing", "pydantic", "rich", "asyncio"} == parsers


def test_a_file_that_is_wrong_is_judged_by_jsonschema(home, cwd) -> None:
    (cwd / "request.yaml").write_text("prompt: hi\nseed: 1.0\n")
    done = traced(home, cwd, "ask", "-f", "request.yaml")
    assert done.returncode == 2
    assert b"request.yaml:2:7: seed must be an integer, not a number (1.0)" in done.stderr
    assert "jsonschema" in tops(modules_of(done))


def test_dry_run_loads_no_network(home, cwd) -> None:
    modules = loaded(home, cwd, "ask", "-P", "zai", "-n", "hi")
    assert tops(modules) & {"httpx", "yaml", "jsonschema", "pydantic", "rich", "certifi"} == set()
    assert "glmcli.http.client" not in modules
