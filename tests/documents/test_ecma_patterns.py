r"""Patterns of schemas are those of ECMA-262: what they match, which are not judged here, and which are none.

The values were looked up in the grammar, and in what `new RegExp(pattern, "u")` of Node 20 says.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tool_runs import tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from program import Completed

# Pattern -> texts that it is found in, and texts that it is not found in.
TRANSLATED: dict[str, tuple[list[str], list[str]]] = {
    # groups and references
    r"^(?<owner>[\w.-]+)\/(?<repo>[\w.-]+)$": (["a/b-c.d"], ["a", "a/b\n", "é/b"]),
    r"^(?<q>['\"])x\k<q>$": (["'x'", '"x"'], ["'x\""]),
    r"^(?:(a)|b)\1$": (["aa", "b"], ["a", "ba"]),
    r"^\1(a)$": (["a"], ["aa"]),
    r"^(a\1)$": (["a"], ["aa"]),
    r"^(?:(?<y>[0-9]{4})-x|x-(?<y>[0-9]{4}))$": (["2026-x", "x-2026"], ["x-x"]),
    r"^(?<$n>a)\k<$n>$": (["aa"], ["a"]),
    r"(?<!b)c(?=d)": (["acd"], ["bcd", "ac"]),
    r"^(?i:straße)$": (["STRAßE", "straße"], ["strasse"]),
    r"^(?i:a)a$": (["Aa"], ["AA"]),
    r"^(?s:.)x$": (["\nx"], ["yy"]),
    r"a(?m:$)": (["a\nb", "a"], ["ab"]),
    r"(?m:^b)": (["a\nb", "b"], ["ab"]),
    r"^(?i:[^a])$": (["b"], ["a", "A"]),
    # sets
    r"^[\w-.]+$": (["a-b.c"], ["a b", "a,b"]),
    r"^[a-\d]+$": (["a-5"], ["b"]),
    r"^[^]$": (["\n", "x"], ["", "xy"]),
    r"^[]$": ([], ["", "]"]),
    r"^[\D]$": (["x", "٣"], ["3"]),
    r"^[^\W_]$": (["a"], ["_", "é"]),
    r"^[\]\[^$-]+$": (["[]^$-"], ["x"]),
    r"^[\b]$": (["\b"], ["b"]),
    r"^[[a]$": (["[", "a"], ["]"]),
    r"^[+--]$": (["+", ",", "-"], ["."]),
    r"^[😀-😂]$": (["😁"], ["😃"]),
    # what a letter means
    r"^\d$": (["7"], ["\u0667"]),
    r"^\w$": (["z", "_"], ["é", "\u017f"]),
    r"^\s$": ([" ", "\u00a0", "\ufeff", "\u2028"], ["\u0085", "\u001f", "\u180e"]),
    r"^\S$": (["\u0085"], ["\ufeff"]),
    r"^.$": (["\u0085", "😀"], ["\n", "\u2028", "\r"]),
    r"é\b": (["aéb"], ["é"]),
    r"^\B$": ([""], ["a"]),
    r"^a$": (["a"], ["a\n", "b"]),
    # characters by number
    r"^\u{1F600}$": (["😀"], ["u"]),
    r"^\uD83D\uDE00$": (["😀"], ["\ufffd"]),
    r"^\u00e9\x41\cJ\t\0$": (["éA\n\t\x00"], ["éA"]),
    r"^\-\@\/\ \_\.$": (["-@/ _."], ["-@/ _x"]),
    r"^{a}]$": (["{a}]"], ["a"]),
    r"^a{,2}$": (["a{,2}"], ["aa"]),
    # properties
    r"^[^\p{Cc}]+$": (["x y"], ["x\ny"]),
    r"^\p{L}[\p{Nd}\p{Uppercase_Letter}]$": (["中5", "éÉ", "a٣"], ["5a", "aa"]),
    r"^\P{Letter}$": (["5"], ["ß"]),
    r"^\p{gc=Sc}\p{General_Category=Zs}$": (["€ "], ["x "]),
    r"^\p{LC}$": (["ǅ", "a"], ["中"]),
    r"^\p{Co}\p{Cn}$": (["\U0010fffd\U0005fffd"], ["aa"]),
    r"^\p{Script=Han}+$": (["漢字"], ["かな", "x"]),
    r"^\p{sc=Grek}\p{Script=Cyrillic}$": (["αж"], ["aж"]),
    r"^(\p{Extended_Pictographic}|\p{Emoji_Component})+$": (["😀👍🏽"], ["x"]),
    r"^\p{ASCII}\p{Any}\p{Assigned}\p{White_Space}$": (["x中y "], ["é中y "]),
    # Python's own syntax, in which many are written
    r"(?i)^q$": (["Q"], ["q\n"]),
    r"^(?P<n>a)(?P=n)\Z": (["aa"], ["a"]),
    r"\Aab\Z": (["ab"], ["ab\n", "xab"]),
    r"^a++$": (["aa"], ["b"]),
}
# Pattern -> what it has.
UNJUDGED = {
    r"(?<=a+)b": "what Python lacks (look-behind requires fixed-width pattern)",
    r"^[[a-z]--[aeiou]]$": "an operation on sets, which needs the flag v",
    r"^[\p{L}&&[a-z]]$": "an operation on sets, which needs the flag v",
    r"^[[:alpha:]]$": "a class of POSIX, which is none of ECMA-262",
    r"^\p{Script_Extensions=Greek}$": "the property Script_Extensions=Greek, which is not known here",
    r"^\p{Script=Klingon}$": "the property Script=Klingon, which is not known here",
    r"^[\uD800-\uDBFF][\uDC00-\uDFFF]$": "half a character, as only UTF-16 has it",
    r"^(?:(a)|b)*\1$": "a reference to a group that is repeated",
    r"^(a)\2$": "a reference to a group 2 without that group",
    r"^\h$": r"the escape \h",
    r"^(?|a|b)$": "a group that begins with (? and is none of ECMA-262",
    r"^a{99999999999}$": "what Python lacks (the repetition number is too large)",
    "(" * 1500 + ")" * 1500: "groups nested too deep",
}
# Pattern -> why nobody can read it.
BROKEN = {
    "(a": "a ( without its )",
    "a)": "a ) without its (",
    "[a": "a [ without its ]",
    "[a-": "a [ without its ]",
    "a\\": "a backslash at its end",
    "*a": "nothing that * could repeat",
    "a**": "nothing that * could repeat",
    "^+": "nothing that + could repeat",
    "a{2,1}": "{2,1}, out of order",
    "[z-a]": "a range out of order, z-a",
    r"\u{110000}": r"the escape \u{110000}, beyond Unicode",
}


@pytest.fixture
def write(cwd):
    """Write a tool of this schema: into a list of OpenAI's, or as a program of ours."""

    def put(schema: dict[str, Any], *, ours: bool) -> str:
        mine = {"tools": [tool("t", "echo", "ran", parameters=schema)]}
        theirs = [{"type": "function", "function": {"name": "t", "parameters": schema}}]
        (cwd / "t.json").write_text(json.dumps(mine if ours else theirs))
        return "t.json"

    return put


