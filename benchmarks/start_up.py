"""What it costs to start: executed instructions of whole processes, as a Markdown table.

python benchmarks/start_up.py [--peers]

Installs the working tree, as a wheel, into a fresh virtual environment; with --peers also httpx and llm into another.
Ends with 1 when the program costs more than its limits. Needs valgrind; curl is measured where it is installed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import places
from callgrind import instructions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_MILLION = 1_000_000
_QUESTION = "Who are you"
_BODY = '{"model":"glm-5","messages":[{"role":"user","content":"Who are you"}],"stream":true}'

# The least that a program can do to print a streamed answer, with the HTTP library alone.
# verify=False: httpx would load the certificates for http:// as well, which glm does for https:// only.
_HTTPX = """
import sys, httpx
url, body = sys.argv[1] + "/chat/completions", sys.argv[2].encode()
with httpx.stream("POST", url, headers={"Content-Type": "application/json"}, content=body, verify=False) as response:
    for line in response.iter_lines():
        print(line)
"""
_LLM_MODEL = "- model_id: bench\n  model_name: glm-5\n  api_base: {url}\n"


class Case(NamedTuple):
    """One measured command; `limit` in millions of instructions, `env` beside what all have."""

    name: str
    command: Sequence[str]
    limit: int | None = None
    env: Mapping[str, str] | None = None


class Result(NamedTuple):
    """A case and the instructions that it executed."""

    case: Case
    executed: int

    @property
    def is_too_much(self) -> bool:
        """Whether the case is above its limit."""
        return self.case.limit is not None and self.executed > self.case.limit * _MILLION


def main() -> int:
    """The exit code: 1 above a limit."""
    parser = argparse.ArgumentParser(description="Count the instructions of starting glm.")
    parser.add_argument("--peers", action="store_true", help="measure httpx and llm too (installs them for this run)")
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = places.venv(folder / "ours", places.wheel(folder))
        peers = places.venv(folder / "peers", "httpx", "llm") if wanted.peers else None
        with _sandbox(ours) as url:
            cases = [*_ours(ours, url), *_files(ours, url, folder), *_httpx(ours, peers, url), *_curl(url)]
            cases += _llm(peers, url, folder) if peers else ()
            results = [_measured(case, folder) for case in cases]
        _print_about(ours, peers)
    _print_table(results)
    return 1 if any(result.is_too_much for result in results) else 0


@contextmanager
def _sandbox(programs: Path) -> Iterator[str]:
    """The address of a vLLM that the sandbox plays: it wants no key, and every program here speaks its grammar."""
    with subprocess.Popen([str(programs / "glm"), "sandbox"], stdout=subprocess.PIPE, text=True) as server:
        try:
            lines = iter(server.stdout or ())
            yield next(line.split("\t")[1].strip() for line in lines if line.startswith("vllm\t"))
        finally:
            server.terminate()


def _ours(programs: Path, url: str) -> Iterator[Case]:
    # The script is given to its interpreter, as the kernel does it: valgrind would count that step as well.
    python, glm = str(programs / "python"), str(programs / "glm")
    yield Case("`python -c pass`", [python, "-c", "pass"])
    yield Case("`import typer`", [python, "-c", "import typer"])
    yield Case("**`glm --version`**", [python, glm, "--version"], limit=300)
    yield Case("**`glm --help`**", [python, glm, "--help"])
    ask = [python, glm, "ask", "-m", "vllm/glm-5", "--base-url", url, _QUESTION]
    yield Case("**`glm ask`**, streamed answer", ask, limit=620)


def _files(programs: Path, url: str, folder: Path) -> Iterator[Case]:
    """The same question with a file to read: PyYAML is loaded, and jsonschema is not, for the file is right."""
    ask = [str(programs / "python"), str(programs / "glm"), "ask", "--base-url", url]
    (folder / "config.yaml").write_text("model: vllm/glm-5\n")
    (folder / "request.yaml").write_text(f"model: vllm/glm-5\nprompt: {_QUESTION}\n")
    config = {"GLM_CONFIG": str(folder / "config.yaml")}
    yield Case("**`glm ask`** with a configuration file", [*ask, _QUESTION], limit=760, env=config)
    yield Case("**`glm ask -f`**, a request file", [*ask, "-f", str(folder / "request.yaml")], limit=760)


def _curl(url: str) -> Iterator[Case]:
    if curl := shutil.which("curl"):
        headers = ["-H", "Content-Type: application/json"]
        command = [curl, "-sSN", *headers, "-d", _BODY, f"{url}/chat/completions"]
        yield Case("`curl`, the same stream, unread", command)


def _httpx(ours: Path, peers: Path | None, url: str) -> Iterator[Case]:
    if programs := _with_httpx(ours, peers):
        python = str(programs / "python")
        yield Case("`import httpx`", [python, "-c", "import httpx"])
        yield Case("bare httpx script, streamed answer", [python, "-c", _HTTPX, url, _BODY])


def _with_httpx(ours: Path, peers: Path | None) -> Path | None:
    """The environment of glm, where httpx is one of its libraries, or else that of the peers."""
    return next((each for each in (ours, peers) if each and places.has(str(each / "python"), "httpx")), None)


def _llm(programs: Path, url: str, folder: Path) -> Iterator[Case]:
    python, llm = str(programs / "python"), str(programs / "llm")
    (folder / "extra-openai-models.yaml").write_text(_LLM_MODEL.format(url=url))
    yield Case("`llm --version`", [python, llm, "--version"])
    yield Case("`llm --no-log`, streamed answer", [python, llm, "--no-log", "-m", "bench", _QUESTION])


def _measured(case: Case, home: Path) -> Result:
    """Measured with an environment of its own: no key, no proxy, and the same hashes each time."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
    print(f"measuring {case.name}", file=sys.stderr)
    environment |= {"LLM_USER_PATH": str(home), **(case.env or {})}
    return Result(case, instructions(case.command, environment))


def _print_about(ours: Path, peers: Path | None) -> None:
    packages = [(ours, "glmcli"), (ours, "typer")]
    packages += [(programs, "httpx")] if (programs := _with_httpx(ours, peers)) else []
    packages += [(peers, "llm"), (peers, "openai")] if peers else []
    versions = [f"{package} {places.version(programs, package)}" for programs, package in packages]
    today = dt.datetime.now(tz=dt.UTC).date()
    print(f"{today}, Python {platform.python_version()}, {platform.machine()}, {', '.join(versions)}\n")


def _print_table(results: Sequence[Result]) -> None:
    least = results[0].executed
    print("| process | million instructions | times `python -c pass` | limit |\n|---|---:|---:|---:|")
    for result in sorted(results, key=lambda result: result.executed):
        limit = "" if result.case.limit is None else f"{result.case.limit}{' **exceeded**' * result.is_too_much}"
        print(f"| {result.case.name} | {result.executed / _MILLION:,.0f} | {result.executed / least:.1f} | {limit} |")


if __name__ == "__main__":
    sys.exit(main())
