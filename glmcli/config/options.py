"""What a user set, by flag or request file: one field for each long flag.

Pictures, videos and files share one field, since they are sent in the order in which they were named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from glmcli.catalogue import NO_THINKING
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping


class MediaArgument(Record):
    """A picture, video or file as the user named it, before it is read.

    Attributes:
        source: where it was named, for messages: `--image`, or `request.yaml:3:10: images`.
        kind: None if it follows from `type`, or from the bytes of the file.
        path: the file, or `-`; empty where `url` is given.
        url: the address from which the provider fetches it.
        type: the media type of the file, if the user gives it.
        detail: as in the `detail` field of OpenAI's image_url.
    """

    source: str
    kind: Literal["image", "video", "file"] | None
    path: str = ""
    url: str = ""
    type: str | None = None
    detail: str | None = None


class SystemText(Record):
    """A system message that is text though it begins with `@`, for a value of a placeholder does: it names no file."""

    text: str


class Options(Record):
    """All options of the commands that ask a model. None or empty: not set. Times in seconds, budgets in tokens."""

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
    system: str | SystemText | None = None
    attach: tuple[str, ...] = ()
    session: str | None = None
    no_stdin: bool = False
    need_stdin: bool = False
    think: bool | None = None
    effort: str | None = None
    think_budget: int | None = None
    keep_thinking: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    option: Mapping[str, Any] = EMPTY
    force: bool = False
    media: tuple[MediaArgument, ...] = ()
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
    sources: str | None = None
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

    @property
    def is_dry(self) -> bool:
        """Whether the request is shown, and nothing is sent."""
        return self.dry_run or self.curl

    @property
    def for_script(self) -> bool:
        """Whether stdout is read by a program."""
        return self.json or self.jsonl


def merged(file: Mapping[str, Any], flags: Mapping[str, Any]) -> Options:
    """The options of request file and flags: a flag overrides the file.

    --option adds to the file's options; pictures, videos and files replace those of the same kind. One word about
    thinking overrides those that contradict it.
    """
    option = {**file.get("option", {}), **flags.get("option", {})}
    file = {name: value for name, value in file.items() if name not in overruled(file, flags)}
    media = flags.get("media", ())
    kinds = {each.kind for each in media}
    kept = tuple(each for each in file.get("media", ()) if each.kind not in kinds)
    return Options(**{**file, **flags, "option": option, "media": (*kept, *media)})


def overruled(lower: Mapping[str, Any], higher: Mapping[str, Any]) -> frozenset[str]:
    """The fields of `lower` that say of thinking the opposite of `higher`, which counts before it."""
    think, effort, budget = (higher.get(name) for name in ("think", "effort", "think_budget"))
    names: set[str] = set()
    if think is False:
        names |= {"effort", "think_budget"}
    if effort == NO_THINKING:
        names |= {"think", "think_budget"}
    if think or budget is not None or effort not in (None, NO_THINKING):
        names |= {name for name, value in (("think", False), ("effort", NO_THINKING)) if lower.get(name) == value}
    return frozenset(names)
