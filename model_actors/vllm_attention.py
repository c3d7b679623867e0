"""The reference's attention in vLLM: images that see the whole of themselves, and canvases that see a whole window.

Stock vLLM (read and run: 0.32.0) departs from transformers' DiffusionGemma in three places, mended here without kernels
of our own:

- images are prefilled causally: a step's rows are cut at the borders of images, and rows of images are not causal;
- in a sliding layer the window moves along a canvas, where the reference shows all of a canvas the same last
  `window - 1` tokens before it: those positions are attended to again, over keys gathered from the cache;
- an image longer than the window would not see the whole of itself there: the same way.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from vllm.v1.worker.gpu.attn_utils import build_attn_metadata, compute_mm_prefix_ranges

BACKENDS = ("CPU_ATTN", "TRITON_ATTN")
"""Backends whose cache can be read: by the layout of their keys and values."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """A step's queries cut into rows, each of one request.

    `source` numbers the request of the batch, `starts` [rows + 1] the first query of each row. `ends` is the number of
    keys that a row sees, -1 where the request's own length counts. `image` marks the rows of images.
    """

    source: Ints
    starts: Ints
    ends: Ints
    image: npt.NDArray[np.bool_]


def cut_rows(starts: Sequence[int], computed: Sequence[int], prefilling: Sequence[bool],
             images: Sequence[Sequence[tuple[int, int]]]) -> Rows | None:
    """Cut the rows of requests at the borders of their images; None where no image lies in this step.

    `starts` [requests + 1] are the first queries, `computed` the tokens of each request before them, `images` the first
    and last positions of each request's images.
    """
    cut: list[tuple[int, int, int, bool]] = []
    for request, (first, last) in enumerate(itertools.pairwise(starts)):
        begin, end = computed[request], computed[request] + last - first
        place = begin
        for left, right in images[request] if prefilling[request] else ():
            if right < begin or left >= end:
                continue
            if left > place:
                cut.append((request, place - begin + first, left, False))
            place = min(right + 1, end)
            cut.append((request, max(left, begin) - begin + first, place, True))
        if place < end:
            cut.append((request, place - begin + first, end if prefilling[request] else -1, False))
    if not any(row[3] for row in cut):
        return None
    source, first_query, ends, image = zip(*cut, strict=True)
    return Rows(np.array(source), np.array([*first_query, starts[-1]]), np.array(ends), np.array(image))


@dataclass(frozen=True)
class Window:
    """Queries that are attended to again: their places, the cache slots of their keys, and which key each may see.

    `queries` [n, queries], `slots` [n, keys], `seen` [n, queries or 1, keys], `kept` [n] false where the first result
    stands after all.
    """

    queries: torch.Tensor
    slots: torch.Tensor
    seen: torch.Tensor
    kept: torch.Tensor


def _slots(table: torch.Tensor, positions: torch.Tensor, block: int) -> torch.Tensor:
    """Cache slots of positions [n, keys] of requests with block tables [n, blocks]."""
    return table.gather(1, positions // block).long() * block + positions % block


def canvas_windows(window: int, width: int, first_queries: torch.Tensor, lengths: torch.Tensor, table: torch.Tensor,
                   block: int, denoising: torch.Tensor) -> Window:
    """The windows of canvases of one width: the last `window - 1` tokens before them, and themselves whole.

    `lengths` [n] are those of the requests, canvas included.
    """
    device = lengths.device
    positions = (lengths - width - (window - 1))[:, None] + torch.arange(window - 1 + width, device=device)[None]
    seen = positions >= 0
    queries = first_queries[:, None] + torch.arange(width, device=device)[None]
    return Window(queries, _slots(table, positions.clamp(min=0), block), seen[:, None], denoising)


def image_window(window: int, first_query: int, begin: int, image: tuple[int, int], table: torch.Tensor, block: int) \
        -> Window:
    """The window of an image's queries, the first of them at position `begin`: the image, and what slides before it.

    Where a prompt is taken up inside an image that is longer than the window, the cache no longer holds its beginning.
    """
    left, right = image
    positions = torch.arange(max(0, begin - window + 1), right + 1, device=table.device)
    own = torch.arange(begin, right + 1, device=table.device)
    seen = (positions[None] >= left) | (own[:, None] - positions[None] < window)
    queries = first_query + own - begin
    return Window(queries[None], _slots(table[None], positions[None], block), seen[None],
                  torch.ones(1, dtype=torch.bool, device=table.device))


def attend_again(window: Window, query: torch.Tensor, output: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
                 scale: float) -> None:
    """Attend again where a window says so. All [tokens, heads, size]; the cache [blocks, block, ...]."""
    blocks, places = window.slots // keys.shape[1], window.slots % keys.shape[1]
    found = torch.nn.functional.scaled_dot_product_attention(
        query[window.queries].transpose(1, 2), keys[blocks, places].transpose(1, 2),
        values[blocks, places].transpose(1, 2), attn_mask=window.seen[:, None], scale=scale, enable_gqa=True)
    before = output[window.queries]
    output[window.queries] = torch.where(window.kept[:, None, None, None], found.transpose(1, 2).to(output.dtype),
                                         before)


def read_cache(backend: str, cache: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Views of the keys and values of a cache, both [blocks, block, heads, size]."""
    if backend == "CPU_ATTN":  # [blocks, heads, block, 2 * size]: keys first, a block's transposed, then values
        blocks, heads, block, double = cache.shape
        whole = cache.view(blocks, heads, 2 * block, double // 2)
        keys = whole[:, :, :block].view(blocks, heads, double // 2, block)
        return keys.permute(0, 3, 1, 2), whole[:, :, block:].transpose(1, 2)
    keys, values = cache.transpose(1, 2).split(cache.shape[-1] // 2, dim=-1)  # [blocks, heads, block, 2 * size]
    return keys, values


class ReferenceAttention:
    """Plans a step's attention. `images` says in which layers images see the whole of themselves: all or sliding."""

    def __init__(self, layers: dict[str, Any], images: str) -> None:
        self._windows = {name: int(window) for name, layer in layers.items()
                         if (window := _window_of(layer)) is not None}
        self._bidirectional = {name for name in layers if images == "reference" or name in self._windows}
        self._bidirectional = self._bidirectional if images != "causal" else set()
        for name in self._windows:
            _attend_again_in(layers[name])

    def plan(self, stock: dict[str, Any], state: Any, batch: Any, tables: Sequence[torch.Tensor],
             mappings: torch.Tensor, groups: list[list[Any]], cache: Any) -> dict[str, Any]:
        """The metadata of each layer: the stock one, or one with rows cut at images, with windows where they matter."""
        images = compute_mm_prefix_ranges(batch.req_ids, state.encoder_cache.mm_features) if (
            state.supports_mm_inputs) else {}
        rows = cut_rows(batch.query_start_loc_np[: batch.num_reqs + 1].tolist(), batch.num_computed_tokens_np.tolist(),
                        batch.is_prefilling_np.tolist(), [images.get(each, []) for each in range(batch.num_reqs)])
        found = dict(stock)
        if rows is not None and self._bidirectional:
            cut = self._cut(rows, state, batch, tables, mappings, groups, cache)
            found.update({name: cut[name] for name in self._bidirectional if name in cut})
        for number, group in enumerate(groups):
            for some in group:
                names = [name for name in some.layer_names if name in self._windows]
                if names:
                    windows = self._again(self._windows[names[0]], state, batch, tables[number],
                                          some.kv_cache_spec.block_size, images)
                    for name in names:
                        found[name].windows = windows
        return found

    def _cut(self, rows: Rows, state: Any, batch: Any, tables: Sequence[torch.Tensor], mappings: torch.Tensor,
             groups: list[list[Any]], cache: Any) -> dict[str, Any]:
        device = batch.seq_lens.device
        source, ends, image = (torch.from_numpy(part).to(device, non_blocking=True)
                               for part in (rows.source, rows.ends, rows.image))
        starts = torch.from_numpy(rows.starts.astype(np.int32))
        phase = state.diffusion_states.is_encoder_phase[batch.idx_mapping[: batch.num_reqs]]
        lengths = torch.where(ends >= 0, ends, batch.seq_lens[: batch.num_reqs][source].long()).to(torch.int32)
        return build_attn_metadata(  # type: ignore[no-any-return]
            attn_groups=groups, num_reqs=len(rows.source), num_tokens=batch.num_tokens,
            query_start_loc_gpu=starts.to(device, non_blocking=True), query_start_loc_cpu=starts,
            max_query_len=int(np.diff(rows.starts).max()), seq_lens=lengths, max_seq_len=state.max_model_len,
            block_tables=[table[: batch.num_reqs][source] for table in tables], slot_mappings=mappings,
            kv_cache_config=cache, causal=(phase[source] & ~image).to(torch.int32))

    def _again(self, window: int, state: Any, batch: Any, table: torch.Tensor, block: int,
               images: dict[int, list[tuple[int, int]]]) -> list[Window]:
        device = table.device
        starts = batch.query_start_loc_np[: batch.num_reqs + 1]
        widths, computed = np.diff(starts), batch.num_computed_tokens_np[: batch.num_reqs]
        canvases = np.flatnonzero(~batch.is_prefilling_np[: batch.num_reqs] & (computed + widths > window))
        windows = []
        for width in np.unique(widths[canvases]):
            alike = canvases[widths[canvases] == width]
            chosen = torch.from_numpy(alike).to(device, non_blocking=True)
            denoising = ~state.diffusion_states.is_encoder_phase[batch.idx_mapping[chosen]]
            windows.append(canvas_windows(
                window, int(width), torch.from_numpy(starts[alike].astype(np.int64)).to(device, non_blocking=True),
                batch.seq_lens[chosen].long(), table[chosen].long(), block, denoising))
        if not self._bidirectional:
            return windows
        for request in np.flatnonzero(batch.is_prefilling_np[: batch.num_reqs]):
            begin, end = int(computed[request]), int(computed[request] + widths[request])
            for left, right in images.get(int(request), []):
                if right - left >= window and left < end and right >= begin:
                    first = max(left, begin)
                    windows.append(image_window(window, int(starts[request]) + first - begin, first,
                                                (left, min(right, end - 1)), table[request].long(), block))
        return windows


def _window_of(layer: Any) -> int | None:
    """The sliding window of an attention layer, in tokens, its own included; None where it sees everything."""
    found = layer.impl.sliding_window
    if isinstance(found, tuple):  # kernels on a GPU count what lies to the left and to the right
        found = found[0] + 1
    return found if found is not None and found > 0 else None


def _attend_again_in(layer: Any) -> None:
    """Let a layer's attention be followed by the windows of the step."""
    impl, first = layer.impl, layer.impl.forward
    backend = layer.attn_backend.get_name()

    def forward(layer: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, cache: torch.Tensor,
                metadata: Any, output: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        found: torch.Tensor = first(layer, query, key, value, cache, metadata, output, *args, **kwargs)
        windows = getattr(metadata, "windows", ())
        if windows:
            keys, values = read_cache(backend, cache)
            shape = (-1, impl.num_heads, impl.head_size)
            for window in windows:
                attend_again(window, query.view(shape), output.view(shape), keys, values, impl.scale)
        return found

    impl.forward = forward
