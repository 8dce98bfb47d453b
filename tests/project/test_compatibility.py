"""docs/compatibility.md: each row says what it rests on, and the page says what the sources do."""

from __future__ import annotations

import re

import pytest
from console_examples import TOP

from glmcli import documents
from glmcli.chat.reply import ENDINGS
from glmcli.http.timeouts import EARLY_LINGER, LINGER

TEXT = (TOP / "docs" / "compatibility.md").read_text(encoding="utf-8")
RULES = TEXT.partition("## What was looked at")[0]
ROWS = re.findall(
    r"^\|(?! *(?:server|gateway|setting) \||-)(.*)\|$", TEXT.partition("### Hosted providers")[2], re.MULTILINE
)
KNOWN_BY = {"captured bytes", "source code read", "public report", "page", "not checked again"}
DATED = re.compile(r"https://\S+ \((?:a run of )?20\d\d(?:-\d\d){0,2}\)|a run of 20\d\d-\d\d-\d\d")
REPORT = re.compile(r"[\w.-]+/[\w.-]+/(?:issues|pull)/\d+")
# The modules that read replies; the sources of codes and sentences stand beside them in their own.
READERS = ("decoder", "error_payload", "openai", "reply_fields", "sse", "text_filter", "text_remarks")
# Reports that are of no server: what other programs do with bytes, and where a gateway's own words come from.
ELSEWHERE = {
    "Aider-AI/aider/issues/3693",
    "OpenHands/OpenHands/issues/5350",
    "aaif-goose/goose/issues/11667",
    "google-gemini/gemini-cli/issues/12098",
    "songquanpeng/one-api/issues/1270",
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[:50].strip())
def test_a_row_says_what_it_rests_on(row) -> None:
    cells = [cell.strip() for cell in row.split("|")]
    assert len(cells) == 6
    assert all(cells)
    source, known_by = cells[4:]
    assert "https://" in source
    links = source.count("https://")
    assert len(DATED.findall(source)) >= links
    assert set(known_by.split(", ")) <= KNOWN_BY


def test_there_are_three_tables() -> None:
    assert len(ROWS) > 100


def test_the_reports_that_comments_cite_are_there() -> None:
    files = [TOP / "glmcli" / "providers" / f"{name}.py" for name in READERS]
    files += [TOP / "glmcli" / "chat" / "reply.py", TOP / "glmcli" / "http" / "timeouts.py"]
    cited = {report for file in files for report in REPORT.findall(file.read_text(encoding="utf-8"))}
    assert cited - set(REPORT.findall(TEXT)) - ELSEWHERE == set()


def test_the_rules_name_every_finish_and_wait() -> None:
    named = set(re.findall(r"`(\w+)`", RULES))
    assert {word for word in ENDINGS if word not in named} <= {"function_call", "model_context_window_exceeded"}
    assert f"for {LINGER:g} s; for {EARLY_LINGER:g} s" in " ".join(RULES.split())


def test_the_file_that_is_shown_is_valid() -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    documents.check(documents.parse(text.encode(), "compatibility.md"), "config")


@pytest.mark.parametrize(
    ("page", "link"), [("README.md", "docs/compatibility.md"), ("docs/architecture.md", "compatibility.md")]
)
def test_it_is_found_where_a_reader_looks(page, link) -> None:
    assert f"]({link})" in (TOP / page).read_text(encoding="utf-8")
