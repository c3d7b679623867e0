"""Any server with the OpenAI protocol: vLLM, SGLang, TensorRT-LLM, a NIM. Questions are asked as `json_asking` does."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Sequence
from typing import Any

import cv2
import openai

from model_actors import json_asking
from model_actors.budgets import BUDGETS
from model_actors.engine import Limits, Reply, Request, RequestError, StartError, View
from model_actors.json_asking import Chat, Completion
from schemas.job import JobError, OpenAISpec

NAME = "openai"

SECONDS_PER_IMAGE = 1.0
"""Expected of a page, by which work is cut into shards; a server may be anything."""

EMPTY_REPLIES = 2
"""Replies without a message after which a request is given up."""

IMAGES = 60
"""Pictures of a request at most: a window of frames."""


def choice(spec: OpenAISpec) -> tuple[Limits, dict[str, Any]]:
    """What the planner may count on, and what names this engine's results. Raises JobError without a key."""
    if spec.key_from != OpenAISpec.model_fields["key_from"].default and not os.environ.get(spec.key_from):
        raise JobError(f"engine: the environment has no {spec.key_from}, which 'key_from' names")
    limits = Limits(spec.context, spec.max_tokens, images=IMAGES, budgets=BUDGETS, pixels_per_em=11.0,
                    text_in_prompt=True, seconds_per_image=SECONDS_PER_IMAGE, lead=1, waves=True)
    return limits, {"engine": NAME,
                    **spec.model_dump(include={"model", "schema_support", "logprobs", "max_tokens"})}


class OpenAIEngine:
    """A server, asked with bounded concurrency and rate.

    The client itself waits and tries again, with jitter, on 408, 409, 429, 5xx and broken connections, as long as the
    server says, else longer each time (openai-python).
    """

    name = NAME

    def __init__(self, spec: OpenAISpec, limits: Limits) -> None:
        self._spec, self._limits = spec, limits
        self._client = openai.AsyncOpenAI(base_url=spec.url, api_key=os.environ.get(spec.key_from) or "none",
                                          max_retries=spec.retries, timeout=spec.timeout)
        self._room = asyncio.Semaphore(spec.concurrency)
        self._next_at = 0.0
        self._has_answered = False

    def limits(self) -> Limits:
        """What a request may hold."""
        return self._limits

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ask(self, request: Request) -> Reply:
        """Answer a request. Raises RequestError, and StartError where the server has never answered, or refuses."""
        return await json_asking.ask(request, self._complete, self._spec.max_tokens)

    async def _turn(self) -> None:
        """Wait until the rate allows one more request."""
        if self._spec.requests_per_minute:
            now = time.monotonic()
            self._next_at = max(now, self._next_at) + 60 / self._spec.requests_per_minute
            await asyncio.sleep(self._next_at - 60 / self._spec.requests_per_minute - now)

    async def _complete(self, chat: Chat) -> Completion:
        content = [{"type": "image_url", "image_url": {"url": _data_url(part)}} if isinstance(part, View)
                   else {"type": "text", "text": part} for part in chat.parts]
        messages: list[Any] = [{"role": "system", "content": chat.instructions}] if chat.instructions else []
        options: dict[str, Any] = {"logprobs": True} if self._spec.logprobs else {}
        if chat.schema and self._spec.schema_support:
            options["response_format"] = {"type": "json_schema",
                                          "json_schema": {"name": "form", "schema": chat.schema, "strict": True}}
        for _ in range(EMPTY_REPLIES):
            async with self._room:
                await self._turn()
                found = await self._call([*messages, {"role": "user", "content": content}], options)
            if found is not None:
                return found
        raise RequestError(f"{self._spec.url} sent {EMPTY_REPLIES} replies that hold no message: look at its log",
                           "server")

    async def _call(self, messages: list[Any], options: dict[str, Any]) -> Completion | None:
        """One call; None for a reply that holds no message."""
        try:
            found = await self._client.chat.completions.create(
                model=self._spec.model, messages=messages, max_tokens=self._spec.max_tokens, **options)
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            kind = RequestError if self._has_answered else StartError  # a gateway may refuse one page alone
            raise kind(f"{self._spec.url} refuses ({error.status_code}): {_reason(error)}; look at engine.model, "
                       f"engine.url and the key in {self._spec.key_from}") from None
        except openai.APIStatusError as error:
            busy = error.status_code >= 500 or error.status_code in (408, 409, 429)
            raise RequestError(f"{self._spec.url} answered {error.status_code} after {self._spec.retries} further "
                               f"tries: {_reason(error)}", "server" if busy else "request") from None
        except openai.APIConnectionError as error:
            said = (f"{self._spec.url} cannot be reached after {self._spec.retries} further tries: {_reason(error)}; "
                    "is the server up, and engine.url right?")
            raise (RequestError(said, "server") if self._has_answered else StartError(said)) from None
        except (openai.APIError, ValueError):
            return None
        self._has_answered = True
        return _completion(found)


def _completion(found: Any) -> Completion | None:
    choices = getattr(found, "choices", None)
    if not choices or not isinstance(getattr(choices[0].message, "content", None), str):
        return None
    text, usage = choices[0].message.content, found.usage
    return Completion(text, _tokens(text, choices[0].logprobs), usage.prompt_tokens if usage else 0,
                      usage.completion_tokens if usage else 0, choices[0].finish_reason == "stop")


def _tokens(text: str, logprobs: Any) -> tuple[tuple[bytes, float], ...] | None:
    """Tokens with their log-probabilities, where the server has such and they spell the text."""
    listed: Sequence[Any] = (logprobs and logprobs.content) or ()
    return json_asking.spelled(text, ((bytes(each.bytes) if each.bytes else each.token.encode(), each.logprob)
                                      for each in listed)) if listed else None


def _data_url(view: View) -> str:
    """A view as a PNG in a data URL: without loss, at the size of its budget."""
    done, data = cv2.imencode(".png", view.pixels[:, :, ::-1])
    assert done
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode()


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
