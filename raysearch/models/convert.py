"""GGUF weights -> a folder of safetensors, once: loading GGUF takes over 20 s each time, safetensors 3 s."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from raysearch.assets.archive import fetch
from raysearch.errors import AssetError
from raysearch.models.sources import PinnedModel


def convert(pinned: PinnedModel, target: Path) -> None:
    """Writes the dequantised model, float32, and its tokenizer to ``target``; a kill leaves no half folder there.

    ``save_pretrained`` refuses a model that was loaded from GGUF ("quantized"), so the weights are copied into a fresh
    model of the same configuration.

    Raises:
        AssetError: transformers cannot read the weights.
    """
    source = fetch(pinned.archive)
    gguf = next(iter(sorted(source.rglob(pinned.gguf))), None)
    if gguf is None:
        raise AssetError(f"archive '{pinned.archive}' at {source}: {pinned.gguf} is not in it. Delete that folder.")
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    part = Path(tempfile.mkdtemp(prefix=f"{target.name}.part-", dir=target.parent))
    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        quantised = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        config = quantised.config
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        plain = type(quantised)(config)
        plain.load_state_dict(quantised.state_dict())
        plain.save_pretrained(part, safe_serialization=True)
        tokenizer.save_pretrained(part)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise AssetError(f"{gguf}: cannot be converted: {' '.join(str(error).split())[:300]}") from error
    part.chmod(0o755)
    part.rename(target)
