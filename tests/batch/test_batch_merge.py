"""glm batch merge: outputs that are typed out here, joined."""

from __future__ import annotations

import json
import os
import resource

import pytest
from batch_runs import KEY, Batch, by_id, error, flags, lines, rows, statuses
from counting_server import CountingServer, Response, prompt_of
from processes import error_of, running, shell, wait_for


def line(identity, status="ok", asked="a", **more):
    """A line as a run writes it, as far as merging looks at it."""
    final = status != "failed"
    return {"id": identity, "status": status, "hash": asked * 32, "calls": 1, "final": final, "said": "中"} | more


@pytest.fixture
def merge(glm, cwd):
    def run(*outputs, more=(), **options):
        names = []
        for number, output in enumerate(outputs):
            names.append(f"{number}.jsonl")
            (cwd / names[-1]).write_bytes(output if isinstance(output, bytes) else lines(output).encode())
        return glm("batch", "merge", *names, *more, **options)

    return run


def said(done):
    return [json.loads(text) for text in done.text.split("\n")[:-1]]


def test_shards_are_joined(glm, cwd) -> None:
    with CountingServer() as server:
        batch = Batch(glm, cwd, server)
        batch.write(rows(50))
        for shard in ("1", "2", "3"):
            given = ("-O", f"out-{shard}.jsonl", "--shard", f"{shard}/3")
            assert glm("batch", "run", "in.jsonl", *flags(server), *given, env=KEY).code == 0
        parts = [cwd / f"out-{shard}.jsonl" for shard in "123"]
        done = glm("batch", "merge", *(path.name for path in parts), "-O", "out.jsonl", "--input", "in.jsonl")
        assert (done.code, done.out, done.err) == (0, b"", "glm: 50 rows of 3 files\n")
        assert batch.output.read_bytes() == b"".join(path.read_bytes() for path in parts)
        assert batch.run().code == 0  # it is an output like any other
        assert len(server.prompts) == 50


def test_an_answer_beats_any_failure(merge) -> None:
    first = [line("a", "failed"), line("b"), line("c", "filtered")]
    second = [line("a", said=2), line("b", "failed"), line("c", "failed", said=2)]
    done = merge(first, second)
    assert done.code == 11
    assert said(done) == [line("b"), line("a", said=2), line("c", "failed", said=2)]
    assert error(done) == "1 of 3 rows have no answer; 1 may still get one"


def test_the_first_of_two_equal_answers(merge) -> None:
    done = merge([line("a", said=1)], [line("a", said=2)])
    assert (done.code, said(done)) == (0, [line("a", said=1)])


def test_answers_to_different_requests(merge) -> None:
    first, second = [line("x"), line("a", said=1)], [line("a", asked="b", said=2), line("y")]
    done = merge(first, second)
    assert (done.code, done.out) == (2, b"")
    assert error(done) == "the id 'a' has answers to two requests: 0.jsonl:2 and 1.jsonl:1"
    done = merge(first, second, more=["--keep-changed"])
    assert (done.code, said(done)) == (0, [line("x"), line("a", said=1), line("y")])


def test_within_a_file_the_last_answer_counts(merge) -> None:
    """A run with --redo-changed that was killed leaves both."""
    done = merge([line("a", said=1), line("a", asked="b", said=2), line("a", "failed", asked="b")])
    assert (done.code, said(done)) == (0, [line("a", asked="b", said=2)])


def test_an_old_answer_that_a_later_one_replaced_is_no_other_answer(merge) -> None:
    redone, both = [line("a", asked="b", said=1)], [line("a", asked="c"), line("a", asked="b", said=2)]
    done = merge(redone, both)
    assert (done.code, said(done)) == (0, redone)
    assert merge(redone, both[::-1]).code == 2


def test_lines_are_copied_byte_for_byte(merge) -> None:
    odd = (
        b'{ "id":"a" , "status":"ok","hash":"'
        + b"a" * 32
        + b'","calls":1,"final":true,"x":"\\u4e2d \xe4\xb8\xad","n":1e3}\n'
    )
    done = merge(odd)
    assert (done.code, done.out) == (0, odd)


def test_lines_longer_than_what_is_read_at_once(merge) -> None:
    """A file is read in pieces of a MiB."""
    long = [line(f"r{number}", said="x" * size) for number, size in enumerate([3 << 20, 1, (1 << 20) - 1, 5 << 20])]
    done = merge(long, [line("a")])
    assert (done.code, said(done)) == (0, [*long, line("a")])


def test_torn_lines_are_mentioned(merge, cwd) -> None:
    whole = lines([line("a"), line("b")]).encode()
    done = merge(whole[:-9], whole[:-1], lines([line("c")]).encode() + b"\0" * 100)
    assert done.code == 0
    assert "glm: 0.jsonl: 1 line cannot be read (line 2: it is not JSON): left out\n" in done.err
    assert "1.jsonl" not in done.err
    assert "glm: 2.jsonl: 1 line cannot be read (line 2: " in done.err
    assert said(done) == [line("a"), line("b"), line("c")]
    assert (cwd / "0.jsonl").read_bytes() == whole[:-9]


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_file_of_another_kind_is_not_torn(merge, end) -> None:
    for data in (b'{"prompt": "Who are you?"}', b"Who are you?"):
        done = merge([line("a")], data + end)
        assert (done.code, done.out) == (2, b"")
        assert error(done).startswith("1.jsonl:1: not a line of a ledger: it ")
    done = merge([line("a")], b'{"id": "b", "line": 2, "sta')
    assert (done.code, said(done)) == (0, [line("a")])


