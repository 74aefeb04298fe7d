"""The landmark model as ONNX, for runtimes without torch: a browser, a phone, another language.

One graph for clips and cameras. Inputs are `rows` (1, T, F) and the state: `convolution_N`, `keys_N`, `values_N`,
`there_N` and `recurrent`; outputs are `activity` (1, T, 3), `contextual` (1, T, V) and `hidden` (1, T, D), all logits
but the last, and the state after, each with `_after` behind its name. `empty_state` gives the state before a clip.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.errors import WeightsError
from models.files import replacing
from models.recognition.features import NUM_FEATURES
from models.recognition.landmark_model import LandmarkModel, State

_TRACED_ROWS = 8


class _Flat(nn.Module):
    """The model with the state as single tensors, which is all that ONNX knows."""

    def __init__(self, model: LandmarkModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        outputs, after = self.model(rows, _gathered(self.model, state))
        return outputs.activity, outputs.contextual, outputs.hidden, *_flat(after)


def export_onnx(model: LandmarkModel, path: Path) -> None:
    """Write the model as ONNX. Raises WeightsError when the packages for it are missing."""
    try:
        import onnx  # noqa: F401 - torch imports it late, and says so in a way that users do not understand
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise WeightsError(f"Exporting takes the package {error.name}: pip install 'sign-studio[onnx]'.") from None
    model = model.eval()
    rows = torch.zeros(1, _TRACED_ROWS, NUM_FEATURES)
    state = tuple(part.clone() for part in _flat(model.empty()))  # the exporter would join inputs that share memory
    names = state_names(model)
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch to its own developers
        torch.onnx.export(
            _Flat(model),
            (rows, *state),
            str(temporary),
            input_names=["rows", *names],
            output_names=["activity", "contextual", "hidden", *(f"{name}_after" for name in names)],
            dynamic_shapes=({1: torch.export.Dim("rows_count", min=1, max=100_000)}, tuple({} for _ in state)),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def empty_state(model: LandmarkModel) -> dict[str, NDArray[np.generic]]:
    """The state before the first row, by the names of the graph's inputs."""
    return {name: value.numpy() for name, value in zip(state_names(model), _flat(model.empty()), strict=True)}


def state_names(model: LandmarkModel) -> list[str]:
    """What the graph calls the parts of the state."""
    config = model.config
    attentions = [
        f"{what}_{number}" for number in range(config.attention_blocks) for what in ("keys", "values", "there")
    ]
    return [*(f"convolution_{number}" for number in range(len(config.dilations))), *attentions, "recurrent"]


def _flat(state: State) -> tuple[Tensor, ...]:
    return (*state.convolutions, *(part for block in state.attentions for part in block), state.recurrent)


def _gathered(model: LandmarkModel, parts: tuple[Tensor, ...]) -> State:
    first, blocks = len(model.config.dilations), model.config.attention_blocks
    held = [tuple(parts[first + 3 * number : first + 3 * number + 3]) for number in range(blocks)]
    return State(tuple(parts[:first]), tuple(held), parts[-1])  # type: ignore[arg-type]
