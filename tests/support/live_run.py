"""The live suite (tests/live): whom it asks, what it asks, how it judges the replies, and what it may cost.

Nothing that is kept or printed here holds a key, a prompt's answer or a provider's own words.
"""

from __future__ import annotations

import json
import math
import re
import struct
import subprocess
import time
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from program import GLM, environment, run_program

from glmcli.providers.pricing import price_list
from glmcli.providers.table import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from glmcli.catalogue import Model

PROGRAM = "GLM_LIVE_PROGRAM"
MAX_COST = "GLM_LIVE_MAX_COST"
_CEILING = 1.0
_MAX_TOKENS = 2000  # of a reply; thinking and answer take a few hundred
_THINK_BUDGET = 1000  # where max_tokens does not cap thinking
_MAX_STEPS = 3  # of the question with a tool
_INPUT_TOKENS = 2000  # more than any question here counts
# Money for a million tokens, above every list price of the catalogue: what a reply is counted at that has no price.
_DEAREST = 60.0
_UNKNOWN = "of unknown price"
_DEADLINE = 180  # seconds for a check
_TWICE = 2
_REFUSED = 400  # and above: statuses of HTTP
_ID_LENGTH = 80
# What a program behind a company's proxy needs.
_NETWORK = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
_PASSED_ON = (*_NETWORK, "SSL_CERT_FILE", "SSL_CERT_DIR")
# Servers that have one model, which answers to any name.
_TAKES_ANY_NAME = ("sglang", "llamacpp")
_WORD = "kumquat"
_TOOLS = f"""\
tools:
  - name: secret_word
    description: Tells the secret word.
    parameters: {{type: object, properties: {{}}, additionalProperties: false}}
    run: [printf, {_WORD}]
    approve: auto
"""


@dataclass(frozen=True)
class LiveRow:
    """A row of the table of providers that is asked.

    Attributes:
        model: the model that is asked; its pictures go to `vision`, or to the row's own default if that is empty.
        url: an address in the place of the row's own.
        variables: the environment that its runs get, with its keys; never printed.
        secrets: those keys.
    """

    name: str
    model: str
    url: str = ""
    vision: str = ""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_paid(self) -> bool:
        """Whether its questions cost money: those of a server of one's own, which has no key, do not."""
        return PROVIDERS[self.name].needs_key

    @property
    def known(self) -> Model | None:
        return PROVIDERS[self.name].model(self.model)

    def flags(self, model: str = "") -> tuple[str, ...]:
        """-P, -m unless it is left to the row, and the address."""
        at = ("--base-url", self.url) if self.url else ()
        return ("-P", self.name, *(("-m", model) if model else ()), *at)


def variable(row: str, what: str = "") -> str:
    """`GLM_LIVE_OLLAMA` is the model that is asked there, `…_URL` its address, `…_VISION` the model for pictures."""
    return f"GLM_LIVE_{row.upper()}{what and '_'}{what}"


def live_rows(given: Mapping[str, str]) -> tuple[list[LiveRow], dict[str, str]]:
    """The rows that these variables ask for, and of the others what would."""
    asked, others = [], {}
    for name, row in PROVIDERS.items():
        keys = {key: given[key] for key in row.key_variables if given.get(key)}
        model = given.get(variable(name)) or row.default_model
        if row.embedded:
            continue
        if not model:
            others[name] = f"{variable(name)}=MODEL"
        elif row.key_variables and not keys:
            others[name] = " or ".join(row.key_variables)
        else:
            network = {key: given[key] for key in _PASSED_ON if key in given}
            address = {key: given[key] for key in (row.base_url_variable,) if key and given.get(key)}
            url, vision = given.get(variable(name, "URL"), ""), given.get(variable(name, "VISION"), "")
            asked.append(LiveRow(name, model, url, vision, {**network, **address, **keys}, tuple(keys.values())))
    return asked, others


@dataclass(frozen=True)
class Reply:
    """What a run of the program left behind; `meta` is the object of --meta, or empty, `notes` is stderr."""

    code: int
    answer: str
    reasoning: str
    notes: str
    meta: Mapping[str, Any]

    @property
    def calls(self) -> list[str]:
        return [call["name"] for call in self.meta.get("tool_calls") or ()]


