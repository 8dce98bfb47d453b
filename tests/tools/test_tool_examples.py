"""The tools of examples/tools/, run as the loop runs them: to be there is to be tested."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from console_examples import TOP
from scripted_server import Server, answer, delta, stream

TOOLS = TOP / "examples/tools"


@pytest.fixture
def call(glm):
    def run(name, file, arguments, **env):
        return glm("tools", "call", name, "--tools", str(TOOLS / file), "--args", json.dumps(arguments), env=env)

    return run


# Weather

PLACES = {"Berlin": {"name": "Berlin", "country": "Germany", "latitude": 52.5, "longitude": 13.4}}
DAILY = {
    "time": ["2026-11-22", "2026-11-23"],
    "temperature_2m_min": [1.5, 2.0],
    "temperature_2m_max": [6.0, 7.5],
    "precipitation_sum": [0.0, 3.2],
}


class Weather(BaseHTTPRequestHandler):
    """Answers as the service documents it."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.server.asked.append((parts.path, query))
        if parts.path == "/v1/search":
            found = PLACES.get(query["name"])
            value = {"results": [found]} if found else {}
        else:
            value = {"daily": DAILY}
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def weather():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Weather)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_weather(call, weather) -> None:
    done = call("get_weather", "weather.yaml", {"place": "Berlin", "days": 2}, OPEN_METEO=at(weather))
    assert (done.code, done.err) == (0, "")
    assert done.text == ("Berlin, Germany\n2026-11-22: 1.5 to 6.0 °C, 0.0 mm\n2026-11-23: 2.0 to 7.5 °C, 3.2 mm\n")
    assert weather.asked == [
        ("/v1/search", {"name": "Berlin", "count": "1"}),
        (
            "/v1/forecast",
            {
                "latitude": "52.5",
                "longitude": "13.4",
                "timezone": "auto",
                "daily": "temperature_2m_min,temperature_2m_max,precipitation_sum",
                "forecast_days": "2",
            },
        ),
    ]


