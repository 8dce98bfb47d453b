"""Request files of other programs: known by their keys, and told what each is called here, all at once.

A form is an entry of FORMS, or of FRONT_MATTER if its files begin with front matter and are no YAML as a whole. This is
loaded only for a file that is none of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from glmcli import documents
from glmcli.errors import UsageError
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from glmcli.documents import Document

_OUT = ""  # instead of a new name: leave the key out
_OPTIONS = "options.{}"  # the rest of a body is passed on under `options`
_TOOL_FILE = "a file for glm tools run --tools"
_ROWS = "rows for glm batch run"
# Fields of a request to OpenAI, as programs take them over.
# Source: platform.openai.com/docs/api-reference/chat/create. How thinking is switched and `do_sample` are fields of
# docs.bigmodel.cn, help.aliyun.com and docs.vllm.ai. From memory in November 2026; the pages were not opened again.
_BODY: Mapping[str, str] = {
    "max_completion_tokens": "max_tokens",
    "reasoning_effort": "effort",
    "stream_options": _OUT,
    "store": _OUT,
    "metadata": _OUT,
    "functions": _TOOL_FILE,
    "function_call": "tool_choice",
    "tools": _TOOL_FILE,
    "extra_body": "options",
    "thinking": "think: true or false, keep_thinking: true for clear_thinking: false",
    "enable_thinking": "think",
    "thinking_budget": "think_budget",
} | {
    name: _OPTIONS.format(name)
    for name in (
        *("response_format", "n", "user", "logprobs", "top_logprobs", "logit_bias", "parallel_tool_calls"),
        *("frequency_penalty", "presence_penalty", "service_tier", "modalities", "chat_template_kwargs", "do_sample"),
    )
}


class ForeignForm(Record):
    """A form of request files that is not ours.

    Attributes:
        name: whose it is.
        marks: keys that no file of ours has, one of which shows the form.
        needs: keys that a file of this form has beside them, one at least.
        names: what its keys are called here, by their path; empty: they are left out.
        hint: what else is to be written otherwise.
    """

    name: str
    marks: frozenset[str]
    needs: frozenset[str] = frozenset()
    names: Mapping[str, str] = EMPTY
    hint: str = ""


FORMS = (
    # See https://docs.github.com/github-models/use-github-models/storing-prompts-in-github-repositories (2026-11-30).
    ForeignForm(
        "a prompt file of GitHub Models",
        frozenset(("modelParameters", "testData", "evaluators", "responseFormat", "jsonSchema")),
        frozenset(("messages", "model")),
        {
            "modelParameters.temperature": "temperature",
            "modelParameters.topP": "top_p",
            "modelParameters.maxTokens": "max_tokens",
            "modelParameters.maxCompletionTokens": "max_tokens",
            "modelParameters.*": "options.*",
            "responseFormat": "options.response_format",
            "jsonSchema": "options.response_format",
            "testData": _ROWS,
        },
    ),
    # See https://llm.datasette.io/en/stable/templates.html (read on 2026-11-30).
    ForeignForm(
        "a template of llm",
        frozenset(
            (
                *("defaults", "extract", "extract_last", "schema_object", "fragments", "system_fragments"),
                *("attachments", "attachment_types", "functions"),
            )
        ),
        frozenset(("prompt", "system")),
        {
            "defaults": "vars",
            "options.*": "options.*",
            "fragments": "attach",
            "system_fragments": "system: '@FILE'",
            "attachments": "images",
            "attachment_types": "images",
            "schema_object": "options.response_format",
            "functions": _TOOL_FILE,
        },
        "write {{NAME}} for $NAME, and nothing for $input: stdin stands behind the prompt",
    ),
    # See https://www.promptfoo.dev/docs/configuration/reference (read on 2026-11-30).
    ForeignForm(
        "a configuration of promptfoo",
        frozenset(("prompts",)),
        frozenset(("providers", "tests", "targets")),
        {
            "prompts": "prompt (one of them)",
            "providers": "model",
            "targets": "model",
            "tests": _ROWS,
            "defaultTest": "vars",
        },
    ),
    # See https://learn.microsoft.com/semantic-kernel/concepts/prompts/yaml-schema (read on 2026-11-30).
    ForeignForm(
        "a prompt of Semantic Kernel",
        frozenset(("template", "template_format", "input_variables", "execution_settings")),
        frozenset(("template",)),
        {"template": "prompt", "input_variables": "vars", "execution_settings": "fields such as temperature"},
        "write {{NAME}} for {{$NAME}}",
    ),
    ForeignForm("a request body of OpenAI's API", frozenset(_BODY), frozenset(("messages",)), _BODY),
)
FRONT_MATTER = (
    # See https://prompty.ai/docs/prompty-specification (read on 2026-11-30).
    ForeignForm(
        "a Prompty file",
        frozenset(("sample", "authors", "inputs", "outputs", "template")),
        names={"sample": "vars", "inputs": "vars", "model": "model and fields such as temperature"},
        hint="put the text under prompt: |, and what follows system: under system: |",
    ),
    # See https://google.github.io/dotprompt/reference/frontmatter (read on 2026-11-30).
    ForeignForm(
        "a prompt file of Dotprompt",
        frozenset(("input", "output", "config")),
        names={
            "config.temperature": "temperature",
            "config.topK": "top_k",
            "config.topP": "top_p",
            "config.maxOutputTokens": "max_tokens",
            "config.stopSequences": "stop",
            "input.default": "vars",
            "output": "options.response_format",
            "tools": _TOOL_FILE,
        },
        hint='put the text under prompt: |, what follows {{role "system"}} under system: |, and media under images',
    ),
    ForeignForm("a text with front matter", frozenset(), hint="put the text under prompt: |"),
)
_FRONT = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?\n(?=\s*\S)", re.DOTALL | re.MULTILINE)


def refuse(document: Document, keys: Collection[str]) -> None:
    """Stop at a file that is known to be of another program, by these keys, which no file of ours has.

    Raises:
        UsageError: it is; the fix has all that is to be changed.
    """
    for form in FORMS:
        mark = next((key for key in keys if key in form.marks), None)
        if mark is not None and not form.needs.isdisjoint(document.value):
            raise _error(document.place([mark], key=True), form, document.value)


def refuse_front_matter(data: bytes, name: str) -> None:
    """Stop at a file that begins with front matter, behind which a text follows.

    Raises:
        UsageError: it does; the fix has all that is to be changed.
    """
    text = data.decode(errors="replace")
    found = _FRONT.match(text)
    if not found:
        return
    keys = _mapping(found[1], name)
    form = next((each for each in FRONT_MATTER if each.marks & keys.keys()), FRONT_MATTER[-1])
    # Two documents of ours in one file are another mistake.
    if form.marks or not _mapping(text[found.end() :], name):
        raise _error(f"{name}:1:1", form, keys)


def _mapping(text: str, name: str) -> Mapping[str, Any]:
    """The mapping that this YAML is; an empty one if it is none."""
    try:
        value = documents.parse(text.encode(), name).value
    except UsageError:
        return {}
    return value if isinstance(value, Mapping) else {}


def _error(place: str, form: ForeignForm, value: Mapping[str, Any]) -> UsageError:
    named = dict(_names(form, value))
    renamed = [f"{path} → {new}" for path, new in named.items() if new]
    left = [path for path, new in named.items() if not new]
    steps = [
        f"rename {', '.join(renamed)}" if renamed else "",
        f"leave out {', '.join(left)}" if left else "",
        form.hint,
    ]
    return UsageError(f"{place}: {form.name}, not a request file of glm", fix="; ".join(filter(None, steps)))


def _names(form: ForeignForm, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The path of each key that is called otherwise here, with its name; empty: there is no such thing here."""
    ours = documents.load_schema("request")["properties"]
    for key in value:
        if key in form.names:
            yield key, form.names[key]
        elif isinstance(value[key], Mapping) and any(path.startswith(f"{key}.") for path in form.names):
            for name in value[key]:
                path = f"{key}.{name}"
                rest = name if name in ours else form.names.get(f"{key}.*", _OUT).replace("*", name)
                if (new := form.names.get(path, rest)) != path:
                    yield path, new
        elif key not in ours:
            yield key, _OUT