def shown(pattern: str) -> str:
    return f'the pattern "{pattern if len(pattern) <= 40 else pattern[:40] + "…"}"'


def test_what_patterns_match(glm: Callable[..., Completed], write: Callable[..., str]) -> None:
    """Each pattern and text is a parameter of one call, which is refused if a single one is judged otherwise."""
    rules: dict[str, Any] = {}
    texts: dict[str, str] = {}
    for pattern, (good, bad) in TRANSLATED.items():
        for number, text in enumerate((*good, *bad)):
            found = {"pattern": pattern} if number < len(good) else {"not": {"pattern": pattern}}
            rules[f"{pattern} {number}"], texts[f"{pattern} {number}"] = found, text
    schemas = [dict(list(rules.items())[at : at + 60]) for at in range(0, len(rules), 60)]
    for part in schemas:
        file = write({"type": "object", "properties": part}, ours=True)
        done = glm("tools", "call", "t", "--tools", file, "--args", json.dumps({name: texts[name] for name in part}))
        assert (done.code, done.text, done.err) == (0, "ran\n", "")


def test_names_of_keys_are_matched_too(glm: Callable[..., Completed], write: Callable[..., str]) -> None:
    rules = {r"^\p{Lu}(?<n>[\w-.])$": {"type": "integer"}}
    file = write({"type": "object", "patternProperties": rules, "additionalProperties": False}, ours=True)
    for arguments, code in (('{"É-": 1}', 0), ('{"É-": "x"}', 2), ('{"é-": 1}', 2)):
        assert glm("tools", "call", "t", "--tools", file, "--args", arguments).code == code


