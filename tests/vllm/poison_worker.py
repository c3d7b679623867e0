"""Our worker, but a prompt that holds the token of "~" (no page of the tests does) ends its process."""

from __future__ import annotations

import os
from typing import Any

from transformers import AutoTokenizer

from model_actors.vllm_worker import Worker


class PoisonedWorker(Worker):
    def execute_model(self, scheduler_output: Any) -> Any:
        if not hasattr(self, "_poison"):
            tokenizer = AutoTokenizer.from_pretrained(self.model_config.tokenizer)
            self._poison = tokenizer.encode("~", add_special_tokens=False)[0]
        if any(self._poison in new.prompt_token_ids for new in scheduler_output.scheduled_new_reqs):
            os._exit(1)
        return super().execute_model(scheduler_output)
