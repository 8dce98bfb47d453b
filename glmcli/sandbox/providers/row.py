"""The types of the sandbox's table of providers: what each accepts, refuses and writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from glmcli.sandbox.chat_request import CREATED, ChatRequest, RequestIds, object_or_empty
from glmcli.sandbox.http_messages import Header, Json, ServerResponse

if TYPE_CHECKING:
    from glmcli.sandbox.answer import SandboxAnswer, TokenLimit
    from glmcli.sandbox.replies import ScriptedReply


@dataclass(frozen=True)
class SandboxError:
    """An error response, in the provider's own words and with its own code."""

    status: int
    code: str
    message: str
    type: str = "invalid_request_error"
    param: str | None = None


# Whether a request breaks the rule, and the error that answers it.
Rule = tuple[Callable[[ChatRequest], bool], Callable[[ChatRequest], SandboxError]]
# The frames that end a broken stream, made from the request and the number of good frames before them.
StreamTail = Callable[[ChatRequest, int], tuple[bytes, ...]]


@dataclass(frozen=True)
class SandboxBatchApi:
    """How a provider writes files and batches.

    Attributes:
        endpoint: the endpoint that the batch and each of its lines must name.
        file_prefix, batch_prefix, output_prefix: how ids begin.
        absent_id: the value of a file id where there is no file.
        ticks: units of its clock in a second.
        null_lists: an empty list is null.
        lists_ends: a page of files names the first and the last one.
        null_counts: counts are null at first.
        refuses_glm: batches serve no GLM model.
        test_model: a free model for trials, with an endpoint of its own.
        file_fields: further fields in the reply to an upload, made from the file's name.
    """

    endpoint: str = "/v1/chat/completions"
    file_prefix: str = "file-"
    batch_prefix: str = "batch_"
    output_prefix: str = "file-"
    absent_id: str | None = None
    ticks: int = 1
    null_lists: bool = False
    lists_ends: bool = False
    null_counts: bool = False
    refuses_glm: bool = False
    max_lines: int = 50_000
    test_model: str | None = None
    test_endpoint: str = ""
    file_fields: Callable[[str], Json] = lambda name: {"filename": name}

    def endpoint_of(self, model: str) -> str:
        """The endpoint that serves this model."""
        return self.test_endpoint if model == self.test_model else self.endpoint


