"""The architecture of a four-stage model as it was built: shapes and parameters, read off while a clip goes through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from models.recognition.four_stage.model import FourStage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A part of the model."""

    name: str
    """Of the module, as PyTorch has it."""
    title: str
    stage: int
    shape: Shape
    """Of what comes out, for the clip that was shown."""
    parameters: int
    """Also those that are not trained."""


# Module, what it is, stage.
_PARTS = (
    ("backbone.resnet", "ResNet on every frame", 1),
    ("backbone.reduce", "1 × 1 convolution", 1),
    ("frame", "Features of a frame", 1),
    ("align", "Frames, to compare", 1),
    ("align_gloss", "Glosses, to compare", 1),
    ("selector.gru", "ConvGRU over changes", 2),
    ("selector.score", "Score of each frame", 2),
    ("lstm", "BiLSTM over keyframes", 3),
    ("classify", "Gloss of each keyframe", 3),
    ("blank", "CTC: a blank beside them", 4),
)
_DOWN = (
    ("backbone.resnet", "backbone.reduce"),
    ("backbone.reduce", "frame"),
    ("frame", "align"),
    ("selector.gru", "selector.score"),
    ("lstm", "classify"),
)
_WIDE, _HIGH, _GAP = 0.82, 0.84, 0.18  # of a box, and between two
STAGES = ("1  Frames, aligned with glosses", "2  Keyframes by motion", "3  Sequence", "4  Decoding")


def layers(model: FourStage, video: Tensor) -> list[Layer]:
    """The parts of a model in the order of the data, with the shapes for a clip (T, 3, H, W)."""
    device = next(model.parameters()).device
    shapes: dict[str, Shape] = {}
    with _noted(model, shapes), torch.inference_mode():
        outputs = model(video[None].to(device), torch.tensor([len(video)], device=device))
        if model.config.align:
            model.gloss_embeddings()
    # The ResNet is called chunk by chunk; what it gives for a clip has all frames.
    shapes["backbone.resnet"] = (len(video), *shapes["backbone.resnet"][1:])
    shapes["lstm"] = tuple(outputs.hidden.shape)
    shapes["blank"] = tuple(outputs.ctc_logits.shape)  # with the glosses of stage 3 beside it
    made = []
    for name, title, stage in _PARTS:
        if name not in shapes:
            continue
        count = sum(one.numel() for one in model.get_submodule(name).parameters())
        if name == "align_gloss":
            count += model.gloss_vectors.numel() if isinstance(model.gloss_vectors, nn.Parameter) else 0
        made.append(Layer(name=name, title=title, stage=stage, shape=shapes[name], parameters=count))
    return made


@contextmanager
def _noted(model: FourStage, shapes: dict[str, Shape]) -> Iterator[None]:
    def noting(name: str) -> Any:
        def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
            shapes[name] = _shape(output)

        return note

    known = dict(model.named_modules())
    hooks = [known[name].register_forward_hook(noting(name)) for name, _, _ in _PARTS if name in known]
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        model.train(was_training)


def _shape(output: Any) -> Shape:
    found = output[0] if isinstance(output, tuple) and not isinstance(output, PackedSequence) else output
    if isinstance(found, PackedSequence):
        return tuple(pad_packed_sequence(found, batch_first=True)[0].shape)
    shown = found if isinstance(found, Tensor) else found.last_hidden_state
    return tuple(shown.shape)