@dataclass(frozen=True)
class Check:
    """One question to a row.

    Attributes:
        arguments: those of the program, for this row and this folder.
        why_not: why the row is not asked this; empty: it is.
        failure: why this reply is wrong; empty: it is right.
        exit_code: that a right run ends with.
        requests: how many may be paid for.
    """

    name: str
    arguments: Callable[[LiveRow, Path], tuple[str, ...]]
    failure: Callable[[Reply], str] = lambda _: ""
    why_not: Callable[[LiveRow], str] = lambda _: ""
    exit_code: int = 0
    requests: int = 1

    def model(self, row: LiveRow) -> str:
        """The model that is asked; empty: none."""
        if self.name == "picture":
            return row.vision or PROVIDERS[row.name].vision_model or ""
        return "no-such-model" if self.exit_code else row.model if self.requests else ""

    def worst_cost(self, row: LiveRow) -> tuple[float, str]:
        """What it may cost at most, by the list price or the dearest, and the currency."""
        provider = PROVIDERS[row.name]
        if not (self.requests and row.is_paid):
            return 0.0, ""
        prices = price_list(provider.replace(base_url=row.url or provider.base_url), self.model(row))
        tiers = prices["tiers"] if prices else [{"input": _DEAREST, "output": _DEAREST}]
        most = {kind: max(tier[kind] for tier in tiers) for kind in ("input", "output")}
        each = _INPUT_TOKENS * most["input"] + (_MAX_TOKENS + _THINK_BUDGET) * most["output"]
        return self.requests * each / 1e6, prices["currency"] if prices else _UNKNOWN


@dataclass(frozen=True)
class Result:
    """What became of a check; `failure` and `not_asked` say why, in words of ours."""

    row: str
    model: str
    check: str
    failure: str = ""
    not_asked: str = ""
    exit_code: int | None = None
    request_id: str = ""
    cost: str = ""
    seconds: float = 0.0

    def line(self) -> str:
        """A row of the table."""
        word = f"failed: {self.failure}" if self.failure else f"not asked: {self.not_asked}" if self.not_asked else "ok"
        code = "" if self.exit_code is None else str(self.exit_code)
        took = f"{self.seconds:.1f}" if self.exit_code is not None else ""
        cells = (self.row, self.model, self.check, word, code, self.request_id, self.cost, took)
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


# The checks


def _limited(row: LiveRow) -> tuple[str, ...]:
    budget = () if PROVIDERS[row.name].api.caps_thinking else ("--think-budget", str(_THINK_BUDGET))
    return ("--max-tokens", str(_MAX_TOKENS), *budget)


def _thinks_not(row: LiveRow) -> tuple[str, ...]:
    """The flags of a question that need not think, where that can be said."""
    return ("--max-tokens", str(_MAX_TOKENS), "--no-think") if not _cannot_stop(row) else _limited(row)


def _cannot_stop(row: LiveRow) -> str:
    if PROVIDERS[row.name].api.thinking is None:
        return "no switch is known"
    if row.known and not row.known.stops_thinking:
        return "it cannot stop"
    return ""


def _cannot_think(row: LiveRow) -> str:
    if PROVIDERS[row.name].api.thinking is None:
        return "no switch is known"
    return "it has no thinking mode" if row.known and row.known.thinks is False else ""


_SUM = "What is 17 times 23, plus 4? Answer with the number."
_READY = "Say that you are ready, in three words."


def _sum_failure(reply: Reply) -> str:
    if not re.search(r"\b395\b", reply.answer):
        return "the answer is wrong"
    return "" if reply.reasoning.strip() else "no thinking came"


def _text_failure(reply: Reply) -> str:
    return "" if reply.answer.strip() else "the answer is empty"


def _plain_failure(reply: Reply) -> str:
    return "thinking came, though it is off" if reply.reasoning.strip() else _text_failure(reply)


def _list_failure(reply: Reply) -> str:
    count = re.search(r" lists (\d+) models", reply.notes)
    return "" if count and int(count[1]) else "the list is empty"


def _call_failure(reply: Reply) -> str:
    if "secret_word" not in reply.calls:
        return "the tool was not called"
    return "" if _WORD in reply.answer else "the answer does not have what the tool said"


def _model_failure(reply: Reply) -> str:
    error = reply.meta.get("error") or {}
    return "" if error.get("type") == "usage" and error.get("http_status") else "the provider did not refuse it"


def _ask_picture(row: LiveRow, folder: Path) -> tuple[str, ...]:
    (folder / "red.png").write_bytes(red_png())
    picture = ("--image", "red.png", "Which colour is this picture? Answer with one word.")
    return ("vision", *row.flags(row.vision), "--max-tokens", str(_MAX_TOKENS), *picture)


