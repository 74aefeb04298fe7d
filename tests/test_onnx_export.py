"""The model as ONNX gives the same numbers, for a clip and going on from a state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.recognition.features import NUM_FEATURES
from models.recognition.landmark_model import LandmarkModel, LandmarkModelConfig
from models.recognition.onnx_export import empty_state, export_onnx, state_names


def test_the_graph_gives_the_same_logits_and_goes_on_from_a_state(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    model = LandmarkModel(LandmarkModelConfig(num_glosses=7, width=32, past=10)).eval()
    export_onnx(model, tmp_path / "model.onnx")
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    rows = np.random.default_rng(0).normal(size=(1, 33, NUM_FEATURES)).astype(np.float32)
    with torch.inference_mode():
        wanted, _ = model(torch.from_numpy(rows))

    names = [output.name for output in session.get_outputs()]
    state, parts = empty_state(model), []
    for piece in np.split(rows, [12, 13], axis=1):
        said = dict(zip(names, session.run(None, {"rows": piece, **state}), strict=True))
        state = {name: said[f"{name}_after"] for name in state_names(model)}
        parts.append(said)
    for name in ("activity", "contextual", "hidden"):
        joined = np.concatenate([said[name] for said in parts], axis=1)
        assert np.allclose(joined, getattr(wanted, name).numpy(), atol=2e-5), name