def test_blank_lines_say_nothing(merge) -> None:
    done = merge(b"\n" + lines([line("a")]).encode() + b" \r\n", [line("b")])
    assert (done.code, said(done), done.err) == (0, [line("a"), line("b")], "glm: 2 rows of 2 files\n")


def test_rows_that_are_missing(merge, cwd) -> None:
    (cwd / "in.jsonl").write_text(lines(rows(9)) + "no row\n")
    done = merge([line("r1"), line("r3"), line("line-10", "invalid")], more=["--input", "in.jsonl"])
    assert done.code == 11
    assert "glm: in.jsonl: 7 rows missing: r0, r2, r4, r5, r6, …\n" in done.err
    assert error(done) == "8 of 10 rows have no answer; 7 may still get one"


def test_rows_without_ids_can_only_be_counted(merge, cwd) -> None:
    own, again = "ab" * 16, "ab" * 16 + "#2"
    (cwd / "in.jsonl").write_text(lines([{"prompt": "x"}] * 4))
    answers = [line(identity, hash=own) for identity in (own, again)]
    done = merge(answers, more=["--input", "in.jsonl"])
    assert done.code == 11
    assert "in.jsonl: 2 rows missing of those without an id, which can only be counted" in done.err
    (cwd / "in.jsonl").write_text(lines([{"prompt": "x"}] * 2))
    assert merge(answers, more=["--input", "in.jsonl"]).code == 0


def test_two_answers_to_one_row_without_an_id_are_no_two_rows(merge, cwd) -> None:
    """Another model makes another request of it, and another name."""
    (cwd / "in.jsonl").write_text(lines([{"prompt": "x"}, {"prompt": "y"}, {"prompt": "z"}]))
    names = [letter * 32 for letter in "abcd"]
    answers = [line(name, hash=name, line=1 + number % 2) for number, name in enumerate(names)]
    done = merge(answers[:2], answers[2:], more=["--input", "in.jsonl"])
    assert (done.code, error(done)) == (11, "1 of 5 rows have no answer; 1 may still get one")


def place(number, asked, **more):
    """A row that could not be asked, as a run calls it."""
    return line(f"line-{number}", "invalid", asked, line=number, **more)


def test_bad_rows_of_different_inputs_are_different_rows(glm, merge, cwd) -> None:
    first, second = [place(1, "a"), place(2, "b")], [place(1, "a"), place(2, "c", said="\ud800"), line("line-9")]
    third = [place(2, "d"), place(9, "e"), place(2, "f") | {"id": "line-2#bad"}]
    in_ascii = "".join(json.dumps(one) + "\n" for one in second).encode()  # half a surrogate pair has no UTF-8
    done = merge(first, in_ascii, third, more=["-O", "all.jsonl"])
    assert (done.code, error(done)) == (15, "6 of 7 rows have no answer, and would only fail again")
    found = by_id(cwd / "all.jsonl")
    assert {name: row["hash"][0] for name, row in found.items()} == {
        "line-1": "a", "line-2": "b", "line-2#2": "c", "line-2#3": "d", "line-2#bad": "f",
        "line-9": "a", "line-9#2": "e",
    }  # fmt: skip
    assert found["line-2#2"] == place(2, "c", id="line-2#2", said="\ud800")
    again = glm("batch", "merge", "all.jsonl", "1.jsonl", "-O", "again.jsonl")
    assert (again.code, by_id(cwd / "again.jsonl")) == (15, found)


def test_only_final_failures(merge) -> None:
    done = merge([line("a"), line("b", "filtered"), line("line-3", "invalid")])
    assert done.code == 15
    assert error(done) == "2 of 3 rows have no answer, and would only fail again"


def test_the_output_is_never_half(merge, cwd) -> None:
    (cwd / "out.jsonl").write_text("before")
    done = merge([line("a")], b"no line\n", more=["-O", "out.jsonl"])
    assert (done.code, error(done)) == (2, "1.jsonl:1: not a line of a ledger: it is not JSON")
    assert (cwd / "out.jsonl").read_text() == "before"
    assert {path.name for path in cwd.iterdir()} == {"0.jsonl", "1.jsonl", "out.jsonl"}


def test_a_full_disk_leaves_the_old_output(merge, cwd) -> None:
    (cwd / "out.jsonl").write_text("before")
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))}
    done = merge([line("a"), line("b"), line("c")], more=["-O", "out.jsonl"], env=KEY, **limit)
    assert (done.code, error(done)) == (14, "cannot write to out.jsonl: File too large")
    assert (cwd / "out.jsonl").read_text() == "before"
    assert {path.name for path in cwd.iterdir()} == {"0.jsonl", "out.jsonl"}


