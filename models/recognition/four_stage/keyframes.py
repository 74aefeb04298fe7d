"""Stage 2: which frames are worth reading, by a ConvGRU over the change from frame to frame.

    d_t = f_t - f_{t-1}, d_0 = 0            T scores for T frames
    h_t = ConvGRU(d_t, h_{t-1})             convolutions padded, so that the grid keeps its size
    s_t = w . mean over the grid of h_t     padding gets -inf

The K best frames are kept, in order of time, with K = max(ceil(keep * length), glosses + adjacent repeats), so that
CTC stays feasible. The top-k has no gradient: what is kept is multiplied by a gate that is 1 forwards, and sigmoid(s)
backwards (straight through), so that CTC reaches the scores.

Source: the GRU of Cho et al. (2014), with convolutions as in Ballas et al., "Delving Deeper into Convolutional
Networks for Learning Video Representations" (2016); Bengio et al. (2013) for the straight-through estimate.

Shapes: B clips, T frames, K keyframes, D features, M memory channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvGRU(nn.Module):
    """A GRU whose products are padded 3 x 3 convolutions: (B, T, D, H, W) to (B, T, M, H, W)."""

    def __init__(self, features: int, memory: int) -> None:
        super().__init__()
        self.memory = memory
        self.enter = nn.Conv2d(features, 3 * memory, 3, padding=1)
        self.gates = nn.Conv2d(memory, 2 * memory, 3, padding=1, bias=False)
        self.propose = nn.Conv2d(memory, memory, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        batch, count, _, height, width = x.shape
        entered = self.enter(x.flatten(0, 1)).view(batch, count, 3 * self.memory, height, width)
        state = x.new_zeros(batch, self.memory, height, width)
        states = []
        for part in entered.unbind(dim=1):
            for_gates, for_new = part.split([2 * self.memory, self.memory], dim=1)
            update, reset = torch.sigmoid(for_gates + self.gates(state)).chunk(2, dim=1)
            new = torch.tanh(for_new + self.propose(reset * state))
            state = update * state + (1 - update) * new
            states.append(state)
        return torch.stack(states, dim=1)


class Selector(nn.Module):
    """A score for every frame: (B, T, D, H, W) to (B, T)."""

    def __init__(self, features: int, memory: int) -> None:
        super().__init__()
        self.gru = ConvGRU(features, memory)
        self.score = nn.Linear(memory, 1)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        change = torch.cat([torch.zeros_like(features[:, :1]), features[:, 1:] - features[:, :-1]], dim=1)
        return self.score(self.gru(change).mean(dim=(-2, -1))).squeeze(-1)


def num_keyframes(lengths: Tensor, keep: float, needed: Tensor | None = None) -> Tensor:
    """How many frames (B,) are kept of clips of these lengths. needed: rows that CTC needs, if the glosses are known.
    Never more than there are."""
    wanted = torch.ceil(keep * lengths.double() - 1e-9).long().clamp(min=1)
    if needed is not None:
        wanted = torch.maximum(wanted, needed.to(wanted))
    return torch.minimum(wanted, lengths)


def keyframes(scores: Tensor, lengths: Tensor, counts: Tensor) -> Tensor:
    """The numbers (B, K) of the best `counts` frames of each clip, in order of time; -1 behind them.

    scores: (B, T); frames from `lengths` on are padding and never chosen.
    """
    batch, total = scores.shape
    places = torch.arange(total, device=scores.device)
    masked = scores.detach().masked_fill(places[None] >= lengths[:, None], float("-inf"))
    most = int(counts.max())
    order = masked.argsort(dim=1, descending=True, stable=True)[:, :most]
    chosen = torch.where(torch.arange(most, device=scores.device)[None] < counts[:, None], order, total)
    chosen = chosen.sort(dim=1).values
    return torch.where(chosen < total, chosen, -1).view(batch, most)


def gate(scores: Tensor) -> Tensor:
    """1 forwards, sigmoid(s) backwards."""
    share = torch.sigmoid(scores)
    return 1 + share - share.detach()


def motion_energy(video: Tensor, lengths: Tensor) -> Tensor:
    """How much (B, T) the picture changes up to each frame, 0..1 of the most in its clip; 0 for the first frame and for
    padding. video: (B, T, 3, H, W)."""
    grey = video.float().mean(dim=2)
    change = (grey[:, 1:] - grey[:, :-1]).abs().mean(dim=(-2, -1))
    change = torch.cat([torch.zeros_like(change[:, :1]), change], dim=1)
    places = torch.arange(change.shape[1], device=change.device)
    change = change.masked_fill(places[None] >= lengths[:, None], 0)
    return change / change.amax(dim=1, keepdim=True).clamp(min=1e-6)
