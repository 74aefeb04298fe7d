"""How the terms of a loss are weighed against each other: as given, or by GradNorm.

Source: Chen, Badrinarayanan, Lee, Rabinovich, "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep
Multitask Networks" (ICML 2018). With n terms L_i, weights w_i, and G_i the norm of the gradient of L_i in the last
layer that all share, w is moved by Adam so that w_i G_i comes close to mean_j(w_j G_j) r_i^alpha, where r_i is
L_i(t) / L_i(0) over its mean: a term that has fallen less than the others is pulled harder. Then w is scaled to sum
to n. The target counts as a constant. Its gradient in w_i is therefore sign(w_i G_i - target_i) G_i.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from models.errors import SignError
from models.training.options import LoopOptions
from models.training.task import Task

_LEAST = 1e-3
_BETAS, _EPS = (0.9, 0.999), 1e-8


class Weighing:
    """What the terms of a task are multiplied by: as the task gives it, times what GradNorm learns where it is asked
    to. Raises SignError for a task without a layer that all terms share, which GradNorm needs."""

    def __init__(self, task: Task, options: LoopOptions, mean: Callable[[Tensor], Tensor]) -> None:
        """mean: over all processes."""
        self._task, self._options, self._mean = task, options, mean
        self._shared = list(task.shared())
        if options.weighing == "gradnorm" and not self._shared:
            raise SignError("loop.weighing is gradnorm, and this model has no layer that all terms share; use fixed.")
        self.learned: GradNorm | None = None
        """None before the first step in which it learns."""

    def weights(self, names: Iterable[str]) -> dict[str, float]:
        """Of these terms; those that are learned are relative to those that are given."""
        given = self._task.weights()
        learned = self.learned.weights() if self.learned is not None else {}
        return {name: given.get(name, 1.0) * learned.get(name, 1.0) for name in names}

    def learn(self, losses: Mapping[str, Tensor], step: int) -> None:
        """Learn from the terms of a step, before they are propagated back."""
        # Not while the learning rate rises: CTC falls to a tenth in these steps by learning to say nothing, and
        # GradNorm would take that for progress.
        if self._options.weighing == "fixed" or step < self._options.warmup * self._options.steps:
            return
        if self.learned is None:
            apart = {*self._task.fixed_terms, *(name for name, weight in self._task.weights().items() if not weight)}
            self._begin([name for name in losses if name not in apart])
        assert self.learned is not None
        chosen = {name: losses[name] for name in self.learned.names if name in losses}
        norms = gradient_norms(chosen, self._shared)
        mean = {name: self._mean(torch.stack([chosen[name].detach().float(), norms[name]])) for name in chosen}
        self.learned.update(
            {name: float(value[0]) for name, value in mean.items()},
            {name: float(value[1]) for name, value in mean.items()},
        )

    def resume(self, names: Sequence[str], tensors: Mapping[str, Tensor]) -> None:
        """Go on with what GradNorm had learned of these terms, its `state`."""
        self._begin(names)
        assert self.learned is not None
        self.learned.load_state(tensors)

    def _begin(self, names: Sequence[str]) -> None:
        self.learned = GradNorm(names, self._options.gradnorm_alpha, self._options.gradnorm_rate)


class GradNorm:
    """Weights of terms, learned. Tensors are float64, on the CPU."""

    def __init__(self, names: Sequence[str], alpha: float = 0.5, rate: float = 0.025) -> None:
        if not names or alpha < 0 or rate <= 0:
            raise ValueError(f"GradNorm needs terms, alpha >= 0 and rate > 0, not {list(names)}, {alpha}, {rate}")
        self.names, self.alpha, self.rate = tuple(names), alpha, rate
        self.values = torch.ones(len(names), dtype=torch.float64)
        self._first = torch.zeros(len(names), dtype=torch.float64)  # L_i(0); 0 before it was seen
        self._moments = torch.zeros(2, len(names), dtype=torch.float64)
        self._steps = torch.zeros((), dtype=torch.float64)

    def weights(self) -> dict[str, float]:
        """The weight of each term; they sum to the number of terms."""
        return dict(zip(self.names, self.values.tolist(), strict=True))

    def update(self, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """Move the weights, given the terms and the norms G_i of their gradients, neither weighted. A term that was
        not there in this step, or has no gradient yet, is left alone."""
        loss = torch.tensor([losses.get(name, float("nan")) for name in self.names], dtype=torch.float64)
        norm = torch.tensor([norms.get(name, float("nan")) for name in self.names], dtype=torch.float64)
        there = torch.isfinite(loss) & torch.isfinite(norm) & (norm > 0) & (loss > 0)
        self._first = torch.where((self._first == 0) & there, loss, self._first)
        if there.sum() < 2:
            return
        ratio = loss[there] / self._first[there]
        pulled = self.values[there] * norm[there]
        target = pulled.mean() * (ratio / ratio.mean()) ** self.alpha
        gradient = torch.zeros_like(self.values)
        gradient[there] = torch.sign(pulled - target) * norm[there]
        self._steps += 1
        self._moments[0].lerp_(gradient, 1 - _BETAS[0])
        self._moments[1].lerp_(gradient**2, 1 - _BETAS[1])
        mean = self._moments[0] / (1 - _BETAS[0] ** float(self._steps))
        spread = self._moments[1] / (1 - _BETAS[1] ** float(self._steps))
        moved = self.values - self.rate * mean / (spread.sqrt() + _EPS) * there
        moved = moved.clamp(min=_LEAST)
        self.values = moved * len(self.names) / moved.sum()

    def state(self) -> dict[str, Tensor]:
        """What has to be kept for a run to go on."""
        return {"values": self.values, "first": self._first, "moments": self._moments, "steps": self._steps}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.values, self._first = tensors["values"].clone(), tensors["first"].clone()
        self._moments, self._steps = tensors["moments"].clone(), tensors["steps"].clone()


def gradient_norms(losses: Mapping[str, Tensor], shared: Sequence[nn.Parameter]) -> dict[str, Tensor]:
    """Norm of the gradient of each term in the shared layer; 0 for a term that does not depend on it."""
    norms = {}
    for name, loss in losses.items():
        if not loss.requires_grad:
            norms[name] = loss.detach() * 0
            continue
        found = torch.autograd.grad(loss, list(shared), retain_graph=True, allow_unused=True)
        parts = [one.float().norm() for one in found if one is not None]
        norms[name] = torch.stack(parts).norm() if parts else loss.detach() * 0
    return norms
