# ruff: noqa: RUF001 - some of the words are Chinese
"""The one rule for the prompt and what a row says: what is sent of both, in every format, and what is refused."""

from __future__ import annotations

import json

import pytest
from batch_runs import by_id, entries, error, lines
from processes import running, wait_for

FRENCH = "prompt: 'Translate into French:'\n"
ASK = "prompt: 'Answer {{question}}'\n"
TURNS = "messages:\n- {role: user, content: One}\n- {role: assistant, content: Two}\n"


def user(text):
    return {"role": "user", "content": text}


def openai(*messages, **more):
    return {"custom_id": "c", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": messages}} | more


@pytest.fixture
def batch(glm, cwd):
    """Run a batch of what is written into these files, the first of which is the input, at the sandbox."""

    def run(files, *more, command="run", stdin=None):
        for path, text in files.items():
            (cwd / path).write_text(text, encoding="utf-8")
        name = "-" if stdin is not None else next(iter(files))
        form = ("-f", "ask.yaml") if "ask.yaml" in files else ()
        return glm("batch", command, name, "-m", "sandbox/glm-5", *form, *more, stdin=stdin)

    return run


def shown(done):
    """The messages of the one request that is shown, and what was remarked."""
    assert done.code == 0, done.err
    return [(turn["role"], turn["content"]) for turn in json.loads(done.out)["body"]["messages"]], done.err


def one(name, text, form, sent, *more, remark=""):
    return {"in": (name, text), "form": form, "sent": sent, "more": more, "remark": remark}


# What stands in the first row and in the request file, and what is sent.
OWN_PROMPT = "glm: the prompt of the request file is left out where a row has its own\n"
OWN_MESSAGES = OWN_PROMPT.replace("prompt", "messages").replace(" is ", " are ")
A_LINE = openai(user("hi"))
OF_A_LINE = "glm: the prompt of the request file is left out in OpenAI batch lines, which say all that is asked\n"
SENT = {
    # A line stands behind the prompt as stdin does in `glm ask`.
    "a line": one("in.txt", "cat\n", FRENCH, [("user", "Translate into French:\n\ncat")]),
    "a line alone": one("in.txt", "cat\n", "system: Be brief.\n", [("system", "Be brief."), ("user", "cat")]),
    "a line behind turns": one("in.txt", "cat\n", TURNS, [("user", "One"), ("assistant", "Two"), ("user", "cat")]),
    "a line behind all": one(
        "in.txt", "cat\n", FRENCH, [("user", "Translate into French:\n\nf:\n\nF\n\ncat")], "-a", "f"
    ),
    "a line beside a value for all": one(
        "in.txt", "cat\n", "prompt: 'In {{lang}}:'\n", [("user", "In Thai:\n\ncat")], "--var", "lang=Thai"
    ),
    "a line is no template": one(
        "in.txt", "{{x}} {{a | b}}\n", FRENCH, [("user", "Translate into French:\n\n{{x}} {{a | b}}")]
    ),
    # A row's own prompt takes its place.
    "a prompt in JSON": one("in.jsonl", '{"prompt": "Who?"}', FRENCH, [("user", "Who?")], remark=OWN_PROMPT),
    "a prompt in YAML": one("in.yaml", "prompt: Who?", FRENCH, [("user", "Who?")], remark=OWN_PROMPT),
    "a column prompt": one(
        "in.csv", "prompt,lang\nWho?,de\n", "prompt: 'In {{lang}}'\n", [("user", "Who?")], remark=OWN_PROMPT
    ),
    "no prompt to replace": one("in.csv", "prompt\nWho?\n", "temperature: 0.5\n", [("user", "Who?")]),
    "a prompt behind turns": one(
        "in.jsonl", '{"prompt": "Who?"}', TURNS, [("user", "One"), ("assistant", "Two"), ("user", "Who?")]
    ),
    "turns for turns": one(
        "in.jsonl", lines([{"messages": [user("Who?")]}]), TURNS, [("user", "Who?")], remark=OWN_MESSAGES
    ),
    # Unless the request file has a place for it.
    "a value called prompt, in JSON": one(
        "in.jsonl", '{"prompt": "Who?"}', "prompt: 'Q: {{prompt}}'\n", [("user", "Q: Who?")]
    ),
    "a value called prompt, in a table": one(
        "in.csv", "prompt\nWho?\n", "system: 'Of {{prompt}}'\nprompt: Why?\n", [("system", "Of Who?"), ("user", "Why?")]
    ),
    "a prompt and a place for it that the row replaces": one(
        "in.jsonl",
        lines([{"messages": [user("1")], "prompt": "2"}]),
        "messages: [{role: user, content: '{{prompt}}'}]\n",
        [("user", "1"), ("user", "2")],
        remark=OWN_MESSAGES,
    ),
    # Fields fill placeholders, whatever the format.
    "a field of JSON": one("in.jsonl", '{"question": "one", "answer": [1]}', ASK, [("user", "Answer one")]),
    "a number": one("in.jsonl", '{"question": 1.50}', ASK, [("user", "Answer 1.5")]),
    "a boolean": one("in.yaml", "question: true", ASK, [("user", "Answer true")]),
    "vars before a field": one("in.jsonl", '{"question": "x", "vars": {"question": "y"}}', ASK, [("user", "Answer y")]),
    "a field before a default": one(
        "in.jsonl", '{"question": "x"}', ASK + "vars: {question: z}\n", [("user", "Answer x")]
    ),
    "--var before a field": one("in.jsonl", '{"id": 1}', ASK, [("user", "Answer v")], "--var", "question=v"),
    "an id": one("in.jsonl", '{"id": 7}', "prompt: 'Number {{id}}'\n", [("user", "Number 7")]),
    "an id alone": one("in.jsonl", '{"id": 7}', "prompt: Tell a joke.\n", [("user", "Tell a joke.")]),
    "a field of an OpenAI line": one(
        "in.jsonl",
        lines([A_LINE | {"topic": "tea"}]),
        "system: 'Of {{topic}}'\n",
        [("system", "Of tea"), ("user", "hi")],
    ),
    # Names of every script, and any name in quotes.
    "Chinese": one("in.csv", "id,问题\n1,天空\n", "prompt: '请回答：{{ 问题 }}'\n", [("user", "请回答：天空")]),
    "marks are letters": one("in.csv", "प्रश्न\nक\n", "prompt: 'उत्तर {{प्रश्न}}'\n", [("user", "उत्तर क")]),
    "two ways to write é": one("in.csv", "cafe\u0301\nx\n", "prompt: 'At {{caf\u00e9}}'\n", [("user", "At x")]),
    "and back": one("in.jsonl", '{"caf\u00e9": "x"}', "prompt: 'At {{cafe\u0301}}'\n", [("user", "At x")]),
    "blanks": one(
        "in.csv", "First Name,1st\nBo,x\n", """prompt: 'Hi {{"First Name"}}, {{ "1st" }}'\n""", [("user", "Hi Bo, x")]
    ),
    "in JSON": one("in.jsonl", '{"user-question": "x"}', """prompt: 'A {{"user-question"}}'\n""", [("user", "A x")]),
    # OpenAI batch lines take what flags and the request file say.
    "--system": one("in.jsonl", lines([A_LINE]), None, [("system", "Be brief"), ("user", "hi")], "-s", "Be brief"),
    "--attach": one("in.jsonl", lines([A_LINE]), None, [("user", "hi"), ("user", "f:\n\nF")], "-a", "f"),
    "system and attach": one(
        "in.jsonl",
        lines([A_LINE]),
        "system: Be brief\nattach: [f]\n",
        [("system", "Be brief"), ("user", "hi"), ("user", "f:\n\nF")],
    ),
    "a prompt it has no use for": one("in.jsonl", lines([A_LINE]), ASK, [("user", "hi")], remark=OF_A_LINE),
}


@pytest.mark.parametrize("case", SENT.values(), ids=SENT)
def test_what_is_sent(batch, case) -> None:
    name, text = case["in"]
    files = {name: text, "f": "F"} | ({"ask.yaml": case["form"]} if case["form"] else {})
    assert shown(batch(files, "-n", *case["more"])) == (case["sent"], case["remark"])


def test_a_remark_comes_once_and_not_under_quiet(batch) -> None:
    files = {"in.jsonl": lines([{"prompt": "a"}, {"prompt": "b"}]), "ask.yaml": FRENCH}
    assert batch(files).err.count("left out") == 1
    assert "left out" not in batch(files, "-q").err


NO_NAMES = "a line of text has no names; --format csv, tsv, jsonl or yaml says that rows are written so"
INSTEAD = "a column or field called prompt is asked itself; rows with an id alone repeat a question"
COLUMNS = f"rows have 'topic', 'n'; {{{{topic}}}} in the request file is filled; {INSTEAD}"
LOOKED = "glm: in is read as yaml, by its first line; --format may say otherwise\n"
REFUSED = {
    "a line and a name": (
        "in.txt",
        "cat\n",
        "prompt: 'Translate {{word}}'\n",
        "in.txt: no row has word, which the request file wants",
        f"{NO_NAMES}; --var word=… gives all rows the same",
    ),
    "a table of which nothing is used": (
        "in.csv",
        "id,topic,n\na,tea,1\n",
        "prompt: Tell a joke.\n",
        "in.csv:1: nothing that a row says reaches its request: all would ask the same",
        COLUMNS,
    ),
    "JSON of which nothing is used": (
        "in.jsonl",
        lines([{"id": 1, "topic": "tea"}, {"n": 2}]),
        "prompt: Tell a joke.\n",
        "in.jsonl: nothing that a row says reaches its request: all would ask the same",
        COLUMNS,
    ),
    "single braces": (
        "in.csv",
        "id,topic\na,tea\n",
        "prompt: 'Of ${topic}'\n",
        "in.csv:1: nothing that a row says reaches its request: all would ask the same",
        f"rows have 'topic'; {{topic}} in the request file is text, {{{{topic}}}} is filled; {INSTEAD}",
    ),
    "a name that no OpenAI line has": (
        "in.jsonl",
        lines([A_LINE]),
        "system: 'Of {{topic}}'\n",
        "in.jsonl: no row has topic, which the request file wants",
        'a row has it as a field, as in {"topic": "…"}; --var topic=… gives all rows the same',
    ),
    "a value of rows outside the conversation": (
        "in.csv",
        "question,t\nx,0.5\n",
        "temperature: '{{t}}'\nprompt: '{{question}}'\n",
        "ask.yaml:1:15: {{t}} has no value; give one with --var t=…",
        r"rows fill system, prompt, messages, attach, images, videos and files only; \{{ stands for literal braces",
    ),
    "a list of rows in YAML": (
        "in.yaml",
        "- vars: {question: x}\n- vars: {question: y}\n",
        ASK,
        "in.yaml:1: a list of rows, not one document a row",
        "yq -o json -I 0 '.[]' FILE makes JSON lines of it; in YAML, --- stands between rows",
    ),
    "a list of rows without a name": (
        "in",
        "- question: x\n- question: y\n",
        ASK,
        "in:1: a list of rows, not one document a row",
        "yq -o json -I 0 '.[]' FILE makes JSON lines of it; in YAML, --- stands between rows",
    ),
    "braces around no name": (
        "in.csv",
        "question\nx\n",
        "system: x\nprompt: 'A {{row.question}}'\n",
        "ask.yaml:2:12: {{row.question}} is no {{NAME}}",
        r'write {{question}}, or {{"row.question"}} if it is called so; \{{ stands for literal braces',
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("command", ["run", "sample", "--dry-run"])
def test_what_is_refused(batch, cwd, case, command) -> None:
    """By a run, by a sample, and where a request is only shown."""
    name, text, form, message, fix = case
    more = () if command == "sample" else ("-n",) if command == "--dry-run" else ("-O", "out.jsonl")
    done = batch({name: text, "ask.yaml": form}, *more, command="sample" if command == "sample" else "run")
    assert (done.code, done.out) == (2, b"")
    assert done.err.removeprefix(LOOKED) == f"glm: error: {message}\n  fix: {fix}\n"
    assert not (cwd / "out.jsonl").exists()


BAD_ROWS = {
    "a list": (
        {"question": [1]},
        "question must be a string, a number or true or false, not a list, to fill {{question}}",
    ),
    "null": (
        {"question": None},
        "question must be a string, a number or true or false, not null, to fill {{question}}",
    ),
    "nothing": ({"other": "x"}, "the row has no question, which the request file wants"),
    "two prompts": (
        {"prompt": "x", "vars": {"prompt": "y", "question": "z"}},
        "prompt stands both in vars and beside it",
    ),
    "two system messages": (
        openai({"role": "system", "content": "x"}, user("hi")),
        "there is a system message both in --system and in messages",
    ),
}


@pytest.mark.parametrize("case", BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_row_that_is_invalid(batch, cwd, case) -> None:
    row, why = case
    files = {"in.jsonl": lines([row | {"id": "a"}, {"id": "b", "question": "x", "prompt": "p"}]), "ask.yaml": ""}
    files["ask.yaml"] = (
        "system: '{{prompt}}'\n" + ASK if "two prompts" in why or "prompt" in row else "system: x\n" + ASK
    )
    done = batch(files, "-O", "out.jsonl")
    assert done.code == 15
    found = {entry["line"]: entry for entry in entries(cwd / "out.jsonl")}
    assert (found[1]["status"], found[1]["error"]["message"]) == ("invalid", f"in.jsonl:1: {why}")
    assert found[2]["status"] == "ok"


@pytest.mark.parametrize("number", ["01234", "1.10", "0x1F", "+1", "1e3"])
def test_a_number_of_yaml_that_would_be_written_otherwise(batch, cwd, number) -> None:
    """A postcode or a version is no number: where it is put into the question, it must be quoted."""
    text = f"id: a\nquestion: {number}\n---\nid: b\nquestion: '{number}'\nn: {number}\n---\nid: c\nquestion: -1.5\n"
    assert batch({"in.yaml": text, "ask.yaml": ASK}, "-O", "out.jsonl").code == 15
    found = by_id(cwd / "out.jsonl")
    place = f"in.yaml:2:11: question: {number} is the number "
    assert found["a"]["error"]["message"].startswith(place)
    assert found["a"]["error"]["message"].endswith("; quote it if it is text")
    assert f'"Answer {number}"' in found["b"]["answer"]
    assert '"Answer -1.5"' in found["c"]["answer"]


def test_a_value_names_no_file(batch, cwd) -> None:
    """A row of a stranger, whose text begins with @ by chance or on purpose, sends no file of this machine."""
    (cwd / "secret").write_text("S")
    files = {"in.csv": "role\n@secret\n", "ask.yaml": "system: '{{role}}'\nprompt: hi\n"}
    assert shown(batch(files, "-n")) == ([("system", "@secret"), ("user", "hi")], "")
    files["ask.yaml"] = "system: '@{{role}}'\nprompt: hi\n"
    assert shown(batch(files | {"in.csv": "role\nsecret\n"}, "-n")) == ([("system", "S"), ("user", "hi")], "")


def test_a_placeholder_behind_a_backslash_is_remarked(batch) -> None:
    r"""`\{{` is what braces are that are meant so, and by chance the end of a path of Windows."""
    table = {"in.csv": "topic,lang\ntea,de\nmilk,fr\n"}
    done = batch(table | {"ask.yaml": "prompt: 'In C:\\docs\\{{topic}} in {{lang}} \\{{other}}'\n"})
    assert done.err.count(r"glm: ask.yaml: \{{topic}} is sent as {{topic}}, and is filled without the backslash") == 1
    assert "other" not in done.err


def test_braces_of_other_templates_are_remarked(batch) -> None:
    """Where a row has that name, and the file has no placeholder of it."""
    table = {"in.csv": "topic,lang\ntea,de\nmilk,fr\n"}
    done = batch(table | {"ask.yaml": "prompt: 'Of {topic} in {{lang}} {other}'\n"}, "-q")
    assert "sent as it stands" not in done.err
    done = batch(table | {"ask.yaml": "prompt: 'Of {topic} in {{lang}} {other}'\n"})
    assert done.err.count("glm: ask.yaml: {topic} is sent as it stands; {{topic}} is filled\n") == 1
    assert batch(table | {"ask.yaml": "prompt: 'Of {topic} and {{topic}}'\n"}, "-n").err == ""


def test_rows_of_openai_lines_and_turns_have_one_system_message(batch, cwd) -> None:
    files = {"in.jsonl": lines([openai({"role": "system", "content": "x"}, user("hi"))])}
    assert batch(files, "-s", "y", "-O", "out.jsonl").code == 15
    message = "in.jsonl:1: there is a system message both in --system and in messages"
    assert by_id(cwd / "out.jsonl")["c"]["error"]["message"] == message


# An input whose name says nothing


LOOKS = {
    "csv": ("id,question\n1,q1\n", "q1"),
    "tsv": ("id\tquestion\n1\tq1\n", "q1"),
    "a column alone": ("\n\nquestion\nq1\n", "q1"),
    "quoted names": ('"id","question"\r\n1,"q\n1"\r\n', "q\n1"),
    "yaml": ("# rows\nquestion: q1\n---\nquestion: q2\n", "q1"),
    "yaml of more keys": ("id: 1\nquestion: q1\n", "q1"),
    "a marker": ("---\ntags: [x]\nquestion: q1\n", "q1"),
    "json": ('{"question": "q1"}\n', "q1"),
}


@pytest.mark.parametrize(("text", "question"), LOOKS.values(), ids=LOOKS)
def test_the_format_is_found_by_looking(batch, cwd, text, question) -> None:
    expected = [("user", f"Answer {question}")]
    (cwd / "ask.yaml").write_text(ASK)
    piped, said = shown(batch({"ask.yaml": ASK}, "-n", stdin=text.encode()))
    assert piped == expected
    assert ("by its first line" in said) == (not text.startswith("{"))
    assert shown(batch({"rows": text, "ask.yaml": ASK}, "-n"))[0] == expected


def test_what_was_found_is_said(batch) -> None:
    done = batch({"ask.yaml": ASK}, "-n", stdin=b"id,question\n1,q1\n")
    assert done.err == "glm: <stdin> is read as csv, by its first line; --format may say otherwise\n"


@pytest.mark.parametrize("text", ["What is it?\n", "id,topic\n1,q1\n", "topic: x\n"])
def test_text_cannot_fill_a_placeholder(batch, text) -> None:
    done = batch({"ask.yaml": ASK}, stdin=text.encode())
    assert (done.code, done.out) == (2, b"")
    assert error(done) == "<stdin>: no row has question, which the request file wants"
    assert "--format csv, tsv, jsonl or yaml" in done.err


def test_text_is_not_looked_at_where_it_will_do(batch) -> None:
    """A table that no placeholder asks for is lines of text, where no name says otherwise."""
    piped, said = shown(batch({"ask.yaml": FRENCH}, "-n", stdin=b"id,question\n1,q1\n"))
    assert (piped, said) == ([("user", "Translate into French:\n\nid,question")], "")


def test_a_header_of_our_own_columns_is_no_question(batch) -> None:
    """What has the columns id and prompt is a table, whatever it is called."""
    piped, said = shown(batch({}, "-n", stdin=b"id;prompt\n1;Who?\n"))
    assert piped == [("user", "Who?")]
    assert said.startswith("glm: <stdin> is read as csv, by its first line; --format may say otherwise\n")
    assert shown(batch({}, "-n", stdin=b"id, prompt or idea?\n")) == ([("user", "id, prompt or idea?")], "")


def test_a_table_that_is_called_text_is_remarked(batch) -> None:
    """Excel's "Text (Tab delimited)" is a `.txt`."""
    said = "glm: in.txt: the first line is asked, too; --format tsv takes it for a header\n"
    assert shown(batch({"in.txt": "id\tprompt\n1\tWho?\n"}, "-n")) == ([("user", "id\tprompt")], said)
    assert shown(batch({"in.txt": "id\tprompt\n1\tWho?\n"}, "-n", "--format", "tsv")) == ([("user", "Who?")], "")


def test_a_pipe_is_asked_as_it_comes(home, cwd) -> None:
    """No more than the first line is waited for to find the format."""
    (cwd / "ask.yaml").write_text(ASK)
    arguments = ("batch", "run", "-", "-m", "sandbox/glm-5", "-f", "ask.yaml", "-O", "out.jsonl")
    with running(home, cwd, *arguments, stdin=-1) as process:
        process.stdin.write(b"question\nq1\n")
        process.stdin.flush()
        wait_for(lambda: entries(cwd / "out.jsonl"))
        process.stdin.write(b"q2\n")
        process.stdin.close()
        assert process.wait() == 0
    assert len(entries(cwd / "out.jsonl")) == 2


def test_the_first_row_of_a_pipe_decides_whether_rows_are_used(batch) -> None:
    done = batch({"ask.yaml": "prompt: Tell a joke.\n"}, stdin=b'{"id": 1, "topic": "tea"}\n')
    assert (done.code, done.out) == (2, b"")
    assert error(done) == "<stdin>: nothing that a row says reaches its request: all would ask the same"
    assert batch({"ask.yaml": "prompt: Tell a joke.\n"}, stdin=b'{"id": 1}\n').code == 0


# Outputs of 0.1.0, which read rows by other rules


def answered(digest, question, number=1, row_id=None):
    """A line of an output."""
    fields = {"id": row_id or digest, "line": number, "status": "ok", "answer": question, "calls": 1, "final": True}
    return fields | {"hash": digest}


CAT, DOG = "d1ea325f91fec84ccd467685bdd3ee34", "00a67b90bc5d7d33bea855b72f84d240"
ONE, TWO = "04a5616affbb10c692f325a7bff316db", "9669b4b667b4f2dfd85d3f8f384ba60e"
HI = "4ec87f157607a9889fa6a69b2daf1c67"
WORDS = ("in.txt", "cat\ndog\ncat\n")
# The input, the request file, what 0.1.0 had asked (the hashes are those of its own output), and what is asked now.
FORMER = {
    "lines": (
        WORDS,
        FRENCH,
        [answered(CAT, "cat"), answered(DOG, "dog", 2), answered(CAT, "cat", 3, f"{CAT}#2")],
        ["Translate into French:\n\ncat", "Translate into French:\n\ncat", "Translate into French:\n\ndog"],
    ),
    "a column prompt": (
        ("in.csv", "prompt,lang\nOne,de\nTwo,fr\n"),
        "prompt: 'Say hello in {{lang}}'\n",
        [answered(ONE, "Say hello in de"), answered(TWO, "Say hello in fr", 2)],
        ["One", "Two"],
    ),
    "a column prompt, and ids": (
        ("in.csv", "id,prompt,lang\na,One,de\nb,Two,fr\n"),
        "prompt: 'Say hello in {{lang}}'\n",
        [answered(ONE, "Say hello in de", 1, "a"), answered(TWO, "Say hello in fr", 2, "b")],
        ["One", "Two"],
    ),
    "a prompt in JSON that has its place": (
        ("in.jsonl", lines([{"prompt": "x"}, {"prompt": "y"}])),
        "prompt: 'Q: {{prompt}}'\n",
        [answered("f2828454a4dc60e8b03ce1264e1fc5d7", "x"), answered("f15e1b3f94028e8f19a9eccf314d1ca1", "y", 2)],
        ["Q: x", "Q: y"],
    ),
    "a field that was none": (
        ("in.jsonl", lines([{"lang": "German", "vars": {"text": "a"}}])),
        "vars: {lang: French}\nprompt: '{{lang}}: {{text}}'\n",
        [answered("0250e8670b359669e84997a3baa0a9bc", "French: a")],
        ["German: a"],
    ),
    "an OpenAI line": (("in.jsonl", lines([A_LINE])), "system: Be brief.\n", [answered(HI, "hi", 1, "c")], ["hi"]),
}


def echoed(path):
    """What the sandbox was asked, by what it answered."""
    answers = [entry["answer"] for entry in entries(path)]
    return sorted(answer.removeprefix("This is the glm sandbox, not a model. You asked glm-5: ") for answer in answers)


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("case", FORMER.values(), ids=FORMER)
def test_an_output_of_an_earlier_version_is_not_asked_again(batch, cwd, case, piped) -> None:
    (name, text), form, answers, asked = case
    (cwd / "out.jsonl").write_text(lines(answers))
    before = (cwd / "out.jsonl").read_bytes()
    stdin = text.encode() if piped else None
    more = ("-O", "out.jsonl", "--format", {"in.txt": "text"}.get(name, name[3:]))
    files = {name: text, "ask.yaml": form}
    done = batch(files, *more, stdin=stdin)
    count = "a finished row answers" if len(answers) == 1 or piped else f"{len(answers)} finished rows answer"
    assert (done.code, error(done)) == (2, f"{count} another request than would be sent now")
    assert "--redo-changed" in done.err
    assert "--keep-changed" in done.err
    assert "anew either way" not in done.err
    assert batch(files, *more, "--keep-changed", stdin=stdin).code == 0
    assert (cwd / "out.jsonl").read_bytes() == before
    assert batch(files, *more, "--redo-changed", stdin=stdin).code == 0
    now = [entry for entry in echoed(cwd / "out.jsonl") if entry.startswith('"')]
    assert now == [json.dumps(each).replace("\\n", "\n") for each in asked]
    after = (cwd / "out.jsonl").read_bytes()
    assert batch(files, *more, stdin=stdin).code == 0
    assert (cwd / "out.jsonl").read_bytes() == after


def test_lines_that_ask_the_same_as_before_are_resumed(batch, cwd) -> None:
    (cwd / "out.jsonl").write_text(lines([answered(CAT, "cat"), answered(DOG, "dog", 2)]))
    before = (cwd / "out.jsonl").read_bytes()
    assert batch({"in.txt": "cat\ndog\n"}, "-O", "out.jsonl").code == 0
    assert (cwd / "out.jsonl").read_bytes() == before


# Fields that look as if they were to be sent

COPIED = (
    "glm: {} of a row: only copied into the output, and not sent, unless the request file (-f) names it, "
    "as {{{{{}}}}}\n"
)


@pytest.mark.parametrize(
    ("name", "text", "form", "remark"),
    [
        (
            "in.jsonl",
            '{"prompt": "hi", "images": ["a.png"], "model": "m", "topic": 1}\n',
            "",
            ("images and model", "images"),
        ),
        ("in.jsonl", '{"prompt": "hi", "system": "Brief."}\n', "", ("system", "system")),
        ("in.jsonl", '{"messages": [{"role": "user", "content": "hi"}], "tools": []}\n', "", ("tools", "tools")),
        ("in.yaml", "prompt: hi\nattach: [a.txt]\n", "", ("attach", "attach")),
        ("in.csv", "prompt,image\nhi,a.png\n", "", ("image", "image")),
        ("in.csv", "prompt,model,temperature\nhi,saloon,31\n", "", None),
        ("in.jsonl", '{"city": "Rome", "temperature": 31}\n', "prompt: 'hi {{city}}'\n", None),
        ("in.jsonl", '{"prompt": "hi", "system": "Brief."}\n', "system: '{{system}}'\n", None),
    ],
)
def test_a_field_that_is_not_sent_is_remarked_once(batch, name, text, form, remark) -> None:
    body = text if name.endswith((".yaml", ".csv")) else text * 2
    done = batch({name: body, **({"ask.yaml": form} if form else {})}, "-n")
    assert (done.code, done.err) == (0, COPIED.format(*remark) if remark else "")
    assert "a.png" not in done.text
