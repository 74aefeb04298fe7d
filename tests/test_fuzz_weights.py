"""Folders of models: nothing in them is unpickled, and a description asks for no more than is there."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import SignError, WeightsError
from models.recognition.four_stage.files import load_four_stage
from models.recognition.four_stage.glosses import bert_embeddings
from models.recognition.model_files import load_model
from models.recognition.multistream.files import load_multistream
from models.synthesis.codec import load_codec
from models.synthesis.features import load_encoder
from models.synthesis.pipeline import BaseActionPipeline
from models.training.checkpoints import read_checkpoint
from models.weights import find

ROOT = Path(__file__).parents[1]
SHIPPED = {
    "recognition": load_model,
    "multistream": load_multistream,
    "base_action": BaseActionPipeline.from_pretrained,
    "four_stage": load_four_stage,
}


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def shipped(kind: str) -> Path:
    """The model of this kind that comes with the studio."""
    return ROOT / "assets" / kind


PICKLES = (
    "pytorch_model.bin", "model.safetensors", "diffusion_pytorch_model.bin", "model.bin", "model.pt", "model.ckpt",
    "diffusion_pytorch_model.safetensors", "tf_model.h5", "vocab.pkl", "tokenizer.pkl", "last.safetensors",
)  # fmt: skip
LOADERS: dict[str, tuple[Callable[[Path], Any], dict[str, Any]]] = {
    "landmark": (load_model, {}),
    "four-stage": (load_four_stage, {"kind": "four-stage", "format": 1, "glosses": ["A"], "config": {}}),
    "multistream": (
        load_multistream,
        {"kind": "multistream", "format": 1, "labels": ["A"], "trained_on": "", "drawn": 1},
    ),
    "base action": (BaseActionPipeline.from_pretrained, {"kind": "base-action", "format": 1}),
    "codec": (load_codec, {"_class_name": "AutoencoderKL"}),
    "small codec": (load_codec, {"_class_name": "PatchCodec"}),
    "encoder": (load_encoder, {"_class_name": "CLIPVisionModelWithProjection", "model_type": "clip_vision_model"}),
    "small encoder": (load_encoder, {"_class_name": "SmallEncoder"}),
    "bert": (lambda path: bert_embeddings(["A"], path), {"model_type": "bert"}),
    "checkpoint": (lambda path: read_checkpoint(path / "last.safetensors"), {}),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_a_pickle_in_a_folder_of_weights_is_never_run(tmp_path: Path, kind: str) -> None:
    load, about = LOADERS[kind]
    folder, touched = tmp_path / "weights", tmp_path / "touched"
    folder.mkdir()
    for name in PICKLES:
        (folder / name).write_bytes(pickle.dumps(Touch(touched)))
    (folder / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\n[PAD]\n[MASK]\na\n")
    for name in ("model.json", "config.json"):
        (folder / name).write_text(json.dumps(about))
    with pytest.raises(Exception):  # noqa: B017 - whichever the library has for it; users see those of `models.weights.find`
        load(folder)
    assert not touched.exists()
    pickle.loads((folder / "model.pt").read_bytes())  # it would have
    assert touched.exists()


def test_a_folder_of_pickled_published_weights_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "clip-vit-base-patch32"
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Touch(tmp_path / "touched")))
    with pytest.raises(WeightsError, match="pickle"):
        find("clip-vit-base-patch32", tmp_path)
    assert not (tmp_path / "touched").exists()


HEADERS = {
    "longer than the file": struct.pack("<Q", 2**62) + b"{}",
    "not JSON": struct.pack("<Q", 4) + b"nope",
    "deep": struct.pack("<Q", 100_000) + b"[" * 100_000,
    "beyond its end": b"",
    "overlapping": b"",
    "of another type": b"",
}
for words, tensor in {
    "beyond its end": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]},
    "overlapping": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]},
    "of another type": {"dtype": "EVIL", "shape": [1], "data_offsets": [0, 4]},
}.items():
    head = json.dumps({"a": tensor}).encode()
    HEADERS[words] = struct.pack("<Q", len(head)) + head + b"\0" * 8


@pytest.mark.parametrize("words", HEADERS)
@pytest.mark.parametrize("kind", SHIPPED)
def test_a_header_of_weights_that_lies_is_refused(tmp_path: Path, kind: str, words: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(shipped(kind), folder)
    (folder / "model.safetensors").write_bytes(HEADERS[words])
    with pytest.raises(WeightsError):
        SHIPPED[kind](folder)


HUGE = st.sampled_from([0, -1, 1, 7, 1_000_000, 10**12, 10**30, 1e308, None, True, "x", [], [10**9] * 3, {}, {"a": 1}])


@pytest.mark.parametrize("kind", SHIPPED)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_description_asks_for_no_more_than_is_there(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    """Every setting in turn with a value that nobody means: a model, or a WeightsError, at once."""
    folder = tmp_path_factory.getbasetemp() / f"asks-{kind}"
    if not folder.exists():
        shutil.copytree(shipped(kind), folder)
    about = json.loads((shipped(kind) / "model.json").read_text())
    names = [("config", name) for name in about["config"]] + [("", name) for name in about if name != "config"]
    for _ in range(data.draw(st.integers(1, 2))):
        where, name = data.draw(st.sampled_from(names))
        (about["config"] if where else about)[name] = data.draw(HUGE)
    (folder / "model.json").write_text(json.dumps(about))
    try:
        SHIPPED[kind](folder)
    except SignError as error:
        assert len(str(error)) < 2000


def test_a_network_of_a_billion_numbers_is_counted_and_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(shipped("recognition"), folder)
    about = json.loads((folder / "model.json").read_text())
    about["config"]["width"] = 400_000
    (folder / "model.json").write_text(json.dumps(about))
    with pytest.raises(WeightsError, match=r"asks for a network of [\d,]{12,} numbers"):
        load_model(folder)
