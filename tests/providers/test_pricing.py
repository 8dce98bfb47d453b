"""What a question costs: the provider's list price for the tokens that it counted, or null."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from program import CANARY
from proxies import ConnectHandshake, Relay, tls, url_of
from scripted_server import END, Server, chunk, delta, event, head, stream

from glmcli.chat.events import Usage
from glmcli.providers import pricing
from glmcli.providers.table import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = ("BIGMODEL_API_KEY", "ZAI_API_KEY", "DASHSCOPE_API_KEY", "TOKENHUB_API_KEY")
HOSTS = (
    "api.z.ai",
    "open.bigmodel.cn",
    "dashscope.aliyuncs.com",
    "dashscope-intl.aliyuncs.com",
    "tokenhub-intl.tencentcloudmaas.com",
)


def usage(tokens_in: int | None, tokens_out: int | None, cached: int | None = None) -> dict[str, Any]:
    details = {} if cached is None else {"prompt_tokens_details": {"cached_tokens": cached}}
    return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": None, **details}


def answering(counted: dict[str, Any] | None) -> list[bytes]:
    return stream(delta(content="Hi"), delta(content="", finish_reason="stop", usage=counted))


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue("providers", ",".join(f"DNS:{host}" for host in HOSTS))


@pytest.fixture
def real(authority, certificate):
    """Servers that stand, behind a proxy, at the providers' own addresses."""

    @contextmanager
    def at_their_places(*scripts: list[bytes]) -> Iterator[dict[str, str]]:
        with (
            Server(*scripts) as server,
            Relay(tls(certificate), server.port) as inner,
            Relay(ConnectHandshake(), inner.port) as proxy,
        ):
            keys = dict.fromkeys(KEYS, CANARY)
            yield keys | {"https_proxy": url_of(proxy), "SSL_CERT_FILE": str(authority.file)}

    return at_their_places


def cost_of(done) -> dict[str, Any] | None:
    assert done.code == 0, done.err
    return json.loads(done.out)["cost"]


# Model, input, output, cached -> amount, currency: the prices of the pages, worked out by hand.
COSTS = [
    ("zai/glm-5", (1_000_000, 0, None), (1.0, "USD")),
    ("zai/glm-5", (0, 1_000_000, None), (3.2, "USD")),
    ("zai/glm-5", (7, 20, 3), (0.0000686, "USD")),  # 4 x 1.0 + 3 x 0.2 + 20 x 3.2 a million
    ("zai/glm-5.3", (1000, 500, 1000), (0.00246, "USD")),  # 1000 x 0.26 + 500 x 4.4
    ("zai/glm-4.7-flash", (1000, 500, 0), (0.0, "USD")),
    ("zai/glm-4-32b-0414-128k", (1000, 500, None), (0.00015, "USD")),
    ("bigmodel/glm-5.1", (31_999, 1000, 0), (0.215994, "CNY")),  # 31,999 x 6 + 1000 x 24
    ("bigmodel/glm-5.1", (40_000, 1000, 10_000), (0.288, "CNY")),  # 30,000 x 8 + 10,000 x 2 + 1000 x 28
    ("bigmodel/glm-5", (1000, 500, 400), (0.0118, "CNY")),  # 600 x 4 + 400 x 1 + 500 x 18
    ("bigmodel/glm-5v-turbo", (40_000, 1000, 10_000), (0.254, "CNY")),  # 30,000 x 7 + 10,000 x 1.8 + 1000 x 26
    ("bigmodel/glm-4.7", (1000, 100, 0), (0.0028, "CNY")),  # 1000 x 2 + 100 x 8
    ("bigmodel/glm-4.7", (1000, 1000, 0), (0.017, "CNY")),  # 1000 x 3 + 1000 x 14
    ("modelstudio/glm-5", (100_000, 1000, 0), (0.622, "CNY")),  # 100,000 x 6 + 1000 x 22
    ("modelstudio/glm-5.2-fast-preview", (1000, 1000, 500), (0.066, "CNY")),  # 500 x 16 + 500 x 4 + 1000 x 56
    ("tokenhub/glm-5.2", (1000, 1000, 0), (0.0058, "USD")),
    # Not known:
    ("zai/glm-5.3-highspeed", (1000, 1000, 0), None),  # no price
    ("zai/glm-99", (1000, 1000, 0), None),  # not in the catalogue
    ("bigmodel/glm-5.1", (32_500, 1000, 0), None),  # what does "32K" mean?
    ("bigmodel/glm-4.7", (1000, 202, 0), None),  # and "0.2K"?
    ("bigmodel/glm-4.7", (250_000, 1000, 0), None),  # beyond the last tier
    ("modelstudio/glm-5", (1000, 1000, 500), None),  # no price of cached input below 32K
    ("modelstudio/glm-4.5", (1000, 1000, 500), None),  # no price of cached input
    ("zai/glm-5", (None, 1000, None), None),
    ("zai/glm-5", (1000, None, None), None),
    ("zai/glm-5", (1000, 1000, 2000), None),  # more cached than there was
]


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("model", "counted", "wanted"), COSTS)
def test_tokens_at_the_list_price(glm, real, model, counted, wanted) -> None:
    with real(answering(usage(*counted))) as env:
        cost = cost_of(glm("ask", "-m", model, "--json", "hi", env=env))
    assert (cost and (cost["amount"], cost["currency"])) == wanted
    if cost:
        assert cost["as_of"].startswith("20")


