"""Hands as graphs: 21 joints, joined by bones, that hear from their neighbours in rounds.

Joints are taken relative to the wrist and in palm lengths, so that a hand is the same wherever it is and however near;
where it is is told apart from that (`places`). Left hands are mirrored: one network sees both as right hands.

Source of the kind of layer: message passing with a mean over neighbours and a matrix of its own for the joint itself
(Hamilton et al., GraphSAGE, 2017), with layer normalisation and a residual; max and mean are pooled over the joints.

Shapes: M hands, J = 21 joints, D width.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.data.something_hands import SIDES
from models.pose.landmarks import NUM_HAND

FINGERS = tuple(tuple(range(first, first + 4)) for first in (1, 5, 9, 13, 17))
BONES = (
    *((0, finger[0]) for finger in FINGERS),
    *((one, one + 1) for finger in FINGERS for one in finger[:-1]),
    *((first[0], second[0]) for first, second in pairwise(FINGERS[1:])),
)
"""Pairs of joints: along the fingers, from the wrist to each, and along the knuckles."""
_LEFT = SIDES.index("left")
_MIDDLE_KNUCKLE = 9
_SMALLEST = 1e-3  # of the picture's width: a palm shorter than this is none


def neighbours() -> Tensor:
    """(J, J) of which row j takes the mean over what bones join to joint j."""
    joined = torch.zeros(NUM_HAND, NUM_HAND)
    for one, other in BONES:
        joined[one, other] = joined[other, one] = 1
    return joined / joined.sum(dim=1, keepdim=True)


def shapes(hands: Tensor, aspect: Tensor) -> Tensor:
    """Hands (…, 2, J, 3) as shares of the picture, left and right, to palm lengths from the wrist, all right hands.

    aspect: (…) height of the picture, in its widths, which broadcasts over the dimensions before the two sides.
    """
    scale = torch.stack([torch.ones_like(aspect), aspect, torch.ones_like(aspect)], dim=-1)
    moved = (hands - hands[..., :1, :]) * scale[..., None, None, :]
    palm = moved[..., _MIDDLE_KNUCKLE, :].norm(dim=-1).clamp(min=_SMALLEST)
    mirrored = torch.ones(len(SIDES), 1, 3, device=hands.device, dtype=hands.dtype)
    mirrored[_LEFT, 0, 0] = -1
    return moved / palm[..., None, None] * mirrored


class HandGraph(nn.Module):
    """Shapes of hands (M, J, 3) to features (M, D)."""

    joined: Tensor

    def __init__(self, width: int, rounds: int) -> None:
        super().__init__()
        self.begin = nn.Linear(3, width)
        self.own = nn.ModuleList(nn.Linear(width, width) for _ in range(rounds))
        self.heard = nn.ModuleList(nn.Linear(width, width) for _ in range(rounds))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(rounds))
        self.pooled = nn.Linear(2 * width, width)
        self.register_buffer("joined", neighbours(), persistent=False)

    def forward(self, hands: Tensor) -> Tensor:
        """See the class."""
        joints = functional.relu(self.begin(hands))
        for own, heard, norm in zip(self.own, self.heard, self.norms, strict=True):
            joints = joints + functional.relu(norm(own(joints) + heard(self.joined @ joints)))
        return functional.relu(self.pooled(torch.cat([joints.mean(dim=1), joints.amax(dim=1)], dim=-1)))
