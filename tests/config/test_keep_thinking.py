"""What becomes of the reasoning of earlier turns: sent back where the row says it, or said not to be."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from batch_runs import KEY as BATCH_KEY
from batch_runs import by_id
from processes import error_of
from program import CANARY
from provider_rows import ROWS
from samples import png
from scripted_server import Server, answer, delta, reply, stream

from glmcli.batch.rows import pending
from glmcli.chat.messages import Message, Request

# Contract: across turns only at these two, and only where it is asked for.
KEEPS = ("bigmodel", "zai")
KEY = {"ZAI_API_KEY": CANARY}
ZAI = ("-P", "zai", "--base-url")
THOUGHT = "\n  One and one,\r\n\tthat is 二.  \n\n"  # sent back as it came: not trimmed, no line end changed
FILE = {
    "messages": [
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "2", "reasoning": THOUGHT},
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "4"},
        {"role": "user", "content": "4+4?"},
        {"role": "assistant", "content": "8", "reasoning": "Again."},
    ]
}
WHOLE = [
    {"role": "user", "content": "1+1?"},
    {"role": "assistant", "content": "2", "reasoning_content": THOUGHT},
    {"role": "user", "content": "2+2?"},
    {"role": "assistant", "content": "4"},
    {"role": "user", "content": "4+4?"},
    {"role": "assistant", "content": "8", "reasoning_content": "Again."},
    {"role": "user", "content": "Q"},
]
BARE = [{name: text for name, text in turn.items() if name != "reasoning_content"} for turn in WHOLE]


@pytest.fixture
def shown(glm, cwd, keys):
    """What `glm ask -n` of the request file prints: the exit code, the body, and stderr."""

    def run(*arguments, file=FILE, command=("ask",), env=None):
        (cwd / "request.json").write_text(json.dumps(file))
        done = glm(*command, "-f", "request.json", "-n", *arguments, "Q", env={**keys, **(env or {})})
        return done.code, json.loads(done.out)["body"] if done.out else None, done.err

    return run


def at(row: str, *more: str, model: str = "glm-5") -> tuple[str, ...]:
    return "-P", row, "-m", model, *(("--base-url", "http://127.0.0.1:9/v1") if row == "openai" else ()), *more


def messages(row: str, body: dict) -> list[dict]:
    return (body["input"] if row == "dashscope" else body)["messages"]


# What is sent


@pytest.mark.parametrize("row", KEEPS)
def test_all_of_it_goes_back_whole_and_in_order(shown, row) -> None:
    code, body, err = shown(*at(row, "--keep-thinking"))
    assert (code, err) == (0, "")
    assert body == {
        "model": "glm-5",
        "messages": WHOLE,
        "thinking": {"type": "enabled", "clear_thinking": False},
        "stream": True,
    }
    assert shown(*at(row), file=FILE | {"keep_thinking": True}) == (0, body, "")


@pytest.mark.parametrize("row", [row for row in ROWS if row not in KEEPS])
def test_rows_that_are_sent_none_refuse(shown, row) -> None:
    code, body, err = shown(*at(row, "--keep-thinking", "--force"))
    assert (code, body) == (2, None)
    assert err == (
        f"glm: error: {row} is sent no reasoning of earlier turns, so it can keep none\n"
        "  fix: leave out --keep-thinking; models of bigmodel and zai take it back\n"
    )


@pytest.mark.parametrize("row", ROWS)
def test_what_was_written_by_hand_is_not_dropped_without_a_word(shown, row) -> None:
    code, body, err = shown(*at(row))
    assert (code, messages(row, body)) == (0, BARE)
    sends = "; --keep-thinking sends it" if row in KEEPS else ""
    assert f"glm: glm-5 at {row}: the reasoning of earlier turns is not sent{sends}\n" in err


def test_a_remark_needs_a_reason(shown) -> None:
    assert shown(*at("zai", "-q"))[2] == ""
    plain = [{name: text for name, text in turn.items() if name != "reasoning"} for turn in FILE["messages"]]
    assert shown(*at("zai"), file={"messages": plain}) == (0, shown(*at("zai"))[1], "")


@pytest.mark.parametrize("row", ROWS)
def test_no_keep_thinking(shown, row) -> None:
    """It overrides the file; elsewhere there is nothing to switch off."""
    code, body, err = shown(*at(row, "--no-keep-thinking"), file=FILE | {"keep_thinking": True})
    assert (code, messages(row, body)) == (0, BARE)
    assert body.get("thinking", {}).get("clear_thinking") is (True if row in KEEPS else None)
    assert err.endswith(f"glm: glm-5 at {row}: the reasoning of earlier turns is not sent\n") or row == "openai"


@pytest.mark.parametrize(
    ("model", "more", "thinking"),
    [
        ("glm-5", ("--think",), {"type": "enabled", "clear_thinking": False}),
        # It is about the turns before this one: docs.z.ai/openapi.json, ChatThinking (2026-09).
        ("glm-5", ("--no-think",), {"type": "disabled", "clear_thinking": False}),
        ("glm-5.3", ("--effort", "low"), {"type": "enabled", "clear_thinking": False}),
        ("glm-5.2", ("--effort", "none"), {"clear_thinking": False}),
        ("glm-99", (), {"type": "enabled", "clear_thinking": False}),
        ("glm-4-32b-0414-128k", ("--force",), {"type": "enabled", "clear_thinking": False}),
    ],
)
def test_thinking_of_this_turn_is_another_matter(shown, model, more, thinking) -> None:
    code, body, err = shown(*at("zai", "--keep-thinking", *more, model=model))
    assert (code, body["thinking"], body["messages"]) == (0, thinking, WHOLE), err
    said = shown(*at("zai", "--keep-thinking", "-v", *more, model=model))[2]
    assert ("earlier reasoning is sent without thinking now" in said) is bool({"--no-think", "none"} & {*more})


def test_a_model_that_does_not_think_has_none_to_keep(shown) -> None:
    code, body, err = shown(*at("zai", "--keep-thinking", model="glm-4-32b-0414-128k"))
    assert (code, body) == (2, None)
    assert err == (
        "glm: error: glm-4-32b-0414-128k at zai has no thinking mode, so there is none to keep\n"
        "  fix: leave out --keep-thinking (--force sends it anyway)\n"
    )
    err = shown(*at("zai", model="glm-4-32b-0414-128k"))[2]
    assert err == "glm: glm-4-32b-0414-128k at zai: the reasoning of earlier turns is not sent\n"


@pytest.mark.parametrize("option", ["thinking={clear_thinking: false}", "clear_thinking=false"])
def test_the_field_has_a_flag(shown, option) -> None:
    code, _, err = shown(*at("zai", "-o", option))
    assert (code, error_of(err)) == (2, f"--option {option.partition('=')[0]}: this field has a flag of its own")
    assert "--keep-thinking\n" in err


@pytest.mark.parametrize("row", ["modelstudio", "dashscope"])
def test_model_studio_has_a_field_that_changes_nothing(shown, row) -> None:
    code, body, err = shown(*at(row, "-o", "clear_thinking=false"))
    assert (code, (body.get("parameters") or body)["clear_thinking"]) == (0, False)
    assert f"glm: {row} is sent no reasoning of earlier turns: clear_thinking has no effect\n" in err


def test_a_row_of_the_configuration(shown, cwd) -> None:
    (cwd / "c.yaml").write_text("providers: {plan: {like: zai, base_url: 'https://plan.example/v4', key_env: [K]}}\n")
    env = {"GLM_CONFIG": "c.yaml", "K": CANARY}
    assert shown("-m", "plan/glm-5", "--keep-thinking", env=env)[1]["messages"] == WHOLE


def test_beside_a_picture_and_as_a_command(shown, glm, cwd, keys) -> None:
    (cwd / "a.png").write_bytes(png())
    vision = ("vision",), ("--image", "a.png", "--keep-thinking", *at("zai", model="glm-4.6v"))
    code, body, err = shown(*vision[1], command=vision[0])
    assert (code, err, body["messages"][:-1]) == (0, "", WHOLE[:-1])
    done = glm("ask", "-f", "request.json", "--curl", *at("zai", "--keep-thinking"), "Q", env=keys)
    assert '"clear_thinking":false' in done.text.replace(" ", "")
    assert '"reasoning_content"' in done.text


# Fallbacks

BUSY = reply(500, {"error": {"code": "500", "message": "x"}})


def test_a_fallback_that_is_sent_none_answers_without_it(glm, cwd, keys) -> None:
    (cwd / "request.json").write_text(json.dumps(FILE))
    (cwd / "c.yaml").write_text("")
    with Server(BUSY) as first, Server(answer("A")) as second:
        (cwd / "c.yaml").write_text(
            f"providers: {{other: {{like: tokenhub, base_url: '{second.url}', key_env: [TOKENHUB_API_KEY]}}}}\n"
        )
        done = glm(
            *("ask", "-f", "request.json", *ZAI, first.url, "--keep-thinking", "--retries", "0", "-R"),
            *("--fallback", "other/glm-5", "Q"),
            env={**keys, "GLM_CONFIG": "c.yaml"},
        )
    assert (done.code, done.text) == (0, "A\n"), done.err
    assert done.err.startswith("glm: --keep-thinking: the fallback other/glm-5 is sent no earlier reasoning\n")
    assert "of earlier turns" not in done.err
    assert [first.requests[0].json["messages"], second.requests[0].json["messages"]] == [WHOLE, BARE]
    assert second.requests[0].json["thinking"] == {"type": "enabled"}


def test_a_fallback_that_keeps_it_too(glm, cwd, keys) -> None:
    (cwd / "request.json").write_text(json.dumps(FILE))
    with Server(BUSY, answer("A")) as server:
        (cwd / "c.yaml").write_text(
            f"providers: {{other: {{like: bigmodel, base_url: '{server.url}', key_env: [BIGMODEL_API_KEY]}}}}\n"
        )
        done = glm(
            *("ask", "-f", "request.json", *ZAI, server.url, "--keep-thinking", "--retries", "0", "-R"),
            *("--fallback", "other/glm-5.2", "Q"),
            env={**keys, "GLM_CONFIG": "c.yaml"},
        )
    assert done.code == 0, done.err
    assert "--keep-thinking" not in done.err
    assert [request.json["messages"] for request in server.requests] == [WHOLE, WHOLE]


# Sessions


def test_a_session_sends_what_it_stored(glm) -> None:
    thoughts = (THOUGHT, "", "Third.\n")
    with Server(*(answer(f"A{number}", thought) for number, thought in enumerate(thoughts, 1))) as server:
        for number in range(1, 4):
            command = "stream" if number == 2 else "ask"
            done = glm(command, *ZAI, server.url, "--session", "talk", "--keep-thinking", "-R", f"Q{number}", env=KEY)
            assert (done.code, done.err) == (0, "")
    first = [{"role": "user", "content": "Q1"}]
    second = [
        *first,
        {"role": "assistant", "content": "A1", "reasoning_content": THOUGHT},
        {"role": "user", "content": "Q2"},
    ]
    third = [*second, {"role": "assistant", "content": "A2"}, {"role": "user", "content": "Q3"}]
    assert [request.json["messages"] for request in server.requests] == [first, second, third]
    assert {json.dumps(request.json["thinking"]) for request in server.requests} == {
        '{"type": "enabled", "clear_thinking": false}'
    }
    # The cache of a provider wants that each request begins as the one before it.
    sent = [json.dumps(request.json["messages"])[1:-1] for request in server.requests]
    assert all(later.startswith(earlier) for earlier, later in pairwise(sent))


def test_a_session_without_the_flag_says_so_with_verbose_only(glm) -> None:
    with Server(*[answer("A", "Hm")] * 3) as server:
        ask = ("ask", *ZAI, server.url, "--session", "talk", "-R")
        glm(*ask, "Q1", env=KEY)
        assert glm(*ask, "Q2", env=KEY).err == ""
        said = glm(*ask, "-v", "Q3", env=KEY).err
    assert "glm: glm-5 at zai: the reasoning of earlier turns is not sent; --keep-thinking sends it\n" in said
    assert all("reasoning_content" not in json.dumps(request.json) for request in server.requests)


def test_what_another_provider_thought_goes_back_too(glm, keys) -> None:
    with Server(answer("A1", "Hm 1"), answer("A2", "Hm 2"), answer("A3")) as server:
        for row, more in (("vllm", ()), ("bigmodel", ("--keep-thinking",)), ("zai", ("--keep-thinking",))):
            done = glm("ask", *at(row, "--base-url", server.url, "--session", "talk", *more), "-R", "Q", env=keys)
            assert (done.code, done.err) == (0, "")
    back = [turn.get("reasoning_content") for turn in server.requests[2].json["messages"]]
    assert back == [None, "Hm 1", None, "Hm 2", None]


TOOLS = 'tools: [{name: t, description: d, parameters: {type: object}, run: ["true"], approve: auto}]\n'
CALL = [{"index": 0, "id": "c1", "type": "function", "function": {"name": "t", "arguments": "{}"}}]


def test_with_tools_earlier_turns_and_this_one(glm, cwd) -> None:
    (cwd / "t.yaml").write_text(TOOLS)
    calls = stream(
        delta(reasoning_content="Call."), delta(tool_calls=CALL), delta(content="", finish_reason="tool_calls")
    )
    with Server(calls, answer("A1", "Answer."), calls, answer("A2")) as server:
        run = ("tools", "run", *ZAI, server.url, "--tools", "t.yaml", "--session", "talk", "-q")
        assert glm(*run, "Q1", env=KEY).code == 0
        assert glm(*run, "--keep-thinking", "Q2", env=KEY).code == 0

    def back(number):
        return [turn.get("reasoning_content") for turn in server.requests[number].json["messages"]]

    assert back(1) == [None, "Call.", None]
    assert back(2) == [None, "Call.", None, "Answer.", None]
    assert back(3) == [None, "Call.", None, "Answer.", None, "Call.", None]
    assert "clear_thinking" not in server.requests[1].json["thinking"]
    assert server.requests[3].json["thinking"] == {"type": "enabled", "clear_thinking": False}


# Batches

TURNS = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2", "reasoning": THOUGHT}]
BODY = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2", "reasoning_content": THOUGHT}]


def line(name: str, **body: object) -> dict:
    turns = [*BODY, {"role": "user", "content": name}]
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": {"messages": turns, **body}}


def test_rows_of_a_batch(batch, cwd) -> None:
    (cwd / "request.yaml").write_text("keep_thinking: true\n")
    batch.write(
        [
            {"id": "a", "prompt": "a", "messages": TURNS},
            line("b"),
            line("c", thinking={"type": "enabled", "clear_thinking": True}),
        ]
    )
    done = batch.run("-f", "request.yaml", "-j", "1")
    assert done.code == 0, done.err
    sent = {body["messages"][-1]["content"]: body for body in batch.server.bodies}
    assert sent["a"]["messages"][:-1] == sent["b"]["messages"][:-1] == BODY
    assert sent["a"]["thinking"] == sent["b"]["thinking"] == {"type": "enabled", "clear_thinking": False}
    # What a row says itself counts before the file, and no flag was given.
    assert "reasoning_content" not in json.dumps(sent["c"])
    assert sent["c"]["thinking"] == {"type": "enabled", "clear_thinking": True}
    assert done.err.count("the reasoning of earlier turns is not sent") == 1


def test_rows_whose_reasoning_is_not_sent_are_remarked_once(batch) -> None:
    batch.write([{"id": f"r{number}", "prompt": "q", "messages": TURNS * (1 + number % 2)} for number in range(9)])
    done = batch.run()
    assert done.code == 0, done.err
    said = "glm: glm-5 at zai: the reasoning of earlier turns is not sent; --keep-thinking sends it\n"
    assert done.err.count(said) == done.err.count("reasoning of earlier turns") == 1
    assert "reasoning_content" not in json.dumps(batch.server.bodies)


def test_lines_that_say_it_themselves(batch) -> None:
    batch.write(
        [
            line("keeps", thinking={"type": "enabled", "clear_thinking": False}),
            line("off", thinking={"type": "disabled", "clear_thinking": False}),
            line("wrong", thinking={"type": "enabled", "clear_thinking": "no"}),
            line("beside", clear_thinking=False),
        ]
    )
    done = batch.run()
    assert done.code == 15
    found = by_id(batch.output)
    assert {name: entry["status"] for name, entry in found.items()} == {
        "keeps": "ok",
        "off": "ok",
        "wrong": "invalid",
        "beside": "invalid",
    }
    why = found["wrong"]["error"]["message"]
    assert why == "in.jsonl:3: body.thinking.clear_thinking must be true or false, not a string"
    assert found["beside"]["error"]["message"].endswith("--option clear_thinking: this field has a flag of its own")
    sent = {body["messages"][-1]["content"]: body for body in batch.server.bodies}
    assert sent["keeps"]["messages"][:-1] == sent["off"]["messages"][:-1] == BODY
    assert sent["off"]["thinking"] == {"type": "disabled", "clear_thinking": False}


def test_a_line_may_leave_the_switch_out(batch) -> None:
    """Its type is optional at Z.ai (docs.z.ai/openapi.json, 2026-09), and what glm sends beside an effort has none."""
    batch.write([line("a", thinking={"clear_thinking": False}, reasoning_effort="none")])
    assert batch.run("-m", "zai/glm-5.2").code == 0
    assert batch.server.bodies[0]["thinking"] == {"clear_thinking": False}
    assert batch.server.bodies[0]["reasoning_effort"] == "none"
    assert batch.server.bodies[0]["messages"][:-1] == BODY


def test_a_flag_is_above_a_line(batch) -> None:
    batch.write([line("a", thinking={"type": "enabled", "clear_thinking": False})])
    assert batch.run("--no-keep-thinking", "--no-think").code == 0
    assert batch.server.bodies[0]["thinking"] == {"type": "disabled", "clear_thinking": True}


def test_a_line_for_a_row_that_is_sent_none(batch, keys) -> None:
    batch.write([line("a", thinking={"type": "enabled", "clear_thinking": False})])
    more = ("-m", "tokenhub/glm-5", "--base-url", batch.server.url, "--no-stream")
    done = batch.glm("batch", "run", "in.jsonl", "-O", "out.jsonl", *more, env=keys)
    assert done.code == 15
    assert by_id(batch.output)["a"]["error"]["message"].startswith("in.jsonl:1: tokenhub is sent no reasoning")


@pytest.mark.parametrize(("like", "model"), [("tokenhub", "glm-5"), ("zai", "glm-4-32b-0414-128k")])
def test_a_fallback_of_a_batch(batch, cwd, keys, like, model) -> None:
    batch.write([{"id": "a", "prompt": "a", "messages": TURNS}])
    with Server(reply(400, {"error": {"code": "1211", "message": "x"}})) as first:
        (cwd / "c.yaml").write_text(
            f"providers: {{other: {{like: {like}, base_url: '{batch.server.url}', key_env: [TOKENHUB_API_KEY]}}}}\n"
        )
        done = batch.glm(
            *("batch", "run", "in.jsonl", "-O", "out.jsonl", "-m", "zai/glm-5", "--base-url", first.url),
            *("--keep-thinking", "--fallback", f"other/{model}", "--no-stream"),
            env={**BATCH_KEY, **keys, "GLM_CONFIG": "c.yaml"},
        )
    assert f"--keep-thinking: the fallback other/{model} is sent no earlier reasoning\n" in done.err
    assert done.code == 0
    sent = [*[request.json for request in first.requests], *batch.server.bodies]
    assert ["reasoning_content" in json.dumps(body) for body in sent] == [True, False]
    assert "clear_thinking" not in json.dumps(sent[1])


def test_another_wish_is_another_question(batch) -> None:
    batch.write([{"id": "a", "prompt": "a", "messages": TURNS}])
    assert batch.run().code == 0
    done = batch.run("--keep-thinking", "--redo-changed")
    assert (done.code, len(batch.server.bodies)) == (0, 2), done.err


def test_a_key_of_a_row_is_a_column(batch) -> None:
    batch.write([{"id": "a", "prompt": "a", "keep_thinking": True}])
    done = batch.run()
    assert "keep_thinking of a row: only copied into the output, and not sent" in done.err
    assert batch.server.bodies[0]["thinking"] == {"type": "enabled"}


def test_the_tokens_that_a_row_reserves_count_what_is_sent_back() -> None:
    """Three characters a token, and what the answer may take."""
    turns = (Message("user", "q" * 30), Message("assistant", "a" * 30, "r" * 300))
    request = Request("glm-5", turns, max_tokens=100)
    reserved = [pending._tokens(each) for each in (request, request.replace(keep_thinking=True))]  # noqa: SLF001 - pure
    assert reserved == [20 + 100, 120 + 100]


# The sandbox


def test_the_sandbox_reads_it_where_it_is_kept(glm, cwd) -> None:
    (cwd / "request.json").write_text(json.dumps(FILE))
    ask = ("ask", "-m", "sandbox/glm-5", "-f", "request.json", "--json", "-q", "Q")
    cleared, kept = (json.loads(glm(*ask, *more).out) for more in ((), ("--keep-thinking",)))
    assert (cleared["usage"]["input_tokens"], kept["usage"]["input_tokens"]) == (7, 7 + 7)