def test_the_output_of_a_run_that_goes_on(batch, home, cwd) -> None:
    batch.server.respond = lambda body: Response(hangs=True) if prompt_of(body) == "question 1" else None
    batch.write(rows(2))
    (cwd / "part.jsonl").write_text(lines([line("a")]))
    with running(home, cwd, *batch.arguments(), env=KEY) as process:
        batch.server.wait_for_answers(1)
        wait_for(lambda: batch.output.exists() and batch.output.stat().st_size)
        done = batch.glm("batch", "merge", "part.jsonl", "-O", "out.jsonl")
        assert (done.code, error(done)) == (2, f"--output: out.jsonl is in use by another glm (process {process.pid})")
        done = batch.glm("batch", "merge", "out.jsonl")
        assert (done.code, done.err) == (
            0,
            f"glm: out.jsonl: process {process.pid} still writes it\nglm: 1 row of 1 file\n",
        )
        process.kill()
    assert statuses(batch.output) == {"r0": "ok"}


def test_answers_that_are_nowhere_else_are_not_written_over(merge, cwd) -> None:
    """A run went on from an earlier merge, which is then made anew."""
    before = lines([line("a"), line("b", "failed"), line("c", said=3)])
    (cwd / "out.jsonl").write_text(before)
    done = merge([line("a")], [line("c", "failed")], more=["-O", "out.jsonl"])
    assert (done.code, error(done)) == (2, "out.jsonl has 1 answer that none of these files has")
    assert (cwd / "out.jsonl").read_text() == before
    assert {path.name for path in cwd.iterdir()} == {"0.jsonl", "1.jsonl", "out.jsonl"}
    assert merge([line("a")], [line("c")], more=["-O", "out.jsonl"]).code == 0
    assert (cwd / "out.jsonl").read_text() == lines([line("a"), line("c")])


def test_a_file_that_changes_between_the_two_readings(home, cwd) -> None:
    (cwd / "part.jsonl").write_text(lines([line("a"), line("b")]))
    os.mkfifo(cwd / "in.jsonl")
    arguments = ("batch", "merge", "part.jsonl", "--input", "in.jsonl", "-O", "out.jsonl")
    with running(home, cwd, *arguments) as process:
        with (cwd / "in.jsonl").open("w"):  # it is read between them
            (cwd / "part.jsonl").write_text("\n" + lines([line("a"), line("b")]))
        said = process.stderr.read().decode()
        assert (process.wait(30), error_of(said)) == (2, "part.jsonl was changed while it was read")
    assert not (cwd / "out.jsonl").exists()


def test_a_full_temporary_folder(home, cwd) -> None:
    (cwd / "part.jsonl").write_text("".join(lines([line(f"r{n}", asked=f"{n:0100}")]) for n in range(15_000)))
    done = shell('ulimit -f 8000; "$GLM" batch merge part.jsonl', home, cwd)
    assert done.returncode == 14
    assert error_of(done.stderr.decode()).startswith("cannot keep the rows in a temporary file: ")


def test_a_file_that_is_called_like_a_stream(glm, cwd) -> None:
    (cwd / "stdout").write_text(lines([line("a")]))
    done = glm("batch", "merge", "stdout", "-O", "./stdout")
    assert (done.code, error(done)) == (2, "stdout and --output name the same file: ./stdout")
    assert (cwd / "stdout").read_text() == lines([line("a")])


@pytest.mark.parametrize("name", ["1.jsonl", "./1.jsonl", "link.jsonl"])
def test_the_output_is_one_of_the_inputs(merge, cwd, name) -> None:
    (cwd / "1.jsonl").write_text("")
    (cwd / "link.jsonl").symlink_to("1.jsonl")
    done = merge([line("a")], [line("b")], more=["-O", name])
    assert (done.code, error(done)) == (2, f"1.jsonl and --output name the same file: {name}")
    assert (cwd / "1.jsonl").read_text() == lines([line("b")])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.jsonl", "cannot read none.jsonl: No such file or directory"),
        ("-", "an output is read twice, which stdin cannot be"),
        ("/dev/null", "cannot read /dev/null: it is no regular file, and an output is read twice"),
        ("latin.jsonl", "latin.jsonl:1: not a line of a ledger: it is not JSON"),
    ],
)
def test_what_is_no_output(glm, cwd, name, message) -> None:
    (cwd / "latin.jsonl").write_bytes(lines([line("a", said="x")]).encode().replace(b'"x"', b'"\xe9"'))
    done = glm("batch", "merge", name)
    assert (done.code, error(done)) == (2, message)


def test_many_files_take_few_descriptors(merge, cwd) -> None:
    outputs = [[line(f"r{number}")] for number in range(100)]
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))}
    done = merge(*outputs, more=["-O", "out.jsonl"], **limit)
    assert done.code == 0, done.err
    assert len(by_id(cwd / "out.jsonl")) == 100
