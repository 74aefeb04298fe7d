"""The settings of the four-stage model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.errors import SignError


@dataclass(frozen=True, kw_only=True)
class FourStageConfig:
    """Sizes of the four stages, and which of them are there. As it is: ResNet-50 on 224 px."""

    size: int = 224
    """Width and height of the frames, pixels."""
    fps: float = 25.0
    """Frames a second that the model sees."""
    start: Literal["pretrained", "scratch"] = "pretrained"
    """Whether ResNet and BERT begin with their published weights, which have to be here, or with nothing."""
    block: Literal["bottleneck", "basic"] = "bottleneck"
    """Of the ResNet."""
    stem: int = 64
    """Channels after the first convolution."""
    widths: tuple[int, ...] = (256, 512, 1024, 2048)
    """Channels of the ResNet's stages."""
    depths: tuple[int, ...] = (3, 4, 6, 3)
    """Blocks in each of them."""
    chunk: int = 32
    """Frames that go through the ResNet at once: lower it when memory runs out."""
    checkpointing: bool = True
    """Compute the ResNet twice to keep less of it in memory."""
    features: int = 512
    """Channels after stage 1, and width of a frame's features."""
    aligned: int = 256
    """Width in which frames and glosses are compared."""
    memory: int = 128
    """Channels of the ConvGRU."""
    keep: float = 0.7
    """Share of the frames that are keyframes."""
    select: bool = True
    """Stage 2; without it every frame is a keyframe."""
    align: bool = True
    """The alignment with glosses in stage 1."""
    lstm: int = 512
    """Width of the BiLSTM in each direction."""
    lstm_layers: int = 2
    dropout: float = 0.3

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.depths) or not self.widths:
            raise SignError(f"model.widths has {len(self.widths)} stages, and model.depths {len(self.depths)}.")
        for name in ("size", "stem", "chunk", "features", "aligned", "memory", "lstm", "lstm_layers"):
            if getattr(self, name) < 1:
                raise SignError(f"model.{name} is {getattr(self, name)}; it has to be at least 1.")
        if min(*self.widths, *self.depths) < 1:
            raise SignError("model.widths and model.depths have to be at least 1 each.")
        if len(self.widths) > 8 or sum(self.depths) > 500 or self.lstm_layers > 16:
            raise SignError("model.widths has 8 stages at most, model.depths 500 blocks, model.lstm_layers are 16.")
        if self.size > 1024:
            raise SignError(f"model.size is {self.size}; give 1024 pixels at most.")
        if self.size < 2 ** (len(self.widths) + 1):
            raise SignError(f"model.size is {self.size}; {len(self.widths)} stages need more pixels.")
        if not 0 < self.keep <= 1 or not 0 <= self.dropout < 1 or not 1 <= self.fps <= 120:
            raise SignError("model.keep and model.dropout are shares, 0 to 1; model.fps is 1 to 120.")
