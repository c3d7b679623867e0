"""Our worker, which counts the requests that come again with text of their own after they were preempted."""

from __future__ import annotations

from typing import Any

from model_actors import vllm_worker


class State(vllm_worker.State):
    resumed = 0

    def add_request(self, req_index: int, new_req_data: Any) -> None:
        super().add_request(req_index, new_req_data)
        State.resumed += bool(self.sampler._written[req_index])


class PreemptedWorker(vllm_worker.Worker):
    def load_model(self, **kwargs: Any) -> None:
        vllm_worker.State = State  # type: ignore[misc]
        super().load_model(**kwargs)

    def count_resumed(self) -> int:
        return State.resumed
