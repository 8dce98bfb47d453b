"""What a provider can be asked to do with files and batches."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from glmcli.errors import ProtocolError
from glmcli.http.bodies import MultipartBody
from glmcli.providers import batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.jobs.job_file import JobPart
    from glmcli.engine.api_calls import ApiClient
    from glmcli.providers.batches import BatchState
    from glmcli.providers.row import BatchApi

_PAGES = 100
_MARK = 32  # hexadecimal digits of a file's digest: no file holds its own


class Service:
    """One provider's Files and Batches APIs; every method raises GlmError where the provider refuses or is silent."""

    def __init__(self, calls: ApiClient) -> None:
        """Ask over these."""
        self._calls = calls
        self.provider = calls.provider
        self.sleep = calls.sleep
        self.displayed = calls.displayed

    def upload(self, path: str, part: JobPart) -> str:
        """Upload the lines of a part; what the provider calls the file."""
        mark = f"glm-{part.sha256[:_MARK]}"
        body = MultipartBody(path, f"part-{part.number}.jsonl", {"purpose": "batch"}, mark)
        call = batches.upload(self.provider, body, body.content_type)
        return batches.file_of(self._calls.request_json(call, "the reply to an upload"))

    def create(self, form: BatchApi, file: str) -> BatchState:
        """Make a batch of a file, which costs money: it is asked for once. The error's `sent`: there may be one."""
        call = batches.create(self.provider, form, file)
        said = self._calls.request_json(call, "the new batch", once=True)
        try:
            return batches.state_of(said)
        except ProtocolError as error:
            error.sent = True
            raise self._calls.displayed(error) from error

    def look(self, batch: str) -> BatchState:
        """Where a batch stands."""
        return batches.state_of(self._calls.request_json(batches.look(self.provider, batch), "the batch"))

    def cancel(self, batch: str) -> BatchState:
        """Ask that no more of it be done; where it stands then."""
        return batches.state_of(self._calls.request_json(batches.cancel(self.provider, batch), "the batch"))

    def all(self) -> Iterator[BatchState]:
        """The account's batches, page by page, as the provider lists them; each once."""
        seen: set[str] = set()
        after = None
        for _ in range(_PAGES):
            call = batches.listing(self.provider, after)
            page, has_more = batches.page_of(self._calls.request_json(call, "the list of batches"))
            fresh = [each for each in page if each.id not in seen]
            yield from fresh
            if not fresh or not has_more:
                return
            seen |= {each.id for each in fresh}
            after = page[-1].id

    def save(self, file: str, into: IO[bytes]) -> None:
        """Write what a file holds into this one.

        Raises:
            OSError: it cannot be written.
        """
        form = self.provider.batch
        if "/" in file or (form and not form.uploads):
            raise ProtocolError(
                f"{self.provider.name}: the answers are not where glm can fetch them: {file}",
                fix="fetch them as the provider says",
            )
        self._calls.download(batches.content(self.provider, file), into)
