"""Runs the program as its users do, and checks after each run that no key has leaked."""

from __future__ import annotations

import shutil
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from forked_runs import ForkServer, can_be_forked
from program import CANARY, GLM, LIBRARIES, Completed, environment, installed, leaks
from provider_rows import KEY_VARIABLES
from proxies import CertificateAuthority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batch_runs import Batch
    from counting_server import CountingServer


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The user's home directory: empty."""
    place = tmp_path / "home"
    place.mkdir()
    return place


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    """The user's working directory; whatever the program writes here is searched for keys."""
    place = tmp_path / "work"
    place.mkdir()
    return place


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Starts runs of the program that need not import its libraries; our own modules they import themselves."""
    with ForkServer(*LIBRARIES) as process:
        yield process


@pytest.fixture
def glm(home: Path, cwd: Path, fork_server: ForkServer) -> Callable[..., Completed]:
    """Run the program in a process of its own.

    glm("ask", "hi", env={"ZAI_API_KEY": CANARY}, stdin=b"..."): stdin is /dev/null unless given. Fails the test if the
    key was printed, or is in any file of the working directory that the test did not name in `may_hold_key`.

    The process is forked from one that has imported the libraries, which halves its cost. With `options` of subprocess,
    with variables that an interpreter reads as it starts, and under coverage, the installed console script is started.
    """

    def run(
        *arguments: str | bytes,
        stdin: bytes | None = None,
        env: dict[str, str] | None = None,
        timeout: float = 60,
        may_hold_key: tuple[Path, ...] = (),
        **options: object,
    ) -> Completed:
        variables = environment(home, **(env or {}))
        if options or not can_be_forked(variables):
            code, out, err = installed(arguments, cwd, variables, stdin, timeout, **options)
        else:
            code, out, err = fork_server.run(arguments, cwd, variables, stdin, timeout)
        assert not leaks(out), "the key is in stdout"
        assert not leaks(err), "the key is in stderr"
        for file in cwd.rglob("*"):
            if file.is_file() and file not in may_hold_key:
                assert not leaks(file.read_bytes()), f"the key is in {file.name}"
        assert b"Traceback" not in err, err.decode()
        return Completed(code, out, err.decode())

    return run


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """A certificate authority that nobody trusts yet."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl here to make certificates with")
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server() -> Iterator[CountingServer]:
    """A server for thousands of requests."""
    from counting_server import CountingServer  # imported here because only tests of batches need it

    with CountingServer() as server:
        yield server


@pytest.fixture
def batch(glm: Callable[..., Completed], cwd: Path, server: CountingServer) -> Batch:
    """A folder with an input and an output, and `glm batch run` in it."""
    from batch_runs import Batch  # imported here because only tests of batches need it

    return Batch(glm, cwd, server)


@pytest.fixture
def keys() -> dict[str, str]:
    """A key for every provider that wants one."""
    return dict.fromkeys(KEY_VARIABLES, CANARY)


@pytest.hookimpl(tryfirst=True)  # before slow tests are deselected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the cases of a test that is marked `sampled(n)`, the first and each n-th after it are quick."""
    seen: Counter[str] = Counter()
    for item in items:
        mark = item.get_closest_marker("sampled")
        if mark is None:
            continue
        test = item.nodeid.partition("[")[0]
        if seen[test] % mark.args[0]:
            item.add_marker(pytest.mark.slow)
        seen[test] += 1


def pytest_configure() -> None:
    # A shell starts what it runs in the background with SIGINT ignored, and the program would inherit that from us.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if not Path(GLM).exists():
        pytest.exit(f"the program is not installed beside {sys.executable}: pip install -e '.[test]'", returncode=2)
