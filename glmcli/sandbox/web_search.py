"""The web search that a provider makes before its model answers: the sandbox makes the pages up, and says so.

Source of the tool and of what the reply tells: docs.bigmodel.cn chat completion reference (2025-12),
https://docs.z.ai/openapi.json (2026-09), the recording `bigmodel-web-search` (2026-08).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from glmcli.sandbox.answer import FoundPage
from glmcli.sandbox.chat_request import object_or_empty

if TYPE_CHECKING:
    from glmcli.sandbox.answer import SandboxAnswer
    from glmcli.sandbox.chat_request import ChatRequest
    from glmcli.sandbox.http_messages import Json

_COUNT = 2  # pages, where the request does not say how many
_MOST = 50


def searched(request: ChatRequest, answer: SandboxAnswer) -> SandboxAnswer:
    """The sandbox's own answer with the pages that it found, where the request has it search the web and tell."""
    tools = request.fields.get("tools")
    listed = [object_or_empty(tool) for tool in tools] if isinstance(tools, list) else []
    asked = [object_or_empty(tool.get("web_search")) for tool in listed if tool.get("type") == "web_search"]
    if not asked or asked[0].get("enable") is False or answer.pages is not None:
        return answer
    if answer.is_scripted or answer.calls or answer.finish != "stop":
        return answer
    text = f"{answer.text} [ref_1]"
    if asked[0].get("search_result") is False:
        return replace(answer, text=text)
    count = asked[0].get("count")
    most = count if isinstance(count, int) and 1 <= count <= _MOST else _COUNT
    return replace(answer, text=text, pages=tuple(_page(number) for number in range(1, most + 1)))


def _page(number: int) -> FoundPage:
    return FoundPage(
        ref=f"ref_{number}",
        title=f"Page {number} of the glm sandbox, which searches nothing",
        link=f"https://glmcli.invalid/sandbox/{number}",
        site="glm sandbox",
        date="2026-11-22",
        text="This is the glm sandbox, not a page of the web.",
    )


def told(answer: SandboxAnswer) -> Json:
    """What the last chunk of a stream, or a whole reply, tells of a search; nothing where none was made."""
    if answer.pages is None:
        return {}
    return {
        "web_search": [
            {
                "refer": page.ref,
                "title": page.title,
                "link": page.link,
                "content": page.text,
                "media": page.site,
                "icon": "",
                "publish_date": page.date,
            }
            for page in answer.pages
        ]
    }