@dataclass(frozen=True)
class SandboxProvider:
    """One provider: its paths, what it refuses, how it writes.

    Attributes:
        stream, whole: a reply as the frames of a stream, and as one JSON object.
        error_body: an error as JSON.
        codes: its error codes with their HTTP status.
        error: the error with this code and status; a code of another provider is answered by its status.
        broken_stream: how it ends a stream that fails after good frames, under status 200.
        models: the reply to `GET /models`.
        rules: what it refuses, in its order: the first rule that is broken answers.
        malformed: the error for a body that is no JSON object; in Chinese if the argument is true.
        thinking_on: whether it would let a model think, by its own switch and default.
        always_think: the models that think though they are asked not to.
        token_limits: the fields that limit the output.
        parallel_calls: it calls several tools unless the request sets `parallel_tool_calls`.
        headers: of every response.
        not_found, method_not_allowed: the responses to another path, and to another method on a path that it has.
        filtered: its finish reason when the content filter cuts an answer; None if it sends `moderation` instead.
        moderated_stream: how it ends a stream for moderation; None if it refuses the request.
        native_error: an error as a frame, where a stream was requested. Only DashScope has this; its requests have
            another form too.
        takes_tokens: a token that was signed with the key is taken for it, also without `Bearer`.
        relays: it may be a gateway to others, and passes their errors on.
        runs_tasks: it has answers that are fetched later.
        keeps_thinking: whether it would let a model read the reasoning of earlier turns, by its own switch and default.
        searched: the answer with what a search of the web found, where the request asks for one.
        replays: other providers of the same dialect whose recordings it replays.
    """

    name: str
    prefix: str
    stream: Callable[[ChatRequest, SandboxAnswer], list[bytes]]
    whole: Callable[[ChatRequest, SandboxAnswer], Json]
    bad_key: SandboxError
    error_body: Callable[[SandboxError, RequestIds], Json]
    error: Callable[[str, int, bool], SandboxError]
    broken_stream: StreamTail
    models: Callable[[RequestIds], Json]
    rules: tuple[Rule, ...]
    malformed: Callable[[bool], SandboxError]
    thinking_on: Callable[[Mapping[str, Any]], bool]
    token_limits: tuple[TokenLimit, ...]
    needs_key: bool = False
    always_think: tuple[str, ...] = ()
    parallel_calls: bool = True
    codes: Mapping[str, int] = field(default_factory=dict)
    headers: Callable[[RequestIds], tuple[Header, ...]] = lambda _: ()
    chat_path: str = "/chat/completions"
    stream_type: str = "text/event-stream"
    json_type: str = "application/json"
    not_found: Callable[[str], ServerResponse] = lambda _: ServerResponse(404, None, ())
    method_not_allowed: ServerResponse | None = None
    filtered: str | None = "content_filter"
    moderation: SandboxError | None = None
    moderated_stream: StreamTail | None = None
    native_error: Callable[[int, Json], bytes] | None = None
    chinese_by_default: bool = False
    takes_tokens: bool = False
    runs_tasks: bool = False
    searched: Callable[[ChatRequest, SandboxAnswer], SandboxAnswer] = lambda _, answer: answer
    relays: bool = False
    keeps_thinking: Callable[[Mapping[str, Any]], bool] = lambda _: False
    batch_api: SandboxBatchApi | None = None
    replays: tuple[str, ...] = ()

    def read(self, body: Mapping[str, Any], headers: Mapping[str, str], ids: RequestIds) -> ChatRequest:
        """The request in a JSON body; values of a wrong type count as absent, for the rules to find.

        Source of the native form, where a header and not a field asks for a stream, and `input` may hold a
        `prompt` in place of messages: dashscope 2.0.2 on PyPI, `api_entities/http_request.py`, `aigc/generation.py`.
        """
        native = self.native_error is not None
        fields = object_or_empty(body.get("parameters")) if native else body
        outer = object_or_empty(body.get("input")) if native else body
        messages = outer.get("messages")
        if native and messages is None and isinstance(prompt := outer.get("prompt"), str):
            messages = [{"role": "user", "content": prompt}]
        return ChatRequest(
            provider=self.name,
            model=model if isinstance(model := body.get("model"), str) else "",
            messages=tuple(each for each in messages if isinstance(each, dict)) if isinstance(messages, list) else (),
            fields=fields,
            stream=self.wants_native_stream(headers) if native else body.get("stream") is True,
            thinking_on=self.thinking_on(fields) or body.get("model") in self.always_think,
            keeps_thinking=self.keeps_thinking(fields),
            chinese=self.wants_chinese(headers),
            ids=ids,
        )

    def wants_native_stream(self, headers: Mapping[str, str]) -> bool:
        """Whether DashScope's header asks for a stream."""
        return self.native_error is not None and headers.get("x-dashscope-sse", "").lower() == "enable"

    def wants_chinese(self, headers: Mapping[str, str]) -> bool:
        """Whether errors are in Chinese. Source: https://docs.z.ai/openapi.json, `Accept-Language`."""
        language = headers.get("accept-language", "").lower()
        return language.startswith("zh") or (self.chinese_by_default and not language.startswith("en"))

    def refusal(self, request: ChatRequest) -> SandboxError | None:
        """Why it would not answer this request; None if it would."""
        return next((error(request) for is_broken, error in self.rules if is_broken(request)), None)

    def answer(self, request: ChatRequest, reply: ScriptedReply) -> SandboxAnswer:
        """The answer to a request that it does not refuse."""
        return self.searched(request, reply.answer(request, self.token_limits, parallel_calls=self.parallel_calls))


def model_list(names: Mapping[str, Json], owner: str) -> Json:
    """The usual reply to `GET /models`: each id with its further fields."""
    usual = {"object": "model", "created": CREATED, "owned_by": owner}
    return {"object": "list", "data": [{"id": name, **usual, **more} for name, more in names.items()]}
