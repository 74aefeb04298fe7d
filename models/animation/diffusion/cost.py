"""How much a diffusion engine computes: evaluations of UNet and ControlNet, counted where they happen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Evaluations:
    """Pictures that went through each network; with guidance every step counts two."""

    frames: int = 0
    unet: int = 0
    controlnet: int = 0
    unet_inner: int = 0
    """Of the UNet's, those in which the inner layers were computed and not reused."""
    _handles: list[Any] = field(default_factory=list, repr=False)

    def line(self) -> str:
        """A sentence per frame."""
        frames = max(self.frames, 1)
        return (
            f"{self.unet / frames:.1f} UNet evaluations per frame ({self.unet_inner / frames:.1f} with inner layers), "
            f"{self.controlnet / frames:.1f} of ControlNet"
        )


@contextmanager
def counted(pipe: Any) -> Iterator[Evaluations]:
    """Count what a pipeline evaluates in the block; the caller adds the frames."""
    found = Evaluations()

    def hook(name: str) -> Any:
        def count(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            sample: Any = args[0] if args else kwargs["sample" if "sample" in kwargs else "hidden_states"]
            # AnimateDiff's networks take (batch, channels, frames, height, width).
            pictures = sample.shape[0] * (sample.shape[2] if sample.ndim == 5 else 1)
            setattr(found, name, getattr(found, name) + int(pictures))

        return count

    # What reuses inner layers replaces their `forward`, so a block is called all the same; a layer in it is not.
    inner = next(iter(pipe.unet.mid_block.resnets), None)
    modules = [(pipe.unet, "unet"), (pipe.controlnet, "controlnet"), (inner, "unet_inner")]
    handles = [
        module.register_forward_pre_hook(hook(name), with_kwargs=True) for module, name in modules if module is not None
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