@pytest.mark.parametrize("pattern", UNJUDGED)
def test_what_cannot_be_judged_is_remarked_and_allowed(glm, write, pattern) -> None:
    file = write({"type": "object", "properties": {"v": {"type": "string", "pattern": pattern}}}, ours=True)
    checked = glm("tools", "check", file)
    assert (checked.code, checked.text) == (0, "")
    (line,) = checked.err.splitlines()
    assert line.endswith(f": {shown(pattern)} has {UNJUDGED[pattern]}, so nothing here judges t by it")
    called = glm("tools", "call", "t", "--tools", file, "--args", '{"v": "whatever"}')
    assert (called.code, called.text, called.err) == (0, "ran\n", f"{line}\n")
    assert glm("tools", "call", "t", "--tools", file, "--args", '{"v": 3}').code == 2


@pytest.mark.parametrize(
    "more",
    [
        {"additionalProperties": False},
        {"unevaluatedProperties": False},
        {"additionalProperties": {"type": "integer"}},
        {"propertyNames": {"pattern": "(?<=a+)b"}},
    ],
)
def test_a_key_that_cannot_be_judged_is_allowed(glm, write, more) -> None:
    rules = {"(?<=a+)b": {"type": "integer"}, r"(?<=a+)\p{L}": False}
    file = write({"type": "object", "patternProperties": rules, **more}, ours=True)
    done = glm("tools", "call", "t", "--tools", file, "--args", '{"anything": "x"}')
    assert (done.code, done.text) == (0, "ran\n")
    more_patterns = 2 if "propertyNames" in more else 1
    assert done.err.endswith(f"so nothing here judges t by it (and {more_patterns} more patterns of this tool)\n")


@pytest.mark.parametrize("pattern", BROKEN)
def test_a_broken_pattern_guards_no_program(glm, write, pattern) -> None:
    schema = {"type": "object", "properties": {"v": {"type": "string", "pattern": pattern}}}
    words = f"{shown(pattern)} has {BROKEN[pattern]}"
    mine = glm("tools", "check", write(schema, ours=True))
    assert (mine.code, mine.text.partition(" ")[2]) == (2, f"{words}\n")
    theirs = glm("tools", "check", write(schema, ours=False))
    assert (theirs.code, theirs.text) == (0, "")
    assert theirs.err.endswith(f": {words}, so nothing here judges t by it\n")


@pytest.mark.parametrize("pattern", [r"^(?<n>(\p{Script=Cyrillic}+)+)$", r"^([\u0391-\u03A9]+)+$", r"^(\u{1F600}+)+$"])
def test_a_translated_pattern_has_the_same_limits(glm, write, pattern) -> None:
    schema = {"type": "object", "properties": {"v": {"type": "string", "pattern": pattern}}}
    done = glm("tools", "check", write(schema, ours=False))
    assert done.code == 2
    assert "takes exponential time on some texts" in done.text
