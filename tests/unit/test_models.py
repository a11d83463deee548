"""Loading refuses what it should; adapters leave no trace."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from peft.tuners.lora import LoraLayer

from raysearch.config.downstream import LoraConfig
from raysearch.config.schema import ModelConfig
from raysearch.errors import AssetError
from raysearch.models import language_model, sources
from raysearch.models.language_model import load
from raysearch.models.lora import adapted, folded, target_modules
from raysearch.models.sources import resolve
from raysearch.models.update import scaled
from tests.conftest import save_tiny_model


def test_a_missing_model_names_the_remedy() -> None:
    with pytest.raises(AssetError, match=r"model './nowhere': no such folder.*hub id"):
        resolve(ModelConfig(source="./nowhere"))


def test_a_misspelt_name_gets_a_suggestion() -> None:
    with pytest.raises(AssetError, match="Did you mean 'smollm2-135m'"):
        resolve(ModelConfig(source="smollm2_135m"))


def test_pickled_weights_are_never_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(AssetError, match=r"needs config.json and \*.safetensors.*pytorch_model.bin"):
        resolve(ModelConfig(source=str(tmp_path)))


def test_a_damaged_model_is_one_line(tiny_model: Path, tmp_path: Path) -> None:
    for file in tiny_model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(AssetError, match="could not load") as caught:
        language_model.load(ModelConfig(source=str(tmp_path)))
    assert "\n" not in str(caught.value)


def test_a_family_without_sdpa_is_told_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="attention: eager"):
        language_model.load(ModelConfig(source=str(save_tiny_model(tmp_path / "gemma2", "gemma2"))))


def test_a_model_of_the_hub_is_known_by_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = ModelConfig(source="somebody/model")
    assert resolve(model).digest == "hub:somebody/model@main", "nothing is known before it is fetched"
    folder = tmp_path / "models--somebody--model"
    (folder / "refs").mkdir(parents=True)
    for commit in ("1" * 40, "2" * 40):  # what a branch names moves; what was computed with the first must not be found
        (folder / "snapshots" / commit).mkdir(parents=True)
        (folder / "snapshots" / commit / "config.json").write_text("{}")
        (folder / "refs" / "main").write_text(commit)
        assert resolve(model).digest == f"hub:somebody/model@{commit}"
    first = ModelConfig(source="somebody/model", revision="1" * 40)
    assert resolve(first).digest == "hub:somebody/model@" + "1" * 40


def test_the_digest_follows_the_weights(tiny_model: Path, tmp_path: Path) -> None:
    for file in tiny_model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert resolve(ModelConfig(source=str(tmp_path))).digest == resolve(ModelConfig(source=str(tiny_model))).digest
    weights = tmp_path / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    assert resolve(ModelConfig(source=str(tmp_path))).digest != resolve(ModelConfig(source=str(tiny_model))).digest


def test_a_model_whose_logits_are_not_its_head_is_refused(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_model, "logits", lambda model, hidden: torch.zeros(*hidden.shape[:-1], 1))
    with pytest.raises(AssetError, match="not its head applied to its backbone"):
        language_model.load(ModelConfig(source=str(tiny_model)))


def test_an_adapter_starts_as_the_identity_and_leaves_no_trace(tiny_lm) -> None:
    ids = torch.tensor([[5, 17, 44, 9]])
    before = tiny_lm.model(ids).logits
    with adapted(tiny_lm, LoraConfig(rank=2), seed=3) as wrapped:
        assert torch.equal(wrapped(ids).logits, before)
        trainable = [p for p in wrapped.parameters() if p.requires_grad]
        with torch.no_grad():
            for parameter in trainable:
                parameter.add_(0.5)
        assert not torch.equal(wrapped(ids).logits, before)
    assert torch.equal(tiny_lm.model(ids).logits, before)
    assert not any("lora" in name for name, _ in tiny_lm.model.named_modules())
    assert not any(p.requires_grad for p in tiny_lm.model.parameters())


def test_an_adapter_comes_off_after_an_error(tiny_lm) -> None:
    with pytest.raises(RuntimeError, match="boom"), adapted(tiny_lm, LoraConfig(rank=2), seed=0):
        raise RuntimeError("boom")
    assert not any("lora" in name for name, _ in tiny_lm.model.named_modules())


@pytest.mark.parametrize("factor", [1.0, 0.5])
@pytest.mark.parametrize("family", ["llama", "opt", "phi3", "gemma3_text"])
def test_a_folded_adapter_gives_the_same_pass_and_the_very_weights_back(
    family: str, factor: float, tmp_path: Path
) -> None:
    lm = load(ModelConfig(source=str(save_tiny_model(tmp_path / family, family))))
    weights = {name: (p.data_ptr(), p.clone()) for name, p in lm.model.named_parameters()}
    ids = torch.arange(2, 14).reshape(2, 6)
    with adapted(lm, LoraConfig(rank=2), 0) as model, torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B" in name:
                parameter.normal_(0.0, 0.1)
        with scaled(model, factor):
            apart, below = model(ids).logits, lm.model(ids).logits
            layers = [layer for layer in model.modules() if isinstance(layer, LoraLayer)]
            with folded(model):
                assert all(layer.merged for layer in layers)
                together = model(ids).logits
                with folded(model):  # a second time it has nothing to do
                    assert torch.equal(model(ids).logits, together)
            torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-5)
            assert torch.equal(model(ids).logits, apart) and torch.equal(below, apart)
            with model.disable_adapter():
                base = model(ids).logits
                with folded(model):
                    assert torch.equal(model(ids).logits, base)
            assert not torch.allclose(base, apart, atol=1e-3), "the adapter does something"
    for name, parameter in lm.model.named_parameters():
        assert (parameter.data_ptr(), True) == (weights[name][0], torch.equal(parameter, weights[name][1]))


def test_last_layers_and_attention_choose_modules(tiny_lm) -> None:
    everything = target_modules(tiny_lm.model, LoraConfig())
    last = target_modules(tiny_lm.model, LoraConfig(last_layers=1))
    attention = target_modules(tiny_lm.model, LoraConfig(target="attention"))
    assert len(everything) == 14
    assert set(last) == {name for name in everything if ".1." in name}
    assert set(attention) == {name for name in everything if "self_attn" in name}


@pytest.mark.parametrize("damage", ["weights", "tokenizer", "gone", "manifest", "none"])
def test_a_damaged_conversion_is_named_and_made_again(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    made: list[Path] = []

    def convert(pinned: object, target: Path, say: object) -> None:
        made.append(target)
        shutil.copytree(tiny_model, target)

    monkeypatch.setenv("RAYSEARCH_CACHE", str(tmp_path))
    monkeypatch.setattr("raysearch.models.convert.convert", convert)
    first = sources.resolve(ModelConfig(source="smollm2-135m"))
    folder = Path(first.location)
    monkeypatch.setattr(sources, "_digested", set())  # as a new process would begin
    if damage in ("weights", "tokenizer"):
        file = folder / ("model.safetensors" if damage == "weights" else "tokenizer.json")
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    elif damage == "gone":
        (folder / "config.json").unlink()
    elif damage == "manifest":
        (folder / "raysearch-model.json").write_text("[]")
    said: list[str] = []
    again = sources.resolve(ModelConfig(source="smollm2-135m"), said.append)
    assert again == first
    assert len(made) == (1 if damage == "none" else 2)
    assert any("converting smollm2-135m again" in line for line in said) == (damage != "none")
