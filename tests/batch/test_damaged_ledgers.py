"""Outputs that a disk or a person damaged: the lines that can be read count, the others are set aside."""

from __future__ import annotations

import json

import pytest
from batch_runs import by_id, entries, rows
from processes import file_names

COUNT = 5
BOM = b"\xef\xbb\xbf"


def zeros(data: bytes, begin: int, end: int) -> bytes:
    return data[:begin] + bytes(end - begin) + data[end:]


def cut(data: bytes, begin: int, end: int) -> bytes:
    return data[:begin] + data[end:]


def spans(data: bytes) -> list[tuple[int, int]]:
    """Where each line begins and ends, its newline included."""
    ends = [place + 1 for place, byte in enumerate(data) if byte == 0x0A]
    return list(zip([0, *ends], ends, strict=False))


def between(data: bytes, number: int, new: bytes) -> bytes:
    """New bytes before a line."""
    at = spans(data)[number][0]
    return data[:at] + new + data[at:]


# What happens to the five lines r0 to r4, which of them are left, and how many lines cannot be read.
DAMAGES = {
    "a line of zeros": (lambda d: zeros(d, spans(d)[1][0], spans(d)[1][1] - 1), "0234", 1),
    "a line and its newline": (lambda d: zeros(d, *spans(d)[1]), "0234", 1),
    "the newline alone": (lambda d: zeros(d, spans(d)[1][1] - 1, spans(d)[1][1]), "01234", 1),
    "a block over three lines": (lambda d: zeros(d, spans(d)[1][0] + 40, spans(d)[3][0] + 40), "04", 1),
    "two blocks": (lambda d: zeros(zeros(d, *spans(d)[3]), *spans(d)[1]), "024", 2),
    "the beginning": (lambda d: zeros(d, 0, spans(d)[1][0] + 9), "234", 1),
    "the end": (lambda d: zeros(d, spans(d)[3][0] + 9, len(d)), "012", 1),
    "zeros between lines": (lambda d: between(d, 2, bytes(4096)), "01234", 1),
    "other bytes": (lambda d: between(d, 2, b"\xff\xfe\x01\n"), "01234", 1),
    "words": (lambda d: between(d, 2, b"<html>Bad gateway</html>\n\n{}\n"), "01234", 2),
    "a line without its middle": (lambda d: cut(d, spans(d)[2][0] + 30, spans(d)[2][1] - 30), "0134", 1),
    "two lines that became one": (lambda d: cut(d, spans(d)[1][0] + 30, spans(d)[2][0] + 33), "034", 1),
    "a bit": (lambda d: d.replace(b'"id": "r2"', b'"iD": "r2"'), "0134", 1),
    "no newline at all": (lambda d: d.replace(b"\n", b""), "01234", 0),
    "a newline that a join lacks": (lambda d: cut(d, spans(d)[2][1] - 1, spans(d)[2][1]), "01234", 0),
    "a torn line before the files were joined": (lambda d: cut(d, spans(d)[1][0] + 30, spans(d)[1][1]), "0234", 1),
    "byte order marks": (lambda d: BOM + between(d, 2, BOM), "01234", 0),
    "a torn end too": (lambda d: zeros(d, *spans(d)[1])[:-9], "023", 2),
}


@pytest.fixture
def damaged(batch):
    """An output of five rows, damaged: which rows are left, how many bytes they have, how many lines cannot be read."""

    def damage(name):
        batch.write(rows(COUNT))
        assert batch.run("--ordered", "-q").code == 0
        change, left, unreadable = DAMAGES[name]
        whole = batch.output.read_bytes()
        batch.output.write_bytes(change(whole))
        batch.server.prompts.clear()
        return set(left), sum(len(whole.split(b"\n")[int(number)]) for number in left), unreadable

    return damage


@pytest.mark.sampled(3)
@pytest.mark.parametrize("flags", [(), ("--ordered",), ("--sync",)])
@pytest.mark.parametrize("name", DAMAGES)
def test_a_run_goes_on_from_what_can_be_read(batch, damaged, name, flags) -> None:
    left, kept, unreadable = damaged(name)
    before = batch.output.read_bytes()
    torn = batch.output.with_name("out.jsonl.torn")
    torn.write_bytes(b"from before\n")
    done = batch.run(*flags)
    assert done.code == 0
    assert {prompt.removeprefix("question ") for prompt in batch.server.prompts} == set("01234") - left
    assert {number: entry["answer"] for number, entry in by_id(batch.output).items()} == {
        f"r{number}": f"Re: question {number}" for number in range(COUNT)
    }
    said = f"glm: out.jsonl: {unreadable} line{'s' * (unreadable > 1)} cannot be read ("
    assert done.err.count(said) == (unreadable > 0)
    aside = torn.read_bytes()
    assert aside.startswith(b"from before\n")
    lost = len(before.replace(b"\n", b"").replace(BOM, b"")) - kept
    assert len(aside.replace(b"\n", b"")) - len(b"from before") == lost
    assert batch.run().err.count("cannot be read") == 0
    assert file_names(batch.output.parent) == {"in.jsonl", "out.jsonl", "out.jsonl.torn"}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", DAMAGES)
def test_report_and_merge_leave_out_what_cannot_be_read(batch, damaged, glm, name) -> None:
    left, _, unreadable = damaged(name)
    before = batch.output.read_bytes()
    said = json.loads(glm("batch", "report", "out.jsonl", "--json").out)
    assert (said["rows"], said["torn_lines"]) == (len(left), unreadable)
    merged = glm("batch", "merge", "out.jsonl", "-O", "all.jsonl")
    assert merged.code == 0
    assert {entry["id"] for entry in entries(batch.output.with_name("all.jsonl"))} == {f"r{number}" for number in left}
    assert merged.err.count("cannot be read") == (unreadable > 0)
    assert batch.output.read_bytes() == before


def test_zeros_where_the_first_line_would_be(batch) -> None:
    """A power cut in the first second may leave nothing else."""
    batch.write(rows(1))
    batch.output.write_bytes(bytes(300))
    assert batch.run().code == 0
    assert set(by_id(batch.output)) == {"r0"}