def draw(axes: Axes, found: Sequence[Layer], video: Shape, total: int) -> None:
    """Draw the parts as boxes, a column for each stage. video: shape of the clip that was shown."""
    from models.figures import FAINT, INK, PAPER

    axes.set_axis_off()
    axes.set_xlim(-0.02, 4.02)
    axes.set_ylim(-0.42, 5.75)
    axes.text(0.04, 5.62, f"one clip: {shape_words(video)}", fontsize=9.5, color=INK, va="center")
    axes.text(3.96, 5.62, f"{total:,} parameters in all", fontsize=9.5, color=INK, va="center", ha="right")
    corners: dict[str, tuple[float, float]] = {}
    for stage, words in enumerate(STAGES, start=1):
        left = stage - 1
        axes.add_patch(_box(left + 0.02, -0.35, 0.9, 5.7, face=PAPER, edge=FAINT))
        axes.text(left + 0.06, 5.12, words, fontsize=10, fontweight="bold", color=INK, va="center")
        own = [one for one in found if one.stage == stage]
        if not own:
            axes.text(left + 0.47, 4.3, "not in this model:\nevery frame is kept", ha="center", color=INK, fontsize=9)
        for place, one in enumerate(own):
            corners[one.name] = left + 0.06, 4.8 - place * (_HIGH + _GAP)
            _draw_layer(axes, one, *corners[one.name], ink=INK)
    _draw_ways(axes, corners, INK)


def _draw_layer(axes: Axes, one: Layer, left: float, top: float, *, ink: str) -> None:
    axes.add_patch(_box(left, top - _HIGH, _WIDE, _HIGH, face="#e8f1f8", edge=ink))
    axes.text(left + 0.03, top - 0.18, one.title, fontsize=9, fontweight="bold", color=ink, va="center")
    axes.text(left + 0.03, top - 0.43, f"→ {shape_words(one.shape)}", fontsize=8.5, color=ink, va="center")
    axes.text(left + 0.03, top - 0.67, f"{one.parameters:,} parameters", fontsize=8.5, color=ink, va="center")


def _draw_ways(axes: Axes, corners: dict[str, tuple[float, float]], ink: str) -> None:
    """What goes into what."""
    for above, below in _DOWN:
        if above in corners and below in corners:
            (left, top), (_, end) = corners[above], corners[below]
            _arrow(axes, [(left + _WIDE / 2, top - _HIGH), (left + _WIDE / 2, end)], ink)
    lstm_left, lstm_top = corners["lstm"]
    bend = lstm_left - 0.09
    out, level = corners["frame"][0] + _WIDE, corners["frame"][1] - _HIGH / 2
    enter = lstm_top - 0.62
    _arrow(axes, [(out, level), (bend, level), (bend, enter), (lstm_left, enter)], ink)
    kept = "features of the kept frames" if "selector.gru" in corners else "features of all frames"
    axes.text((out + bend) / 2 + 0.06, level - 0.14, kept, fontsize=8.5, color=ink, ha="center", va="center")
    if "selector.gru" in corners:
        (left, top), (_, reduce_top) = corners["selector.gru"], corners["backbone.reduce"]
        begin, turn = reduce_top - _HIGH / 2, left - 0.09
        _arrow(axes, [(out, begin), (turn, begin), (turn, top - 0.42), (left, top - 0.42)], ink)
        score_left, score_top = corners["selector.score"]
        _arrow(axes, [(score_left + _WIDE, score_top - _HIGH / 2), (bend, score_top - _HIGH / 2)], ink)
    blank_left, blank_top = corners["blank"]
    _arrow(axes, [(lstm_left + _WIDE, lstm_top - 0.42), (blank_left, blank_top - 0.42)], ink)
    classify_left, classify_top = corners["classify"]
    right, turn = classify_left + _WIDE, blank_left - 0.09
    low = blank_top - 0.66
    _arrow(axes, [(right, classify_top - 0.42), (turn, classify_top - 0.42), (turn, low), (blank_left, low)], ink)


def _arrow(axes: Axes, points: list[tuple[float, float]], ink: str) -> None:
    across, up = zip(*points[:-1], strict=True)
    axes.plot(across, up, color=ink, linewidth=1.2, solid_capstyle="round")
    arrow = {"arrowstyle": "-|>", "color": ink, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", points[-1], points[-2], arrowprops=arrow)


def _box(left: float, bottom: float, width: float, height: float, *, face: str, edge: str) -> Any:
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0,rounding_size=0.04"
    return FancyBboxPatch((left, bottom), width, height, boxstyle=style, facecolor=face, edgecolor=edge, linewidth=1)


def shape_words(shape: Shape) -> str:
    """A shape as 41 × 64 × 4 × 4, without the one clip that it is of."""
    kept = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape
    return " × ".join(map(str, kept))
