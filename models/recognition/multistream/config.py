"""The settings of the multi-stream model, and of a training of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from models.errors import SignError
from models.training.options import LoopOptions

Stream = Literal["hands", "objects", "context"]
STREAMS: tuple[Stream, ...] = get_args(Stream)


@dataclass(frozen=True, kw_only=True)
class MultiStreamConfig:
    """Sizes of the streams, and which of them are there. As it is, with 174 labels, it has 29,904,750 parameters."""

    start: Literal["published", "scratch"] = "published"
    """Whether ResNet-34 and MobileNetV2 begin with their published weights, which have to be here, or with nothing."""
    frames: int = 20
    """Of a clip, spread evenly over it."""
    size: int = 224
    """Width and height of the whole picture, pixels."""
    crop: int = 112
    """Width and height of an object's picture, pixels."""
    max_objects: int = 4
    """Of a clip; further ones are left out."""
    stem: int = 64
    """Channels after the first convolution of the ResNet."""
    widths: tuple[int, ...] = (64, 128, 256, 512)
    """Channels of its stages."""
    depths: tuple[int, ...] = (3, 4, 6, 3)
    """Blocks in each of them."""
    multiplier: float = 1.0
    """Of the channels of MobileNetV2."""
    graph: int = 128
    """Width of a joint's features, and of a hand's."""
    rounds: int = 3
    """How often each joint hears from its neighbours."""
    object_features: int = 256
    width: int = 256
    """In which hands, objects and context are compared."""
    heads: int = 8
    """Of each attention."""
    lstm: int = 448
    """Width of the BiLSTM in each direction."""
    hidden: int = 512
    """Width of the layer before the labels."""
    dropout: float = 0.3
    hands: bool = True
    """Whether the model has the stream of hands."""
    objects: bool = True
    """Whether it has the stream of objects."""
    context: bool = True
    """Whether it has the stream of the whole picture."""
    chunk: int = 64
    """Pictures that go through a trunk at once: lower it when memory runs out."""
    checkpointing: bool = False
    """Compute the trunks twice to keep less of them in memory."""

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.depths) or not self.widths:
            raise SignError(f"model.widths has {len(self.widths)} stages, and model.depths {len(self.depths)}.")
        least = {"frames": 2, "max_objects": 1, "stem": 8, "graph": 1, "rounds": 1, "object_features": 1, "width": 16}
        for name, bound in {**least, "heads": 1, "lstm": 1, "hidden": 1, "chunk": 1}.items():
            if getattr(self, name) < bound:
                raise SignError(f"model.{name} is {getattr(self, name)}; it has to be at least {bound}.")
        if min(*self.widths, *self.depths) < 1:
            raise SignError("model.widths and model.depths have to be at least 1 each.")
        if len(self.widths) > 8 or sum(self.depths) > 500 or self.rounds > 64:
            raise SignError("model.widths has 8 stages at most, model.depths 500 blocks, model.rounds are 64.")
        if self.frames > 1000 or self.max_objects > 100:
            raise SignError("model.frames are 1000 at most, model.max_objects 100.")
        for name in ("size", "crop"):
            if not 48 <= getattr(self, name) <= 1024:  # the trunks divide by 32, and a norm needs two cells
                raise SignError(f"model.{name} is {getattr(self, name)}; give 48 to 1024 pixels.")
        if self.width % (2 * self.heads) or self.width % 16:
            raise SignError(f"model.width is {self.width}; it has to be divisible by 16, and by twice model.heads.")
        if not 0 <= self.dropout < 1 or not 0.1 <= self.multiplier <= 2:
            raise SignError("model.dropout is a share, 0 to below 1; model.multiplier is 0.1 to 2.")
        if not (self.hands or self.objects or self.context):
            raise SignError("model.hands, model.objects and model.context are all off; leave one of them on.")

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Those that are there."""
        there = {"hands": self.hands, "objects": self.objects, "context": self.context}
        return tuple(name for name in STREAMS if there[name])


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Which clips are learned from, and how they become batches."""

    batch_size: int = 8
    """Clips at a time: lower it, and raise loop.accumulation, when memory runs out."""
    train: str = "train"
    """The split that is learned from: the name of its file, as finetune_5shot_training."""
    validation: str = "validation"
    """The split that training is watched on; of `train` every tenth clip where there is no such split."""
    test: str = "test"
    """The split that evaluation judges; `validation` where no such split has labels."""
    max_train: int = 0
    """Use only so many training clips, drawn evenly from all labels; 0 for all."""
    max_validation: int = 0
    """Use only so many clips to watch training on; 0 for all."""
    keep: bool = False
    """Write every clip's chosen frames down once (kept/ beside the boxes): quick, and large for large data."""
    mirror: bool = True
    """Show half of the clips mirrored, unless a label says left or right."""
    light: float = 0.2
    """Brightness, contrast and colours of a clip are changed by up to this share."""
    shift: float = 0.08
    """A clip is moved and enlarged by up to this share of the picture."""
    drop: float = 0.1
    """A stream of a clip is left out so often, so that no stream is needed."""

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.max_train < 0 or self.max_validation < 0:
            raise SignError("data.batch_size has to be at least 1; data.max_train and max_validation at least 0.")
        for name, most in {"light": 1.0, "shift": 0.4, "drop": 0.9}.items():
            if not 0 <= getattr(self, name) < most:
                raise SignError(f"data.{name} is {getattr(self, name)}; it is a share, from 0 to below {most}.")


@dataclass(frozen=True, kw_only=True)
class MultiStreamTraining:
    """Every setting of a training."""

    model: MultiStreamConfig = field(default_factory=MultiStreamConfig)
    data: DataOptions = field(default_factory=DataOptions)
    loop: LoopOptions = field(default_factory=LoopOptions)
    trunk_rate: float = 0.1
    """Factor of the learning rate for the trunks, ResNet and MobileNet; 1 where they begin with nothing."""
    smoothing: float = 0.1
    """Of the labels."""

    def __post_init__(self) -> None:
        if self.trunk_rate < 0 or not 0 <= self.smoothing < 1:
            raise SignError("trunk_rate cannot be negative; smoothing is a share, 0 to below 1.")
