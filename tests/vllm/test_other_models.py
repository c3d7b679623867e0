"""Another model of vLLM's, and vLLM's own server: questions asked as JSON, held to their schema or checked alone."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from engines_made import OneLoop, engine_of
from tiny_model import CHECKPOINT, corpus, page, paper, request
from transformers import Gemma4Config, Gemma4ForConditionalGeneration

from model_actors.choosing import choose
from model_actors.engine import Engine, Reply, Request
from schemas.job import Job

QUESTIONS = (corpus.KIND, corpus.PAID, corpus.TOTAL)


@pytest.fixture(scope="module")
def autoregressive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Gemma 4 of random weights, which writes from left to right, with the tiny checkpoint's tokenizer."""
    folder = tmp_path_factory.mktemp("gemma4")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "processor_config.json",
                 "preprocessor_config.json"):
        shutil.copy(Path(CHECKPOINT) / name, folder)
    of_ours = json.loads((Path(CHECKPOINT) / "config.json").read_text())
    text = {name: of_ours["text_config"][name] for name in (
        "hidden_size", "intermediate_size", "layer_types", "max_position_embeddings", "num_attention_heads",
        "num_hidden_layers", "num_key_value_heads", "vocab_size", "head_dim", "sliding_window")}
    text |= {"hidden_size_per_layer_input": 0, "num_kv_shared_layers": 0, "global_head_dim": 32}
    config = Gemma4Config(text_config=text, vision_config=of_ours["vision_config"], audio_config=None,
                          image_token_id=of_ours["image_token_id"], boi_token_id=of_ours["boi_token_id"],
                          eoi_token_id=of_ours["eoi_token_id"])
    torch.manual_seed(0)
    Gemma4ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def asked_of(engine: Engine, loop: OneLoop, requests: list[Request]) -> list[Reply]:
    async def all_of_them() -> list[Reply]:
        found = await asyncio.gather(*(engine.ask(each) for each in requests))
        await engine.close()
        return found

    return loop(all_of_them())


def test_a_model_that_writes_from_left_to_right_answers_by_its_schema(
        autoregressive: Path, loop: OneLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", "0")  # the other's grammar kernel is beyond Triton's interpreter
    engine = engine_of(model=str(autoregressive))
    replies = asked_of(engine, loop, [request(paper(number), *QUESTIONS, name=str(number), transcribe=number == 0)
                                      for number in range(4)])
    for reply in replies:
        kind, paid, _ = reply.answers  # its weights are random: that the values are of their kinds is all it can show
        assert kind.value in (*corpus.KINDS, None)
        assert paid.value in ("yes", "no", None)
        assert all(answer.reason is None or "nothing stated" in answer.reason or "whole JSON" in answer.reason
                   for answer in reply.answers)
    assert len(replies[0].transcripts) == 1


@contextmanager
def served() -> Iterator[str]:
    """vLLM's OpenAI server with the tiny checkpoint, on the CPU (its command line asks for a package named vllm)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", CHECKPOINT, "--host", "127.0.0.1",
               "--port", str(port), "--dtype", "float32", "--enforce-eager", "--max-model-len", "4096",
               "--max-num-seqs", "16", "--diffusion-config", '{"canvas_length": 48}', "--served-model-name", "tiny",
               "--mm-processor-kwargs", '{"max_soft_tokens": 70}', "--limit-mm-per-prompt", '{"image": 4, "video": 0}']
    with subprocess.Popen(command, env=os.environ, start_new_session=True) as server:
        try:
            deadline = time.monotonic() + 180
            while time.monotonic() < deadline and server.poll() is None:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                    break
                except OSError:
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def test_the_openai_engine_asks_a_real_server(loop: OneLoop) -> None:
    """DiffusionGemma's servers refuse schemas, so replies are checked alone; transcripts are what the model reads."""
    pages = [page(number, lines=1) for number in range(6)]
    with served() as url:
        engine = choose(Job.model_validate({
            "name": "t", "inputs": ["/in"], "output": "/out", "transcribe": True, "engine": {
                "kind": "openai", "model": "tiny", "url": url, "schema_support": False, "max_tokens": 192}})).build()
        replies = asked_of(engine, loop, [request(made, corpus.PAID, name=str(number), transcribe=True)
                                          for number, made in enumerate(pages)])
    read = [reply.transcripts[0].text == made.text for reply, made in zip(replies, pages, strict=True)]
    assert sum(read) >= 3
    for reply in replies:
        assert 0 < (reply.transcripts[0].confidence or 0) <= 1
        assert (reply.usage.input_tokens or 0) > 140  # two prompts with a picture of 70
