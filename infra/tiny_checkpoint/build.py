"""The tiny checkpoint before training: configuration, tokenizer, chat template and fresh weights.

``python -m infra.tiny_checkpoint.build TRAINED FOLDER`` writes trained weights as they are published.
"""

from __future__ import annotations

import json
import string
import sys
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from tokenizers import decoders as token_decoders
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion, PreTrainedTokenizerFast
from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
    DiffusionGemmaGenerationConfig,
    EntropyBoundSamplerConfig,
)
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

from infra.tiny_checkpoint.corpus import FORMS, READS
from model_actors.canvas import ASK_FORM, ASK_READ, FORM_HINTS, LETTERS, labels
from model_actors.prompts import TRANSCRIBE

CANVAS = 48
"""Tokens of a canvas."""

SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<|turn>", "<turn|>", "<|channel>", "<channel|>", "<|image>",
           "<|image|>", "<image|>", "<|video|>", "<|audio>", "<|audio|>", "<audio|>", "<|think|>")
LATIN = "äöüÄÖÜßéèêàâçñíóúáïåø€£"

TEMPLATE = (
    "{{ '<bos>' }}{% for message in messages %}{{ '<|turn>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for item in message['content'] %}"
    "{% if item['type'] == 'image' %}{{ '<|image|>' }}{% else %}{{ item['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<turn|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|turn>model\n' }}"
    "{% if not enable_thinking %}{{ '<|channel>thought\n<channel|>' }}{% endif %}{% endif %}")


def phrases() -> list[str]:
    """Fixed texts of prompts that have a token of their own, so that a prompt is short; all else goes by characters."""
    found = [TRANSCRIBE, ASK_READ, ASK_FORM, *(f"({hint})" for hint in FORM_HINTS.values())]
    for question in READS:
        choices = ", ".join(f"{letter} = {label}" for letter, label in zip(LETTERS, labels(question), strict=False))
        found += [question.ask, choices]
    found += [question.ask for form in FORMS for question in form]
    return list(dict.fromkeys(found))


def tokenizer() -> Any:
    """The tokenizer: one token a character, the special tokens of the family, and the phrases of the prompts."""
    characters = [*string.ascii_letters, *string.digits, *string.punctuation, " ", "\n", *LATIN]
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *characters])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    inner.decoder = token_decoders.Fuse()
    inner.add_special_tokens(list(SPECIAL))
    inner.add_tokens(phrases())
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>",
        clean_up_tokenization_spaces=False, model_max_length=8192,
        extra_special_tokens={"image_token": "<|image|>", "boi_token": "<|image>", "eoi_token": "<image|>",
                              "audio_token": "<|audio|>", "boa_token": "<|audio>", "eoa_token": "<audio|>"})
    made.chat_template = TEMPLATE
    return made


def configuration(vocabulary: dict[str, int]) -> DiffusionGemmaConfig:
    """The family's architecture, scaled down; the geometry of images is the production one."""
    text = {
        "vocab_size": len(vocabulary), "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "global_head_dim": 64,
        "num_global_key_value_heads": 1, "sliding_window": 1024, "max_position_embeddings": 8192,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
        "num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 128, "use_bidirectional_attention": "vision",
        "initializer_range": 0.05, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    vision = {
        "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 4, "head_dim": 32, "patch_size": 16, "pooling_kernel_size": 3,
        "position_embedding_size": 1024, "default_output_length": 70, "initializer_range": 0.05}
    return DiffusionGemmaConfig(
        text_config=text, vision_config={"model_type": "gemma4_vision", **vision}, canvas_length=CANVAS,
        boi_token_id=vocabulary["<|image>"], eoi_token_id=vocabulary["<image|>"],
        image_token_id=vocabulary["<|image|>"], initializer_range=0.05)


def model(config: DiffusionGemmaConfig, seed: int = 0) -> Any:
    """A model of fresh weights. Queries and keys start small, so that attention starts soft."""
    torch.manual_seed(seed)
    config._experts_implementation = "grouped_mm"
    made = DiffusionGemmaForBlockDiffusion(config)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if name.endswith(("q_norm.weight", "k_norm.weight")):
                weight.fill_(weight.numel() ** -0.25)
            elif name.endswith("position_embedding_table"):
                weight.zero_()
    return made


def generation_config(vocabulary: dict[str, int]) -> DiffusionGemmaGenerationConfig:
    """How the checkpoint generates where nothing else is said."""
    return DiffusionGemmaGenerationConfig(
        max_new_tokens=4 * CANVAS, max_denoising_steps=32, sampler_config=EntropyBoundSamplerConfig(0.02),
        t_min=0.4, t_max=0.8, stability_threshold=1, confidence_threshold=0.005,
        pad_token_id=0, bos_token_id=2,
        eos_token_id=[vocabulary["<eos>"], vocabulary["<turn|>"]])


def save(made: Any, tokens: Any, folder: Path) -> None:
    """Write a checkpoint folder that AutoTokenizer and DiffusionGemmaForBlockDiffusion load."""
    folder.mkdir(parents=True, exist_ok=True)
    made.generation_config = generation_config(tokens.get_vocab())
    made.save_pretrained(folder)
    tokens.save_pretrained(folder)
    images = Gemma4ImageProcessorPil()
    images.save_pretrained(folder)
    processor = {"processor_class": "Gemma4Processor", "image_seq_length": 70, "image_processor": images.to_dict(),
                 "feature_extractor": {"feature_extractor_type": "Gemma4AudioFeatureExtractor"},
                 "video_processor": {"video_processor_type": "Gemma4VideoProcessor"}}
    (folder / "processor_config.json").write_text(json.dumps(processor, indent=2) + "\n")


def publish(source: Path, folder: Path) -> None:
    """Write trained weights in bf16, half as large."""
    made = DiffusionGemmaForBlockDiffusion.from_pretrained(source, dtype=torch.bfloat16)
    save(made, tokenizer(), folder)


if __name__ == "__main__":
    publish(Path(sys.argv[1]), Path(sys.argv[2]))
