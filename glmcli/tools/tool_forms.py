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

import json
import shlex
from typing import TYPE_CHECKING, Any, Literal

from glmcli.console.suggestions import closest
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
    "declarations": (
        "in Gemini's form (types in capitals)",
        f"[ENTRIES | {_FUNCTION.replace('PARAMETERS', '.parameters')}] | {_LOWER}",
    ),
    "langchain": (
        "in LangChain's form (args_schema)",
        f"[ENTRIES | {_FUNCTION.replace('PARAMETERS', '.args_schema')}]",
    ),
    "schema": (
        "in the form of bare JSON Schemas (each with a title)",
        f"[ENTRIES | .name = .title | {_FUNCTION.replace('PARAMETERS', 'del(.name, .title, .description)')}]",
    ),
    "requests": ("in the form of requests, one on each line", "[ENTRIES | (.body // .).tools | arrays | .[]] | unique"),
}
_OPENCODE = (
    "{mcpServers: (.mcp | map_values({command: .command[0]?, args: .command[1:]?, env: .environment, url, headers, "
    "enabled} | with_entries(select(.value != null))))}"
)
# What an editor's file calls its MCP servers. Source of the second: https://zed.dev/docs/ai/mcp (read on 2026-11-30).
_SERVER_KEYS = ("mcpServers", "context_servers")
_OWN_KEYS = ("tools", "mcp")
_SHOWN = 8  # keys that a message names
_LISTS: tuple[Kind, ...] = ("mcp_tools", "functions")
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
        return _servers_form(document, servers)
    for steps in (("result", "tools"), ("tools",), ("functions",), ("toolConfig", "tools"), ("session", "tools")):
        if isinstance(_at(value, steps), list):
            return _list_form(document, steps)
    return _single_form(document)


def _single_form(document: Document) -> Form:
    """The form of a mapping that holds no list of definitions: one definition, or nothing that is known."""
    value, root = document.value, document.root
    if _entry_kind(value):
        alone = Node(root.at, root.end, None, [root])
        return _list_form(document.replace(value=[value], root=alone), (), one=True)
    is_known = not value or any(closest(key, _OWN_KEYS) for key in value)
    return Form("own", document, refusal="" if is_known else _unknown(document, ()))


def _servers_form(document: Document, steps: _Steps) -> Form:
    """The form of a file that names MCP servers at `steps`, as another program does."""
    servers = _at(document.value, steps)
    place = document.place(steps, key=True)
    if isinstance(servers, list):
        text = f"{place}: a list of MCP servers, as Continue has it, which is not read here; name them:"
        return Form("own", document, refusal=f"{text} mcpServers: {{NAME: {{command: …}}}}")
    if isinstance(servers, dict) and any(isinstance(_at(each, ("command",)), dict) for each in servers.values()):
        text = f"{place}: MCP servers in an older form of Zed, which is not read here; write command (its path), args"
        return Form("own", document, refusal=f"{text} and env beside one another")
    projects = document.value.get("projects")
    if not servers and isinstance(projects, dict):
        held = [name for name, each in projects.items() if _at(each, ("mcpServers",))]
        if held:
            program = f"{{mcpServers: .projects[{json.dumps(held[0])}].mcpServers}}"
            text = f"{place}: no server for all projects; those of one: {_jq(document, program, 'glm-tools.json')}"
            return Form("own", document, refusal=text)
    return _part(document, "client_servers", steps)


def _unknown(document: Document, path: _Steps) -> str:
    """About a file, or a definition in it, that is in no form that is known."""
    keys = _some(list(document.part(path).value))
    what = f"this {'definition' if path else 'file'} is in no form of tools that is known: it has {keys}"
    read = "read are glm's own, OpenAI's definitions of functions and the lists of MCP servers"
    return f"{document.place(path)}: {what}; {read}"


def _some(keys: Sequence[str]) -> str:
    """The first of these keys, as a message names them."""
    return listed([visible(key) for key in keys[:_SHOWN]], "and") + " …" * (len(keys) > _SHOWN)


def _client_servers(value: Mapping[str, Any]) -> _Steps:
    """Where a file of another program names its MCP servers; empty if it does not."""
    if key := next((key for key in _SERVER_KEYS if key in value), ""):
        return (key,)
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


# Types of a definition that no provider runs: a function, a JSON Schema, and a tool that is called with free text.
_NO_SERVER_TOOLS = ("function", "object", "custom")
# What tells the form of one definition, the surest first.
_SIGNS: tuple[tuple[str, Callable[[dict[str, Any]], bool]], ...] = (
    ("own", lambda entry: "run" in entry),
    ("functions", lambda entry: isinstance(entry.get("function"), dict)),
    ("mcp_tools", lambda entry: "inputSchema" in entry),
    ("anthropic", lambda entry: "input_schema" in entry),
    ("gemini", lambda entry: "functionDeclarations" in entry or "function_declarations" in entry),
    ("bedrock", lambda entry: "toolSpec" in entry),
    ("responses", lambda entry: entry.get("type") == "function" and "name" in entry),
    ("langchain", lambda entry: isinstance(entry.get("args_schema"), dict)),
    ("schema", lambda entry: isinstance(entry.get("properties"), dict) and isinstance(entry.get("title"), str)),
    ("requests", lambda entry: isinstance(_at(entry.get("body", entry), ("tools",)), list)),
    ("server", lambda entry: isinstance(entry.get("type"), str) and entry["type"] not in _NO_SERVER_TOOLS),
    ("declarations", lambda entry: "name" in entry and _at(entry, ("parameters", "type")) == "OBJECT"),
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
    for kind in _LISTS:
        if kind in known:
            return _part(document, kind, steps)
    if isinstance(document.value, dict):
        return Form("own", document)
    is_known = not entries or not isinstance(entries[0], dict) or "function" in entries[0]
    return Form("functions", document, refusal="" if is_known else _unknown(document, (0,)))


def _part(document: Document, kind: Kind, steps: _Steps) -> Form:
    """What stands at `steps`, with remarks about what stands beside it."""
    around: Any = _at(document.value, steps[:-1])
    beside = [key for key in around if key != steps[-1]] if steps else []
    remarks = []
    if kind == "mcp_tools" and isinstance(around, dict) and around.get("nextCursor"):
        remarks = [f"{document.place((*steps[:-1], 'nextCursor'), key=True)}: the server has more tools than this page"]
    elif kind != "mcp_tools" and (others := [key for key in beside if key != "inputs"]):
        what = "servers" if kind == "client_servers" else "tools"
        remarks = [f"{document.place(())}: of this file only the {what} are read, not {_some(others)}"]
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