def at(server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_weather_of_nowhere(call, weather) -> None:
    done = call("get_weather", "weather.yaml", {"place": "Nowhere"}, OPEN_METEO=at(weather))
    assert done.code == 10
    assert done.text == "The tool failed: exit status 1.\nstderr:\nno place is called 'Nowhere'\n"


def test_weather_without_a_network(call) -> None:
    done = call("get_weather", "weather.yaml", {"place": "Berlin"}, OPEN_METEO="http://127.0.0.1:1")
    assert done.code == 10
    assert "the weather service cannot be reached" in done.text


def test_weather_in_a_conversation(glm, keys, weather) -> None:
    asked = delta(
        tool_calls=[{"index": 0, "id": "c1", "function": {"name": "get_weather", "arguments": '{"place": "Berlin"}'}}]
    )
    with Server(stream(asked, delta(finish_reason="tool_calls")), answer("Take an umbrella.")) as server:
        place = ("-P", "zai", "--base-url", server.url, "--tools", str(TOOLS / "weather.yaml"), "-q")
        done = glm("tools", "run", *place, "An umbrella?", env=keys | {"OPEN_METEO": at(weather)})
    assert (done.code, done.text, done.err) == (0, "Take an umbrella.\n", "")
    told = server.requests[1].json["messages"][-1]
    assert (told["role"], told["tool_call_id"]) == ("tool", "c1")
    assert told["content"].startswith("Berlin, Germany\n")


# git


@pytest.fixture
def repository(cwd):
    def git(*arguments):
        own = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
        subprocess.run(["git", *own, *arguments], cwd=cwd, check=True, capture_output=True)

    git("init")
    (cwd / "sum.py").write_text("def add(a, b):\n    return a - b\n")
    git("add", ".")
    git("commit", "-m", "Add")
    (cwd / "sum.py").write_text("def add(a, b):\n    return a + b  # --flag\n")
    git("commit", "-am", "Mend the sum")
    return git


@pytest.mark.usefixtures("repository")
def test_git_log(call) -> None:
    done = call("git_log", "git.yaml", {"since": "1 year ago"})
    assert (done.code, done.err) == (0, "")
    assert [line.split(" A: ")[1] for line in done.text.splitlines()] == ["Mend the sum", "Add"]
    assert call("git_log", "git.yaml", {"since": "1 year ago", "path": "nothing.py"}).text == "(no output)\n"


@pytest.mark.usefixtures("repository")
def test_git_show(call) -> None:
    done = call("git_show", "git.yaml", {"commit": "HEAD"})
    assert done.code == 0
    assert "-    return a - b\n+    return a + b  # --flag\n" in done.text


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("commit", ["--output=stolen", "HEAD;ls", "-p"])
def test_git_show_takes_no_flags(call, cwd, commit) -> None:
    done = call("git_show", "git.yaml", {"commit": commit})
    assert (done.code, done.out) == (2, b"")
    assert not (cwd / "stolen").exists()


@pytest.mark.usefixtures("repository")
def test_git_grep(call) -> None:
    assert call("git_grep", "git.yaml", {"text": "--flag"}).text == "sum.py:2:    return a + b  # --flag\n"
    nowhere = call("git_grep", "git.yaml", {"text": "nothing"})
    assert (nowhere.code, nowhere.text) == (10, "The tool failed: exit status 1.\n")


def test_git_starts_nothing_that_the_repository_names(call, repository, cwd) -> None:
    (cwd / "bad.sh").write_text("#!/bin/sh\ntouch ran\n")
    (cwd / "bad.sh").chmod(0o755)
    (cwd / ".gitattributes").write_text("*.py diff=bad\n")
    for name in ("diff.external", "core.fsmonitor", "diff.bad.textconv", "diff.bad.command", "core.pager"):
        repository("config", name, "./bad.sh")
    for name, arguments in (("git_log", {"since": "1 year ago"}), ("git_show", {"commit": "HEAD"})):
        assert call(name, "git.yaml", arguments).code == 0
    assert call("git_grep", "git.yaml", {"text": "return"}).code == 0
    assert not (cwd / "ran").exists()


# SQLite


@pytest.fixture
def database(cwd):
    path = cwd / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, customer TEXT, total REAL)")
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", [(1, "Ada", 9.5), (2, "阿达", 1)])
    connection.close()
    return path


@pytest.mark.usefixtures("database")
def test_sqlite(call) -> None:
    done = call("query", "sqlite.yaml", {"sql": "SELECT customer, total FROM orders ORDER BY id"}, DATABASE="shop.db")
    assert (done.code, done.err) == (0, "")
    assert done.text == '{"customer": "Ada", "total": 9.5}\n{"customer": "阿达", "total": 1.0}\n'
    tables = call("schema", "sqlite.yaml", {}, DATABASE="shop.db")
    assert tables.text == "CREATE TABLE orders (id INTEGER, customer TEXT, total REAL);\n"


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM orders",
        "DROP TABLE orders",
        "ATTACH 'other.db' AS other",
        "PRAGMA writable_schema = 1",
        "SELECT load_extension('x')",
        "SELECT 1; DELETE FROM orders",
        "nonsense",
    ],
)
def test_sqlite_is_only_read(call, database, cwd, sql) -> None:
    before = database.read_bytes()
    done = call("query", "sqlite.yaml", {"sql": sql}, DATABASE="shop.db")
    assert done.code == 10
    assert done.text.startswith("The tool failed: exit status 1.\nstderr:\n")
    assert database.read_bytes() == before
    assert not (cwd / "other.db").exists()


@pytest.mark.usefixtures("database")
def test_sqlite_shows_a_part_of_much(call) -> None:
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) SELECT i FROM n"
    done = call("query", "sqlite.yaml", {"sql": sql}, DATABASE="shop.db")
    lines = done.text.splitlines()
    assert (len(lines), lines[0], lines[-1]) == (201, '{"i": 1}', "only the first 200 rows are shown")
