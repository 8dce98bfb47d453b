"""BigModel's answers that are fetched later: a task is under way at the first question about it, then it has ended.

**Source**: https://docs.bigmodel.cn/api-reference, "asynchronous chat completion" and "query the result" (2026);
`types/chat/async_chat_completion.py` of zai-sdk 0.2.3 on PyPI. Z.ai has no such address.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from glmcli.sandbox.http_messages import Json, ServerRequest, ServerResponse, json_response

if TYPE_CHECKING:
    from glmcli.sandbox.chat_request import ChatRequest
    from glmcli.sandbox.providers.row import SandboxProvider


class AsyncTasks:
    """The tasks of all providers; safe between threads."""

    def __init__(self) -> None:
        """No task yet."""
        self._lock = threading.Lock()
        # What the next questions about a task are answered, the last one for ever.
        self._answers: dict[tuple[str, str], list[Json]] = {}

    def add(self, provider: SandboxProvider, chat: ChatRequest, result: Json | None) -> ServerResponse:
        """Take a task that will have this result, or will fail; the response that names it."""
        name = chat.fields.get("request_id")
        head = {"id": chat.ids.log, "request_id": name if isinstance(name, str) else chat.ids.log, "model": chat.model}
        under_way = {**head, "task_status": "PROCESSING"}
        ended = {**head, "task_status": "FAIL"}
        if result is not None:
            ended = {**{key: result[key] for key in ("created", "choices", "usage")}, **head, "task_status": "SUCCESS"}
        with self._lock:
            self._answers[provider.name, chat.ids.log] = [under_way, ended]
        return json_response(under_way, content_type=provider.json_type)

    def result(self, provider: SandboxProvider, request: ServerRequest) -> ServerResponse | None:
        """The response to a question about a task; None: there is no such task."""
        with self._lock:
            answers = self._answers.get((provider.name, request.path.rpartition("/")[2]))
            if not answers:
                return None
            found = answers.pop(0) if len(answers) > 1 else answers[0]
        return json_response(found, content_type=provider.json_type)