# What a question costs around the border of its tiers, which the pages write as 32K: below, in the gap, above. A row is
# input, output, cached -> amount, worked out by hand from the price pages; None: not known.
BELOW, GAP, ABOVE = 31_999, 32_400, 32_769
BORDERS = {
    "bigmodel/glm-5": {
        (BELOW, 1000, 0): 0.145996,  # 31,999 x 4 + 1000 x 18
        (BELOW, 1000, 10_000): 0.115996,  # 21,999 x 4 + 10,000 x 1 + 1000 x 18
        (32_000, 1000, 0): None,
        (GAP, 1000, 0): None,
        (32_768, 1000, 0): None,
        (ABOVE, 1000, 0): 0.218614,  # 32,769 x 6 + 1000 x 22
        (ABOVE, 1000, 10_000): 0.173614,  # 22,769 x 6 + 10,000 x 1.5 + 1000 x 22
    },
    "bigmodel/glm-5-turbo": {
        (BELOW, 1000, 0): 0.181995,  # 31,999 x 5 + 1000 x 22
        (BELOW, 1000, 10_000): 0.143995,  # 21,999 x 5 + 10,000 x 1.2 + 1000 x 22
        (GAP, 1000, 0): None,
        (ABOVE, 1000, 0): 0.255383,  # 32,769 x 7 + 1000 x 26
        (ABOVE, 1000, 10_000): 0.203383,  # 22,769 x 7 + 10,000 x 1.8 + 1000 x 26
    },
    "bigmodel/glm-5v-turbo": {
        (BELOW, 1000, 0): 0.181995,
        (BELOW, 1000, 10_000): 0.143995,
        (GAP, 1000, 10_000): None,
        (ABOVE, 1000, 0): 0.255383,
        (ABOVE, 1000, 10_000): 0.203383,
    },
    "bigmodel/glm-5.2": {(BELOW, 1000, 0): 0.283992, (GAP, 1000, 0): 0.2872, (GAP, 1000, 10_000): 0.2272},  # one price
    "bigmodel/glm-4.7-flashx": {(ABOVE, 1000, 0): 0.0193845, (ABOVE, 1000, 32_769): 0.0062769},
    "bigmodel/glm-4.6v-flashx": {
        (BELOW, 1000, 0): 0.00629985,  # 31,999 x 0.15 + 1000 x 1.5
        (BELOW, 1000, 10_000): 0.00509985,  # 21,999 x 0.15 + 10,000 x 0.03 + 1000 x 1.5
        (GAP, 1000, 0): None,
        (ABOVE, 1000, 0): 0.0128307,  # 32,769 x 0.3 + 1000 x 3
        (ABOVE, 1000, 10_000): 0.0101307,  # 22,769 x 0.3 + 10,000 x 0.03 + 1000 x 3
        (128_001, 1000, 0): None,
    },
    "bigmodel/glm-4.5v": {
        (BELOW, 1000, 10_000): 0.053998,  # 21,999 x 2 + 10,000 x 0.4 + 1000 x 6
        (GAP, 1000, 0): None,
        (ABOVE, 1000, 10_000): 0.111076,  # 22,769 x 4 + 10,000 x 0.8 + 1000 x 12
        (64_001, 1000, 0): None,
    },
    "bigmodel/glm-4-plus": {(1000, 1000, 0): 0.01, (1000, 1000, 1000): 0.0075},
    "bigmodel/glm-4-long": {(900_000, 1000, 0): 0.901, (900_000, 1000, 900_000): 0.451},
    "bigmodel/glm-4-flashx-250414": {(1000, 1000, 1000): 0.00015},
    "bigmodel/glm-4v-plus-0111": {(1000, 1000, 1000): 0.006},
    "bigmodel/glm-4-airx": {(1000, 1000, 0): 0.02, (1000, 1000, 1): None},  # no price of cached input
    "bigmodel/glm-4-flash": {(1000, 1000, 500): 0.0},
    "zai/glm-4.5v": {(1000, 1000, 0): 0.0024, (1000, 1000, 1000): 0.00191},
    "modelstudio/glm-5": {
        (32_000, 1000, 0): 0.146,  # 32,000 x 4 + 1000 x 18
        (32_000, 1000, 1): None,
        (GAP, 1000, 0): None,
        (ABOVE, 1000, 0): 0.218614,
        (ABOVE, 1000, 10_000): 0.170614,  # 22,769 x 6 + 10,000 x 1.2 + 1000 x 22
        (200_001, 1000, 0): None,
    },
    "modelstudio/glm-5.3": {
        (GAP, 1000, 0): 0.2872,
        (GAP, 1000, 10_000): 0.2232,
    },  # 22,400 x 8 + 10,000 x 1.6 + 1000 x 28
    "modelstudio/glm-4.7": {(32_000, 1000, 0): 0.11, (GAP, 1000, 0): None, (ABOVE, 1000, 0): 0.147076},
    "modelstudio/ZHIPU/GLM-5.3-Flash": {(1000, 1000, 0): 0.0036, (1000, 1000, 1): None},
    "tokenhub/glm-5.3": {(1000, 1000, 500): 0.00523},  # 500 x 1.4 + 500 x 0.26 + 1000 x 4.4
    "tokenhub/glm-5.3-flash": {(1000, 1000, 500): 0.00059},  # 500 x 0.15 + 500 x 0.03 + 1000 x 0.5
    "tokenhub/glm-5.3-flashx": {(1000, 1000, 1000): 0.001325},
}


