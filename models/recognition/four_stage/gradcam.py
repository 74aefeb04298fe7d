"""Where in the picture the model looks for a gloss: Grad-CAM on the last maps of the ResNet.

Each channel of the maps is weighed by the mean of the gradient of what is asked over its cells; what the weighed sum
of the channels has above 0 spoke for the answer. What is asked is CTC's logit of the gloss in the keyframe in which it
is likeliest. The BiLSTM lets other frames speak, too, so the maps are of one frame, not of the sign.

Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (2017).

Shapes: T frames, C channels, h x w cells of the maps, H x W pixels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.recognition.decoding import forced_align, prefix_beam, token_spans
from models.recognition.four_stage.model import FourStage


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Where the model looked for one gloss of what it recognized."""

    gloss: str
    frame: int
    """Number of the frame in which it is likeliest."""
    probability: float
    """Of the gloss in this frame."""
    heat: NDArray[np.float32]
    """(h, w) 0..1 of the strongest cell; all 0 when nothing spoke for it."""


def grad_cam(maps: Tensor, score: Tensor) -> Tensor:
    """Heat (N, h, w), 0 or more, of maps (N, C, h, w) that the score, one number, was computed from."""
    (gradient,) = torch.autograd.grad(score, maps, retain_graph=True)
    weights = gradient.mean(dim=(-2, -1), keepdim=True)
    return functional.relu((weights * maps).sum(dim=1)).detach()


def seen(model: FourStage, video: Tensor) -> list[Seen]:
    """Every gloss that the model recognizes in a clip (T, 3, H, W), uint8, in order."""
    device = next(model.parameters()).device
    length = torch.tensor([len(video)], device=device)
    with _held_maps(model) as held, torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        outputs = model(video[None].to(device), length)  # cuDNN has no gradient of an LSTM that is not in training
        log_probs = outputs.ctc_logits[0].float().log_softmax(dim=-1).detach().cpu().numpy()
        made = []
        for label, row in _peaks(log_probs):
            frame = int(outputs.keyframes[0, row])
            heat = _heat(held, outputs.ctc_logits[0, row, label], frame)
            probability = float(np.exp(log_probs[row, label]))
            made.append(Seen(gloss=model.glosses[label - 1], frame=frame, probability=probability, heat=heat))
    return made


def _peaks(log_probs: NDArray[np.float32]) -> list[tuple[int, int]]:
    """(label, row in which it is likeliest) of each gloss of the likeliest sentence."""
    path = forced_align(log_probs, prefix_beam(log_probs).labels)
    return [(label, start + int(log_probs[start:end, label].argmax())) for label, start, end in token_spans(path)]


def _heat(held: list[Tensor], score: Tensor, frame: int) -> NDArray[np.float32]:
    for maps in held:
        if frame < len(maps):
            found = grad_cam(maps, score)[frame]
            return np.asarray((found / found.max().clamp(min=1e-12)).float().cpu())
        frame -= len(maps)
    raise ValueError("the clip has no such frame")


@contextlib.contextmanager
def _held_maps(model: FourStage) -> Iterator[list[Tensor]]:
    """The ResNet's last maps, chunk by chunk, from which a graph begins; the ResNet itself keeps nothing for one, which
    for a long clip would be more memory than there is."""
    held: list[Tensor] = []

    def hold(_module: Any, _inputs: Any, output: Any) -> Any:
        output.last_hidden_state = output.last_hidden_state.detach().requires_grad_(True)
        held.append(output.last_hidden_state)
        return output

    resnet = model.backbone.resnet
    wanted = [(one, one.requires_grad) for one in resnet.parameters()]
    was_training = model.training
    resnet.requires_grad_(False)
    model.eval()
    hook = resnet.register_forward_hook(hold)
    try:
        yield held
    finally:
        hook.remove()
        for one, trained in wanted:
            one.requires_grad_(trained)
        model.train(was_training)


def overlay(frame: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The frame (H, W, 3) RGB in grey, with the heat (h, w) over it in colours that also grow lighter."""
    import matplotlib

    height, width = frame.shape[:2]
    smooth = np.clip(cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    grey = np.repeat(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2).astype(np.float64)
    colour = matplotlib.colormaps["inferno"](smooth)[..., :3] * 255
    share = 0.65 * smooth[..., None]
    return np.round(grey * 0.8 * (1 - share) + colour * share).astype(np.uint8)
