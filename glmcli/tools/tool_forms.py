"""The forms in which tools are written elsewhere: those that are read as ours are, and those that are only named. Pure.

Read are OpenAI's function definitions, the list of an MCP server, and the files in which other programs name MCP
servers. A file in another form gets one line that names it and says how to convert it.

Sources (2026-11-30): https://developers.openai.com/api/docs/guides/function-calling,
https://modelcontextprotocol.io/specification/2025-11-25/server/tools,
https://code.visualstudio.com/docs/agents/reference/mcp-configuration,
https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools,
https://ai.google.dev/gemini-api/docs/function-calling, https://docs.bigmodel.cn/cn/guide/tools/web-search.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Literal

from glmcli.documents.document import Node
from glmcli.documents.quoting import listed, path_text, visible
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from glmcli.documents.document import Document

LINES = (".jsonl", ".ndjson")  # names of files with a definition on each line
Kind = Literal["own", "functions", "mcp_tools", "client_servers"]
_Steps = tuple[str | int, ...]

_FUNCTION = (
    '{type: "function", function: ({name, description, parameters: PARAMETERS} | with_entries(select(.value != null)))}'
)
_DECLARATIONS = ".. | objects | (.functionDeclarations, .function_declarations) | arrays | .[]"
_LOWER = 'walk(if type == "object" and (.type | type) == "string" then .type |= ascii_downcase else . end)'
# Form -> what it is called, and the program for jq that makes OpenAI's of it; ENTRIES are its definitions.
_NAMED = {
    "anthropic": (
        "in Anthropic's form (input_schema)",
        f"[ENTRIES | select(.input_schema) | {_FUNCTION.replace('PARAMETERS', '.input_schema')}]",
    ),
    "responses": (
        "in the form of OpenAI's Responses API (no `function` around name and parameters)",
        f'[ENTRIES | select(.type == "function") | {_FUNCTION.replace("PARAMETERS", ".parameters")}]',
    ),
    "gemini": (
        "in Gemini's form (functionDeclarations)",
        f"[{_DECLARATIONS} | {_FUNCTION.replace('PARAMETERS', '(.parameters // .parametersJsonSchema)')}] | {_LOWER}",
    ),
    "bedrock": (
        "in the form of Amazon Bedrock (toolSpec)",
        f"[ENTRIES.toolSpec | {_FUNCTION.replace('PARAMETERS', '.inputSchema.json')}]",
    ),
    "legacy": (
        "in the older form of OpenAI (functions)",
        f"[ENTRIES | {_FUNCTION.replace('PARAMETERS', '.parameters')}]",
    ),
}
_OPENCODE = (
    "{mcpServers: (.mcp | map_values({command: .command[0]?, args: .command[1:]?, env: .environment, url, headers, "
    "enabled} | with_entries(select(.value != null))))}"
)
_READ = {"functions": "OpenAI's definitions", "mcp_tools": "an MCP server's list", "own": "tools of glm's own form"}


class Form(Record):
    """How a file is to be read.

    Attributes:
        kind: the part of the schema that describes `document`.
        document: the list or mapping of that kind, without what others write around it.
        refusal: one line that names a form that is not read, and the way out; empty if it is read.
        remarks: lines about what is not read of it.
    """

    kind: Kind
    document: Document
    refusal: str = ""
    remarks: tuple[str, ...] = ()


def form_of(document: Document) -> Form:
    """The form of a file, decided by its keys; what has no foreign one is ours, right or wrong."""
    value = document.value
    if isinstance(value, list):
        return _list_form(document, ())
    if not isinstance(value, dict):
        return Form("own", document)
    if _is_opencode(value):
        words = "MCP servers in opencode's form, which is not read here; convert them"
        text = f"{document.place(('mcp',), key=True)}: {words}: {_jq(document, _OPENCODE, 'glm-tools.json')}"
        return Form("own", document, refusal=text)
    if servers := _client_servers(value):
        return _part(document, "client_servers", servers)
    for steps in (("result", "tools"), ("tools",), ("functions",)):
        if isinstance(_at(value, steps), list):
            return _list_form(document, steps)
    kind, alone = _entry_kind(value), Node(document.root.at, document.root.end, None, [document.root])
    return _list_form(document.replace(value=[value], root=alone), (), one=True) if kind else Form("own", document)


def _client_servers(value: Mapping[str, Any]) -> _Steps:
    """Where a file of another program names its MCP servers; empty if it does not."""
    if "mcpServers" in value:
        return ("mcpServers",)
    if isinstance(value.get("servers"), dict) and not {"tools", "mcp"} & value.keys():
        return ("servers",)
    inner = _at(value, ("mcp", "servers"))  # the settings of VS Code; ours would be a server of that name
    return ("mcp", "servers") if isinstance(inner, dict) and not {"command", "url"} & inner.keys() else ()


def _is_opencode(value: Mapping[str, Any]) -> bool:
    servers = value.get("mcp")
    held = servers.values() if isinstance(servers, dict) else ()
    return any(isinstance(each, dict) and each.get("type") in ("local", "remote") for each in held)


def _at(value: object, steps: _Steps) -> object:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) and isinstance(step, str) else None
    return value


# What tells the form of one definition, the surest first.
_SIGNS: tuple[tuple[str, Callable[[dict[str, Any]], bool]], ...] = (
    ("own", lambda entry: "run" in entry),
    ("functions", lambda entry: isinstance(entry.get("function"), dict)),
    ("mcp_tools", lambda entry: "inputSchema" in entry),
    ("anthropic", lambda entry: "input_schema" in entry),
    ("gemini", lambda entry: "functionDeclarations" in entry or "function_declarations" in entry),
    ("bedrock", lambda entry: "toolSpec" in entry),
    ("responses", lambda entry: entry.get("type") == "function" and "name" in entry),
    ("server", lambda entry: isinstance(entry.get("type"), str) and entry["type"] != "function"),
    ("legacy", lambda entry: "name" in entry and "parameters" in entry),
)


def _entry_kind(entry: object) -> str:
    """The form of one definition; empty if it is none that is known."""
    return next((kind for kind, holds in _SIGNS if isinstance(entry, dict) and holds(entry)), "")


def _list_form(document: Document, steps: _Steps, *, one: bool = False) -> Form:
    """The form of a list of definitions, which stands in the document at `steps`, or is a single one."""
    source = "." if one else f".{'.'.join(map(str, steps))}[]"  # the definitions in the words of jq
    entries: Any = _at(document.value, steps)
    kinds = [_entry_kind(entry) or ("legacy" if steps == ("functions",) else "") for entry in entries]
    # In a file of ours a program without `run` looks like one of these.
    known = [kind for kind in kinds if kind and not (kind == "legacy" and steps == ("tools",))]
    known += ["own"] if steps == ("tools",) and "mcp" in document.value else []
    for kind in _NAMED:
        if kind in known:
            return Form("own", document, refusal=_named(document, kind, source, (*steps, kinds.index(kind))))
    if "server" in known:
        return Form("own", document, refusal=_provider_tools(document, steps, kinds, source))
    if len(set(known)) > 1:
        words = listed([text for kind, text in _READ.items() if kind in known], "and")
        return Form("own", document, refusal=f"{document.place(steps)}: {words} in one file; give each one of its own")
    if "mcp_tools" in known:
        return _part(document, "mcp_tools", steps)
    if "functions" in known:
        return _part(document, "functions", steps)
    return Form("own" if isinstance(document.value, dict) else "functions", document)


def _part(document: Document, kind: Kind, steps: _Steps) -> Form:
    """What stands at `steps`, with remarks about what stands beside it."""
    around: Any = _at(document.value, steps[:-1])
    beside = [key for key in around if key != steps[-1]] if steps else []
    remarks = []
    if kind == "mcp_tools" and isinstance(around, dict) and around.get("nextCursor"):
        remarks = [f"{document.place((*steps[:-1], 'nextCursor'), key=True)}: the server has more tools than this page"]
    elif kind != "mcp_tools" and (others := [key for key in beside if key != "inputs"]):
        what = "servers" if kind == "client_servers" else "tools"
        names = listed([visible(key) for key in others[:8]], "and") + " …" * (len(others) > 8)  # noqa: PLR2004 - as shown
        remarks = [f"{document.place(())}: of this file only the {what} are read, not {names}"]
    return Form(kind, document.part(steps), remarks=tuple(remarks))


def _jq(document: Document, program: str, output: str) -> str:
    file = "" if document.name == "<stdin>" else f" {shlex.quote(document.name)}"
    slurp = "-s " if document.name.endswith(LINES) else ""
    return f"jq {slurp}{shlex.quote(program)}{file} >{output}"


def _named(document: Document, kind: str, source: str, path: _Steps) -> str:
    words, program = _NAMED[kind]
    command = _jq(document, program.replace("ENTRIES", source), "glm-tools.json")
    return f"{document.place(path)}: tools {words}, which is not read here; convert them: {command}"


def _provider_tools(document: Document, steps: _Steps, kinds: Sequence[str], source: str) -> str:
    """About tools that the provider runs, as web_search, which belong to a request."""
    entries: Any = _at(document.value, steps)
    path = (*steps, kinds.index("server"))
    name = visible(entries[path[-1]]["type"])
    program = f'{{server_tools: [{source} | select(.type != "function")]}}'
    text = f"{document.place(path)}: {path_text(path)} is {name}, which the provider runs: it belongs to server_tools"
    text += f" of a request file (-f): {_jq(document, program, 'glm-request.json')}"
    if "functions" not in kinds:
        return text
    rest = _jq(document, f'[{source} | select(.type == "function")]', "glm-tools.json")
    return f"{text}; the other tools: {rest}"
