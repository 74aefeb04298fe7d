"""The settings of the base action model and of its training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from models.errors import SignError
from models.training import LoopOptions

Prediction = Literal["sample", "v_prediction"]
Perceptual = Literal["none", "vgg", "dinov2", "encoder"]


@dataclass(frozen=True, kw_only=True)
class BaseActionConfig:
    """What the model is. As it is: Stable Diffusion 1.5 at 256 px, told by CLIP ViT-L/14."""

    start: Literal["published", "scratch"] = "published"
    """Whether UNet, VAE and encoder begin with their published weights, which have to be here, or are made here."""
    size: int = 256
    """Side of the pictures, pixels: that of the samples."""
    window: int = 16
    """Frames that the model sees together."""
    encoder: Literal["clip-vit-large-patch14", "clip-vit-base-patch32", "small"] = "clip-vit-large-patch14"
    """What looks at the pictures: CLIP, or a small encoder in its place that is trained on the data set itself."""
    fusion: Literal["sum", "concat"] = "sum"
    """How the embeddings of the full picture and of both hands become one."""
    prediction: Prediction = "v_prediction"
    """What the UNet says: how the clean latents, or the velocity, differ from those of the reference frame."""
    layout: int = 128
    """Side of the map of the pose that is drawn out of the embeddings, pixels."""
    layout_width: int = 256
    """Channels with which that map is drawn."""
    motion: Literal["animatediff", "new"] = "animatediff"
    """Whether the layers over time begin with AnimateDiff's weights, or with nothing."""
    train: Literal["full", "lora"] = "lora"
    """lora: of the UNet's published layers, only small additions to the attention learn."""
    lora_rank: int = 32
    checkpointing: bool = True
    """Compute the UNet twice to keep less of it in memory."""
    widths: tuple[int, ...] = (64, 96)
    """From scratch: channels of the UNet's stages."""
    layers: int = 1
    """From scratch: blocks in each of them."""
    heads: int = 4
    """From scratch: of the attention."""
    tokens: int = 128
    """From scratch: width of what the UNet is told; Stable Diffusion has its own."""
    latents: int = 48
    """From scratch: channels of the latents."""
    patch: int = 8
    """From scratch: side of the patches that the latents are made of, pixels."""
    encoder_width: int = 128
    """Of the small encoder."""
    encoder_steps: int = 1500
    """Steps in which the small encoder is trained, before all else."""

    def __post_init__(self) -> None:
        for name in (
            "size",
            "window",
            "layout",
            "layout_width",
            "lora_rank",
            "layers",
            "heads",
            "tokens",
            "latents",
            "patch",
            "encoder_steps",
        ):
            if getattr(self, name) < 1:
                raise SignError(f"model.{name} is {getattr(self, name)}; it has to be at least 1.")
        if not self.widths or min(self.widths) < 8 or any(width % (8 * self.heads) for width in self.widths):
            raise SignError(f"model.widths are channels that divide by {8 * self.heads} (8 x heads).")
        if self.size % (8 if self.start == "published" else self.patch):
            raise SignError(f"model.size is {self.size}; it has to divide by 8, or from scratch by model.patch.")
        if len(self.widths) > 8 or self.layers > 16 or max(self.size, self.layout) > 2048:
            raise SignError("model.widths has 8 stages at most, model.layers are 16; size and layout are 2048 px.")
        if self.window > 32:
            raise SignError(f"model.window is {self.window}; the layers over time see 32 frames at most.")
        if self.latent_side < 8 or self.latent_side & (self.latent_side - 1):
            raise SignError(f"The latents would be {self.latent_side} px wide; model.size has to give 8, 16, 32, 64 …")
        if self.layout % self.latent_side:
            raise SignError(f"model.layout is {self.layout}; it has to be a multiple of {self.latent_side}.")
        if (self.start == "scratch") != (self.encoder == "small"):
            raise SignError("model.encoder small goes with model.start scratch, and CLIP with published.")

    @property
    def latent_side(self) -> int:
        """Side of the latents."""
        return self.size // (8 if self.start == "published" else self.patch)


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """The weight of each term, 0 to leave it out; docs/base_action.md has the formulas."""

    full: float = 1.0
    """Squared error of the latents."""
    hands: float = 0.5
    """The same where the hands are."""
    layout: float = 1.0
    """Squared error of the map of the pose."""
    perceptual: float = 0.1
    """Distance of the features of decoded frames."""
    consistency: float = 0.05
    """1 - cosine of the embeddings of decoded frames to those that were asked for."""
    features: Perceptual = "vgg"
    """Whose features the perceptual term compares; encoder: those of the model's own encoder."""
    pixel_frames: int = 2
    """Frames of a clip that are decoded for the last two terms, which bounds their memory."""
    pixel_noise: float = 0.5
    """Above this share of noise variance frames are not decoded: there is no telling yet what they will show."""
    snr_low: float = 0.3
    snr_high: float = 5.0
    """The squared error is multiplied by the signal-to-noise ratio, held between these two."""

    def __post_init__(self) -> None:
        for name in ("full", "hands", "layout", "perceptual", "consistency"):
            if getattr(self, name) < 0:
                raise SignError(f"loss.{name} is {getattr(self, name)}; weights are 0 or more.")
        if not 0 < self.snr_low <= self.snr_high:
            raise SignError("loss.snr_low has to be above 0, and loss.snr_high no less.")
        if self.pixel_frames < 1 or not 0 < self.pixel_noise <= 1:
            raise SignError("loss.pixel_frames is at least 1; loss.pixel_noise is a share, above 0.")

    @property
    def needs_pixels(self) -> bool:
        """Whether frames have to be decoded."""
        return (self.perceptual > 0 and self.features != "none") or self.consistency > 0


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What a batch is."""

    batch_size: int = 1
    """Clips in a batch; loop.accumulation makes one step of several."""
    drop: float = 0.1
    """Share of clips whose embeddings are dropped, for classifier-free guidance."""
    true_layout: float = 0.3
    """Share of clips that get the true map of the pose in place of the drawn one."""
    shared_noise: float = 0.6
    """Share of the noise's variance that all frames of a clip have in common."""
    colours: int = 1
    """Colourings of each training sample, the first as it was filmed, the others in other light: where signers are few
    they keep the model from knowing by heart who wears what, and from telling it by the embeddings."""
    signers: int = 24
    """Who is drawn for the demo, where the folder has no samples."""

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.signers < 3 or not 1 <= self.colours <= 32:
            raise SignError("data.batch_size is at least 1, data.signers at least 3, data.colours 1 to 32.")
        for name in ("drop", "true_layout", "shared_noise"):
            if not 0 <= getattr(self, name) < 1:
                raise SignError(f"data.{name} is {getattr(self, name)}; it is a share, from 0 to below 1.")


@dataclass(frozen=True, kw_only=True)
class BaseActionTraining:
    """Every setting of a training."""

    model: BaseActionConfig = field(default_factory=BaseActionConfig)
    data: DataOptions = field(default_factory=DataOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    loop: LoopOptions = field(default_factory=LoopOptions)
