"""What a user set, by flag or request file: one field for each long flag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping


class Options(Record):
    """All that `ask` and its kin take. None and empty mean: not set. Units: times in seconds, budgets in tokens."""

    prompt: str | None = None
    messages: tuple[Mapping[str, Any], ...] = ()
    server_tools: tuple[Mapping[str, Any], ...] = ()
    model: str | None = None
    provider: str | None = None
    base_url: str | None = None
    key_file: str | None = None
    fallback: tuple[str, ...] = ()
    request: str | None = None
    var: tuple[str, ...] = ()
    system: str | None = None
    attach: tuple[str, ...] = ()
    session: str | None = None
    no_stdin: bool = False
    need_stdin: bool = False
    think: bool | None = None
    effort: str | None = None
    think_budget: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    option: Mapping[str, Any] = EMPTY
    force: bool = False
    image: tuple[str, ...] = ()
    video: tuple[str, ...] = ()
    file: tuple[str, ...] = ()
    at: tuple[tuple[str, str], ...] = ()
    detail: str | None = None
    resize: bool = False
    tools: tuple[str, ...] = ()
    max_steps: int = 10
    yes: bool = False
    approve: tuple[str, ...] = ()
    plan: bool = False
    tool_choice: str | None = None
    tool_stream: bool | None = None
    live: bool = False
    no_stream: bool = False
    no_reasoning: bool = False
    reasoning: str | None = None
    json: bool = False
    jsonl: bool = False
    usage: bool = False
    meta: str | None = None
    output: str | None = None
    keep_partial: bool = False
    allow_empty: bool = False
    exact: bool = False
    plain: bool = False
    raw: bool = False
    dry_run: bool = False
    curl: bool = False
    quiet: bool = False
    verbose: bool = False
    retries: int = 3
    retry_max_time: float = 180.0
    connect_timeout: float = 10.0
    first_timeout: float = 300.0
    idle_timeout: float = 300.0
    deadline: float | None = None