def _run_tools(row: LiveRow, folder: Path) -> tuple[str, ...]:
    (folder / "tools.yaml").write_text(_TOOLS)
    limits = ("--tools", "tools.yaml", "--max-steps", str(_MAX_STEPS))
    return ("tools", "run", *row.flags(row.model), *limits, *_thinks_not(row), "Ask the tool for the secret word.")


def _no_vision(row: LiveRow) -> str:
    return "" if row.vision or PROVIDERS[row.name].vision_model else "no model for pictures is known"


CHECKS = (
    Check("list of models", lambda row, _: ("models", "--remote", "--json", *row.flags()), _list_failure, requests=0),
    Check(
        "streamed, thinking",
        lambda row, _: ("stream", *row.flags(row.model), "--think", *_limited(row), _SUM),
        _sum_failure,
        _cannot_think,
    ),
    Check(
        "streamed, not thinking",
        lambda row, _: ("stream", *row.flags(row.model), *_thinks_not(row), _READY),
        _plain_failure,
        _cannot_stop,
    ),
    Check(
        "whole",
        lambda row, _: ("ask", "--no-stream", *row.flags(row.model), *_thinks_not(row), _READY),
        _text_failure,
        lambda row: "it answers only as a stream" if row.known and row.known.stream_only else "",
    ),
    Check(
        "tool call",
        _run_tools,
        _call_failure,
        lambda row: "it calls no tools" if row.known and row.known.tools is False else "",
        requests=_MAX_STEPS,
    ),
    Check(
        "picture",
        _ask_picture,
        lambda reply: "" if re.search(r"\bred\b", reply.answer, re.IGNORECASE) else "it is not called red",
        _no_vision,
    ),
    Check(
        "wrong model",
        lambda row, _: ("ask", *row.flags("no-such-model"), "--max-tokens", "1", _READY),
        _model_failure,
        lambda row: "its server takes any name" if row.name in _TAKES_ANY_NAME else "",
        exit_code=2,
        requests=0,
    ),
)


