"""How providers write files and batches: what differs between them.

Sources: BigModel's docs (guide/tools/batch, create batch, 2026) and the tests of zai-sdk 0.2.3 on PyPI, whose replies
have `fileName`, milliseconds, empty strings and counts of null; for Model Studio help.aliyun.com,
batch-interfaces-compatible-with-openai (2025), and github.com/cnblogs/dashscope-sdk@7afccbd, RawHttpData, whose empty
list is `data: null`; for OpenAI platform.openai.com/docs/api-reference/batch (2026).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from glmcli.sandbox.ids import CREATED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.sandbox.frames import Json


@dataclass(frozen=True)
class BatchForm:
    """One way of writing.

    Attributes:
        endpoint: what each line and the batch must name.
        file, batch, output: how ids begin.
        absent: what stands for an id that is not there.
        ticks: of its clock in a second.
        null_lists: an empty list is null.
        null_counts: counts are null at first.
        refuses_glm: no GLM model is served.
        test_model: one that costs nothing, with an endpoint of its own.
        extra: what else stands in the reply to an upload.
    """

    endpoint: str = "/v1/chat/completions"
    file: str = "file-"
    batch: str = "batch_"
    output: str = "file-"
    absent: str | None = None
    ticks: int = 1
    null_lists: bool = False
    null_counts: bool = False
    refuses_glm: bool = False
    most_lines: int = 50_000
    test_model: str | None = None
    test_endpoint: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)

    def endpoint_of(self, model: str) -> str:
        """The endpoint that serves this model."""
        return self.test_endpoint if model == self.test_model else self.endpoint

    def uploaded(self, identity: str, name: str, size: int) -> Json:
        """The reply to an upload."""
        return {
            "id": identity,
            "object": "file",
            "bytes": size,
            "created_at": CREATED,
            "purpose": "batch",
        } | self.named(name)

    def named(self, name: str) -> Json:
        """The name of a file."""
        return {"filename": name, **self.extra}


class _Zhipu(BatchForm):
    def named(self, name: str) -> Json:
        return {"filename": None, "fileName": name}


_ZHIPU = _Zhipu(
    endpoint="/v4/chat/completions",
    file="file_",
    output="file_out_",
    absent="",
    ticks=1000,
    null_counts=True,
)

FORMS: Mapping[str, BatchForm] = {
    "bigmodel": _ZHIPU,
    "sandbox": _ZHIPU,
    "modelstudio": BatchForm(
        file="file-batch-",
        output="file-batch_output-",
        null_lists=True,
        # No page lists a GLM model: cards of glm-5, glm-4.5-air and ZHIPU/GLM-5 say that batches do not serve them.
        refuses_glm=True,
        test_model="batch-test-model",
        test_endpoint="/v1/chat/ds-test",
        extra={"status": "processed", "status_details": None},
    ),
    "openai": BatchForm(),
}