@pytest.mark.parametrize("model", BORDERS)
def test_costs_around_the_borders_of_tiers(model) -> None:
    row, _, name = model.partition("/")
    found = {
        counted: pricing.cost(PROVIDERS[row], name, Usage(counted[0], counted[1], cached_tokens=counted[2]))
        for counted in BORDERS[model]
    }
    assert {counted: cost and cost.amount for counted, cost in found.items()} == BORDERS[model]


@pytest.mark.parametrize(
    ("counted", "amount"),
    [((BELOW, 1000), 0.072998), ((GAP, 1000), None), ((ABOVE, 1000), 0.109307)],  # half of what it costs asked alone
)
def test_a_batch_costs_half_at_bigmodel(counted, amount) -> None:
    """docs.bigmodel.cn/cn/faq/batch-api-issues (2026-11-21)."""
    cost = pricing.batch_cost(PROVIDERS["bigmodel"], "glm-5", Usage(*counted))
    assert (cost and cost.amount) == amount


def test_without_usage_it_is_unknown(glm, real) -> None:
    with real(answering(None)) as env:
        assert cost_of(glm("ask", "-m", "zai/glm-5", "--json", "hi", env=env)) is None


def test_dashscope_has_the_prices_of_model_studio(glm, real) -> None:
    output = {"choices": [{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
    counted = {"input_tokens": 1000, "output_tokens": 1000}
    frame = b"id:1\nevent:result\n:HTTP_STATUS/200\n" + event({"output": output, "usage": counted})
    with real([head(), chunk(frame), END]) as env:
        done = glm("ask", "-m", "dashscope/ZHIPU/GLM-5", "--json", "hi", env=env)
    assert cost_of(done) == {"amount": 0.028, "currency": "CNY", "as_of": "2026-07-31"}


@pytest.mark.parametrize(
    ("provider", "base"),
    [
        ("zai", "https://api.z.ai/api/coding/paas/v4"),
        ("modelstudio", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        ("zai", "{url}"),
    ],
)
def test_another_address_has_other_prices(glm, real, provider, base) -> None:
    with real(answering(usage(100_000, 1000))) as env, Server(answering(usage(100_000, 1000))) as server:
        url = base.format(url=server.url)
        done = glm("ask", "-P", provider, "--base-url", url, "--json", "hi", env=env | {"NO_PROXY": "127.0.0.1"})
    assert cost_of(done) is None


def test_the_sandbox_costs_nothing_that_is_known(glm) -> None:
    assert cost_of(glm("ask", "-m", "sandbox/glm-5", "--json", "hi")) is None


PAGES = [{"refer": "ref_1", "title": "T", "link": "https://a.example/"}]


def telling(pages: object) -> list[bytes]:
    """A reply of 1000 tokens in and 1000 out that tells of a search."""
    last = delta(content="", finish_reason="stop", usage=usage(1000, 1000))
    return stream(delta(content="Hi"), last | {"web_search": pages})


def web_search(**options: Any) -> list[dict[str, Any]]:
    return [{"type": "web_search", "web_search": {"enable": True, **options}}]


UNTOLD = answering(usage(1000, 1000))
# Model, server tools, reply -> amount: the tokens cost USD 0.0042 at zai/glm-5 and CNY 0.03 at bigmodel/glm-5.1.
SEARCHED = {
    "Z.ai, whatever the engine": ("zai/glm-5", web_search(search_engine="search-prime"), telling(PAGES), 0.0142),
    "Z.ai, no engine": ("zai/glm-5", web_search(), telling(PAGES), 0.0142),
    "it found nothing": ("zai/glm-5", web_search(), telling([]), 0.0142),
    "std": ("bigmodel/glm-5.1", web_search(search_engine="search_std"), telling(PAGES), 0.04),
    "pro": ("bigmodel/glm-5.1", web_search(search_engine="search_pro"), telling(PAGES), 0.06),
    "sogou": ("bigmodel/glm-5.1", web_search(search_engine="search_pro_sogou"), telling(PAGES), 0.08),
    "quark": ("bigmodel/glm-5.1", web_search(search_engine="search_pro_quark"), telling(PAGES), 0.08),
    "the model did not search": ("zai/glm-5", web_search(search_result=True), UNTOLD, 0.0042),
    "switched off": ("zai/glm-5", web_search(enable=False), UNTOLD, 0.0042),
    # Not known:
    "no word of a search": ("zai/glm-5", web_search(), UNTOLD, None),
    "switched off, and it searched": ("zai/glm-5", web_search(enable=False), telling(PAGES), None),
    "another engine": ("bigmodel/glm-5.1", web_search(search_engine="search_new"), telling(PAGES), None),
    "no engine": ("bigmodel/glm-5.1", web_search(), telling(PAGES), None),
    "an engine that is no name": ("bigmodel/glm-5.1", web_search(search_engine=["search_std"]), telling(PAGES), None),
    "no options": ("bigmodel/glm-5.1", [{"type": "web_search", "web_search": "on"}], telling(PAGES), None),
    "no price of tokens": ("zai/glm-5.3-highspeed", web_search(), telling(PAGES), None),
    "retrieval": ("zai/glm-5", [{"type": "retrieval", "retrieval": {"knowledge_id": "1"}}], UNTOLD, None),
    "two tools": ("zai/glm-5", web_search() + web_search(), telling(PAGES), None),
    "nobody asked for it": ("zai/glm-5", [], telling(PAGES), None),
}


@pytest.mark.parametrize("name", SEARCHED)
def test_a_search_has_a_price_of_its_own(glm, real, cwd, name) -> None:
    model, tools, script, wanted = SEARCHED[name]
    (cwd / "r.json").write_text(json.dumps({"prompt": "hi", "server_tools": tools} if tools else {"prompt": "hi"}))
    with real(script) as env:
        cost = cost_of(glm("ask", "-m", model, "-f", "r.json", "--json", env=env))
    assert (cost and cost["amount"]) == wanted


def test_a_search_of_a_reply_that_was_cut_is_not_known(glm, real, cwd) -> None:
    (cwd / "r.json").write_text(json.dumps({"prompt": "hi", "server_tools": web_search(search_result=True)}))
    with real(stream(delta(content="Hi", usage=usage(1000, 1000)), done=False)) as env:
        done = glm("ask", "-m", "zai/glm-5", "-f", "r.json", "--json", "--retries", "0", env=env)
    assert (done.code, json.loads(done.out)["cost"]) == (7, None)


@pytest.mark.parametrize(("value", "is_known"), [("true", False), ("false", True)])
def test_a_search_that_a_parameter_asks_for_has_no_known_price(glm, real, cwd, value, is_known) -> None:
    """Model Studio's reply tells of a search only if that was asked for too, and its price is on no page of GLM's."""
    (cwd / "in.txt").write_text("a\n")
    flags = ("-m", "modelstudio/glm-5", "-o", f"enable_search={value}", "--force", "-q")
    with real(answering(usage(1000, 1000))) as env:
        cost = cost_of(glm("ask", *flags, "--json", "hi", env=env))
        done = glm("batch", "run", "in.txt", "-O", "out.jsonl", *flags, "--max-cost", "1", env=env)
    assert (cost is not None) == is_known
    assert done.code == (0 if is_known else 12), done.err
    assert (cwd / "out.jsonl").exists() == is_known


# What a row costs is known when it has ended; until then it may make a search.
CEILINGS = {
    "each row searches": (telling(PAGES), "0.0300", 2),  # 2 x 0.0142, and a third would be 0.0426
    "the first row does not search": (UNTOLD, "0.0180", 1),  # 0.0042, and the next may cost 0.0142
    "no row searches": (UNTOLD, "0.0190", 2),
    "not even a search": (UNTOLD, "0.0100", 0),
}


@pytest.mark.parametrize("name", CEILINGS)
def test_a_ceiling_counts_searches(glm, real, cwd, name) -> None:
    script, ceiling, sent = CEILINGS[name]
    (cwd / "r.json").write_text(json.dumps({"server_tools": web_search(search_result=True)}))
    (cwd / "in.txt").write_text("a\nb\nc\nd\n")
    with real(script) as env:
        given = ("batch", "run", "in.txt", "-f", "r.json", "-m", "zai/glm-5", "-O", "out.jsonl")
        done = glm(*given, "--max-cost", ceiling, env=env)
    assert done.code == 12, done.err
    assert "the next row might cost more than is left" in done.err
    out = cwd / "out.jsonl"
    written = [json.loads(line) for line in out.read_text().splitlines()] if sent else []
    assert (len(written), out.exists()) == (sent, sent > 0)
    assert all(row["sources"] == ([PAGE] if script != UNTOLD else None) for row in written)


# A reply whose cost is not known counts as the dearest that its tokens may be. A row is: model, what its replies count,
# what two of them come to, and three.
UNSURE = {
    # No price of cached input below 32K: 1000 x 6 + 500 x 22, the tier above it, without a cache.
    "cached input": ("modelstudio/glm-5", (1000, 500, 400), 0.034, 0.051),
    # "32K": 32,400 x 6 + 1000 x 22
    "between two tiers": ("bigmodel/glm-5", (32_400, 1000, 0), 0.4328, 0.6492),
}


@pytest.mark.parametrize("name", UNSURE)
def test_a_ceiling_counts_what_a_row_may_have_cost(glm, real, cwd, name) -> None:
    model, counted, two, three = UNSURE[name]
    (cwd / "in.txt").write_text("a\nb\nc\nd\n")
    given = ("batch", "run", "in.txt", "-m", model, "-O", "out.jsonl", "-j", "1")
    for ceiling, rows in ((two, 2), (two, 2), (three, 3), (9, 4)):
        with real(*[answering(usage(*counted))] * 4) as env:
            done = glm(*given, "--max-cost", f"{ceiling:f}", env=env)
        assert done.code == (0 if rows == 4 else 12), done.err
        assert [json.loads(line)["cost"] for line in (cwd / "out.jsonl").read_text().splitlines()] == [None] * rows


def test_beyond_the_last_tier_a_ceiling_ends_the_run(glm, real, cwd) -> None:
    (cwd / "in.txt").write_text("a\nb\n")
    with real(answering(usage(250_000, 1000))) as env:
        done = glm("batch", "run", "in.txt", "-m", "bigmodel/glm-4.7", "-O", "out.jsonl", "--max-cost", "9", env=env)
    assert done.code == 12
    assert "--max-cost: what a row has cost is not known" in done.err


PAGE = {"ref": "ref_1", "title": "T", "link": "https://a.example/", "site": None, "date": None, "text": None}


@pytest.mark.parametrize(
    "tools", [web_search(), [{"type": "retrieval", "retrieval": {}}], web_search(search_result=True) * 2]
)
@pytest.mark.parametrize("place", ["the request file", "a row"])
def test_a_ceiling_and_a_tool_whose_price_is_not_known(glm, real, cwd, tools, place) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}]}
    in_row = place == "a row"
    (cwd / "r.json").write_text(json.dumps({"quiet": False} if in_row else {"server_tools": tools}))
    row = {"custom_id": "a", "body": body | ({"tools": tools} if in_row else {})}
    (cwd / "in.jsonl").write_text(json.dumps(row) + "\n")
    with real(telling(PAGES)) as env:
        given = ("batch", "run", "in.jsonl", "-f", "r.json", "-m", "zai/glm-5", "-O", "out.jsonl")
        done = glm(*given, "--max-cost", "1", env=env)
    assert done.code == 12, done.err
    assert "what the provider takes for its own tools (server_tools) is not known here" in done.err
    assert not (cwd / "out.jsonl").exists()


def test_in_the_line_of_usage(glm, real) -> None:
    with real(answering(usage(1000, 500, 200))) as env:
        done = glm("ask", "-m", "zai/glm-5", "-u", "-R", "hi", env=env)
    assert done.err.endswith(", cost 0.002440 USD (prices of 2026-09-30)\n")


def test_in_meta_and_after_a_failure(glm, real, cwd) -> None:
    cut = stream(delta(content="Hi"), delta(content="", finish_reason="length", usage=usage(1000, 500)))
    with real(cut) as env:
        done = glm("ask", "-m", "zai/glm-5", "--meta", "m.json", "hi", env=env)
    assert done.code == 7
    assert json.loads((cwd / "m.json").read_text())["cost"]["amount"] == 0.0026


TOOLS = "tools: [{name: t, description: d, parameters: {type: object, properties: {}}, run: ['true'], approve: auto}]\n"


SEVERAL = {
    "each at its price": ("zai/glm-5", (1000, 500, 0), (2000, 100, 0), 0.00492),  # 3000 x 1.0 + 600 x 3.2
    "each in the first tier": ("bigmodel/glm-5.1", (20_000, 100, 0), (20_000, 100, 0), 0.2448),
    "one unknown": ("zai/glm-5", (1000, 500, 0), (None, None, None), None),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_requests(glm, real, cwd, name) -> None:
    model, first, second, amount = SEVERAL[name]
    (cwd / "tools.yaml").write_text(TOOLS)
    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "t", "arguments": "{}"}}
    calling = stream(delta(tool_calls=[call]), delta(content="", finish_reason="tool_calls", usage=usage(*first)))
    with real(calling, answering(usage(*second))) as env:
        done = glm("tools", "run", "-m", model, "--tools", "tools.yaml", "--json", "hi", env=env)
    cost = cost_of(done)
    assert (cost and cost["amount"]) == amount
