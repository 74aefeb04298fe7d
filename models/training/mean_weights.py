"""The weights of a model, averaged over the last steps of its training: better than those of any one step."""

from __future__ import annotations

import copy

import torch
from torch import nn


class MeanWeights:
    """Of a model that is trained. Buffers are not averaged: they are those of the last step."""

    def __init__(self, model: nn.Module, over: int) -> None:
        """over: steps, about."""
        self.model = copy.deepcopy(model).requires_grad_(False)
        self._over = over

    def take(self, model: nn.Module, step: int) -> None:
        """Take in the weights that a model has after a step. step: its number, from 1."""
        # Less of the mean is kept in the beginning, which is soon forgotten.
        _average(self.model, model, min(1 - 1 / self._over, step / (step + 10)))

    def give(self, model: nn.Module) -> None:
        """Put the mean into a model."""
        _average(model, self.model, 0.0)


def _average(mean: nn.Module, model: nn.Module, keep: float) -> None:
    with torch.no_grad():
        for kept, new in zip(mean.parameters(), model.parameters(), strict=True):
            kept.lerp_(new.detach(), 1 - keep)
        for kept_buffer, new_buffer in zip(mean.buffers(), model.buffers(), strict=True):
            kept_buffer.copy_(new_buffer)
