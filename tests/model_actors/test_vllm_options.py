"""vLLM's arguments follow from the job, the checkpoint and the hardware, and whatever the job says stands."""

from __future__ import annotations

from typing import Any

import pytest

from model_actors.vllm_options import GIB, WORKER, Hardware, Model, advice, derive
from schemas.job import VllmSpec

RELEASED = Model(canvas=256, vocabulary=262_144, weights=52 * GIB)
TINY = Model(canvas=48, vocabulary=154, weights=4 << 20)
OTHER = Model(canvas=0, vocabulary=262_144, weights=52 * GIB)
CPU = Hardware("CPU")
H100, H200, B200 = (Hardware(name, memory * GIB, capability) for name, memory, capability in (
    ("H100", 80, 9), ("H200", 141, 9), ("B200", 180, 10)))


def options(model: Model, hardware: Hardware, shared: bool = False, **settings: Any) -> dict[str, Any]:
    return derive(VllmSpec(model="m", **settings), 32_768, 60, model, hardware, shared)


@pytest.mark.parametrize(("hardware", "parallel", "seats"), [
    (H100, 1, 16), (H200, 1, 24), (B200, 1, 40), (H100, 4, 16)])
def test_as_many_canvases_are_denoised_together_as_their_logits_leave_room_for(
        hardware: Hardware, parallel: int, seats: int) -> None:
    found = options(RELEASED, hardware, tensor_parallel=parallel)
    assert found["max_num_seqs"] == seats
    assert found["max_num_batched_tokens"] == 8192 + seats * 256
    assert found["tensor_parallel_size"] == parallel


def test_a_gpu_runs_the_released_model_with_our_worker() -> None:
    found = options(RELEASED, H100)
    assert found["worker_cls"] == WORKER
    assert found["additional_config"] == {"canvass": {"images": "reference", "budgets": [70, 140, 280, 560, 1120]}}
    assert found["attention_config"] == {"backend": "TRITON_ATTN"}
    assert found["compilation_config"] == {"cudagraph_mode": "PIECEWISE"}
    assert found["diffusion_config"] == {"canvas_length": 256}
    assert (found["max_model_len"], found["gpu_memory_utilization"]) == (32_768, 0.9)
    assert "enforce_eager" not in found


def test_a_cpu_runs_eagerly_in_float32_vision_included() -> None:
    found = options(TINY, CPU)
    assert (found["dtype"], found["enforce_eager"]) == ("float32", True)
    assert found["hf_overrides"] == {"vision_config": {"dtype": "float32"}}
    assert "gpu_memory_utilization" not in found


def test_pictures_are_kept_only_where_several_requests_are_about_them() -> None:
    assert [options(TINY, CPU, shared)["mm_processor_cache_gb"] for shared in (False, True)] == [0, 4]


def test_the_stock_worker_and_other_models_are_left_as_they_are() -> None:
    for found in (options(RELEASED, H100, worker="stock"), options(OTHER, H100)):
        assert not {"worker_cls", "additional_config", "compilation_config"} & set(found)
    assert "diffusion_config" not in options(OTHER, H100)


def test_what_the_job_says_overrides_what_is_derived() -> None:
    found = options(RELEASED, H100, options={"max_num_seqs": 20, "block_size": 64})
    assert (found["max_num_seqs"], found["block_size"]) == (20, 64)
    found = options(RELEASED, H100, options={"compilation_config": {"mode": 0}})
    assert found["compilation_config"] == {"cudagraph_mode": "PIECEWISE", "mode": 0}


@pytest.mark.parametrize(("model", "hardware", "quantization", "said"), [
    (RELEASED, H100, None, "an FP8 checkpoint"), (RELEASED, B200, None, "an NVFP4 checkpoint"),
    (RELEASED, H100, "fp8", None), (TINY, H100, None, None), (RELEASED, CPU, None, None)])
def test_smaller_weights_are_advised_where_they_would_help(
        model: Model, hardware: Hardware, quantization: str | None, said: str | None) -> None:
    found = advice(VllmSpec(model="m", quantization=quantization), model, hardware)
    assert found is None if said is None else said in (found or "")