def red_png(size: int = 64) -> bytes:
    """A red square."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\xff\0\0" * size) * size
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# The run


def ceiling(given: Mapping[str, str]) -> float:
    """The money that a run may cost; a ValueError says what is wrong with the variable."""
    written = given.get(MAX_COST) or f"{_CEILING:g}"
    try:
        amount = float(written)
    except ValueError:
        amount = math.nan
    if not 0 <= amount < math.inf:
        message = f"{MAX_COST}={written!r} is no amount: give a number such as 1"
        raise ValueError(message)
    return amount


class LiveRun:
    """All checks of a run, and what they have cost.

    Attributes:
        ceiling: the money that the run may cost, in each currency.
        spent: what it has cost, by currency.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        """`given` are the variables of whoever started it."""
        self.ceiling = ceiling(given)
        self.program = given.get(PROGRAM) or GLM
        self.results: list[Result] = []
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._secrets = {secret for row in live_rows(given)[0] for secret in row.secrets}

    def ask(self, row: LiveRow, check: Check, folder: Path) -> Result:
        """Ask, judge and note it, unless the row cannot be asked this, or the ceiling might be crossed."""
        result = Result(row.name, check.model(row), check.name, not_asked=check.why_not(row))
        if not result.not_asked:
            result = self._blocked(row, check, result) or self._asked(row, check, folder, result)
        self.results.append(result)
        return result

    def _room(self, row: LiveRow, check: Check) -> int:
        """How often the check may be paid for at its worst before the ceiling is crossed: 0, 1, or 2 for more."""
        worst, currency = check.worst_cost(row)
        spent = self.spent.get(currency, 0.0)
        return 2 if not worst else sum(spent + times * worst <= self.ceiling for times in (1, 2))

    def _blocked(self, row: LiveRow, check: Check, result: Result) -> Result | None:
        if self._room(row, check):
            return None
        worst, currency = check.worst_cost(row)
        spent = self.spent.get(currency, 0.0)
        why = f"not asked: {spent:.4f} {currency} spent, up to {worst:.4f} more would cross {MAX_COST}={self.ceiling:g}"
        return Result(result.row, result.model, result.check, failure=why)

    def _asked(self, row: LiveRow, check: Check, folder: Path, result: Result) -> Result:
        arguments = check.arguments(row, folder)
        files = () if arguments[0] == "models" else ("--meta", "meta.json", "--reasoning", "reasoning.txt")
        begun = time.monotonic()
        variables = environment(folder, **row.variables)
        # A reply that is lost may be paid for, and is asked for once more only where there is room for that.
        once = ("--retries", "0") if files and self._room(row, check) < _TWICE else ()
        limits = ("--deadline", str(_DEADLINE), *once, *files)
        command, question = (arguments[:-1], arguments[-1:]) if files else (arguments, ())
        try:
            code, out, err = run_program(
                self.program, (*command, *limits, *question), folder, variables, None, _DEADLINE + 30
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return self._not_run(row, check, result, error)
        seconds = time.monotonic() - begun
        written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        reply = _reply(code, out, err, folder)
        is_paid = row.is_paid and (check.requests or (files and code != check.exit_code))
        cost = self._count(row, check, reply) if is_paid else ""
        failure = self._failure(check, reply, out + err + written)
        request_id = str(reply.meta.get("request_id") or (reply.meta.get("error") or {}).get("request_id") or "")
        return Result(
            result.row, result.model, result.check, failure, "", code, self._masked(request_id), cost, seconds
        )

    def _not_run(self, row: LiveRow, check: Check, result: Result, error: Exception) -> Result:
        """The program could not be started, or did not end; in the second case its question may be paid for."""
        if isinstance(error, OSError):
            why = f"{self.program} cannot be started ({error.strerror})"
        else:
            why = f"it did not end within {_DEADLINE + 30} seconds"
            worst, currency = check.worst_cost(row)
            if worst:
                self.spent[currency] += worst
        return replace(result, failure=why)

    def _failure(self, check: Check, reply: Reply, seen: bytes) -> str:
        if any(secret.encode() in seen for secret in self._secrets):
            return "A KEY WAS SHOWN"
        if reply.code != check.exit_code:
            kind = (reply.meta.get("error") or {}).get("type") or ("" if reply.code else "it was answered")
            return f"exit {check.exit_code} was expected{kind and f' ({kind})'}"
        try:
            return check.failure(reply)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return f"the reply cannot be read ({type(error).__name__})"

    def _count(self, row: LiveRow, check: Check, reply: Reply) -> str:
        """Add the cost of a reply, and say it; without a price or usage it is counted at the dearest.

        What was lost on the way, and may be paid for all the same, counts at its worst.
        """
        worst, currency = check.worst_cost(row)
        if worst and "may be billed" in reply.notes:
            self.spent[currency] += worst
        cost, usage = reply.meta.get("cost"), reply.meta.get("usage") or {}
        if cost:
            self.spent[cost["currency"]] += cost["amount"]
            return f"{cost['amount']:.6f} {cost['currency']}"
        if ((reply.meta.get("error") or {}).get("http_status") or 0) >= _REFUSED:
            return ""  # so nothing was paid for
        tokens = usage.get("total_tokens") or _INPUT_TOKENS + _MAX_TOKENS
        self.spent[_UNKNOWN] += tokens * _DEAREST / 1e6
        return "unknown"

    def _masked(self, text: str) -> str:
        """A provider's id as a cell of the table: without keys, one line, of a sane length."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return re.sub(r"[^\w.:*-]+", "?", text)[:_ID_LENGTH]

    def table(self, version: str, day: str) -> str:
        """The results as Markdown, to be pasted."""
        counts = Counter("failed" if each.failure else "not asked" if each.not_asked else "ok" for each in self.results)
        said = ", ".join(f"{counts[word]} {word}" for word in ("ok", "failed", "not asked"))
        paid = (
            ", ".join(f"{amount:.4f} {currency}" for currency, amount in sorted(self.spent.items()) if amount)
            or "nothing"
        )
        head = f"glm {version}, {day}: {said}; it cost {paid} (at most {self.ceiling:g} of each)"
        columns = ("row", "model", "check", "result", "exit", "request id", "cost", "seconds")
        rule = "|".join("---" for _ in columns)
        return "\n".join([head, "", f"| {' | '.join(columns)} |", f"|{rule}|", *(each.line() for each in self.results)])


def _reply(code: int, out: bytes, err: bytes, folder: Path) -> Reply:
    def text(name: str) -> str:
        path = folder / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    try:
        meta = json.loads(text("meta.json") or "{}")
    except ValueError:
        meta = {}
    answer, notes = out.decode(errors="replace"), err.decode(errors="replace")
    return Reply(code, answer, text("reasoning.txt"), notes, meta if isinstance(meta, dict) else {})


def is_wanted(expression: str) -> bool:
    """Whether `-m live` was said, and nothing else: no other expression may spend money."""
    return expression.strip() == "live"
