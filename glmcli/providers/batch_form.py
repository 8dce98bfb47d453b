"""What differs between those who run batches for us: the Files and Batches APIs that OpenAI began with. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping


class BatchForm(Record):
    """How a provider wants its batches.

    Attributes:
        url: what stands in each line, and as the endpoint of the batch: a name, not an address.
        uploads: there is a Files API; without it the lines stand at an address that the provider can read.
        auto_delete: it deletes the input file by itself unless told otherwise, so it is told.
        window: within which time it must be done.
        most_lines: lines of a file; None: no known limit.
        most_bytes: bytes of a file.
        most_line_bytes: bytes of a line.
        models: those that have a form of their own.
    """

    url: str = "/v1/chat/completions"
    uploads: bool = True
    auto_delete: bool = False
    window: str = "24h"
    most_lines: int | None = None
    most_bytes: int | None = None
    most_line_bytes: int | None = None
    models: Mapping[str, BatchForm] = EMPTY

    def of(self, model: str) -> BatchForm:
        """The form for this model."""
        return self.models.get(model, self)


_MB = 1_000_000  # as the pages write it; a server that means 1,048,576 takes these too

# docs.bigmodel.cn/cn/guide/tools/batch, …/cn/faq/batch-api-issues (2026): 50,000 lines, 100 MB, `/v4/…` in each line.
# `auto_delete_input_file` is true where it is not said: docs.bigmodel.cn, create batch; zai-sdk 0.2.3 on PyPI.
BIGMODEL = BatchForm(url="/v4/chat/completions", auto_delete=True, most_lines=50_000, most_bytes=100 * _MB)

# help.aliyun.com, batch-interfaces-compatible-with-openai (2025): 50,000 lines, 500 MB, 6 MB a line. The test model is
# free, has an endpoint of its own, and takes 100 lines and 1 MB.
MODELSTUDIO = BatchForm(
    most_lines=50_000,
    most_bytes=500 * _MB,
    most_line_bytes=6 * _MB,
    models={"batch-test-model": BatchForm(url="/v1/chat/ds-test", most_lines=100, most_bytes=_MB, most_line_bytes=_MB)},
)

# cloud.tencent.com/document/product/1823/130849 (2026-04-28): `input_file_id` is a public address, no /files.
TOKENHUB = BatchForm(uploads=False)

# platform.openai.com/docs/api-reference/batch/create (2026): 50,000 lines, 200 MB. Gateways in front of vLLM and SGLang
# speak the same: github.com/llm-d/llm-d-batch-gateway takes 50,000 lines too.
OPENAI = BatchForm(most_lines=50_000, most_bytes=200 * _MB)
