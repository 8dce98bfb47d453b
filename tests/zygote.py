"""A process that has imported the program once, and forks for every run: no start-up, and real processes to kill.

Reads a line of JSON for each run, `{"arguments", "cwd", "env", "most"}`, and says on stdout the process id; then reads
an empty line, and says how it ended. `most` bounds the size of files, as a full disk does.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys


def main() -> None:
    import glmcli.batch.feed
    import glmcli.commands.batch.asking
    import glmcli.commands.batch.preparing
    import glmcli.commands.batch.running
    import glmcli.providers.openai
    import glmcli.request_file  # noqa: F401 - what a run would import
    from glmcli.cli import run

    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(order)
            run()
            os._exit(0)
        _say(pid)
        sys.stdin.readline()
        _say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _become(order: dict) -> None:
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    for fd, name in ((0, os.devnull), (1, "stdout"), (2, "stderr")):
        opened = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, fd)
        os.close(opened)
    if order["most"] is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["most"], order["most"]))
    sys.argv = ["glm", *order["arguments"]]


if __name__ == "__main__":
    main()
