"""The multi-stream model: what the hands do, what the objects look like, and the scene, heard together.

Every frame of a clip has tokens: two of hands, N of objects, one of the whole picture. What is not there is masked in
every attention, and is nobody's key: a hand that was not found is not a hand of zeros. Where in the picture a hand or
an object is, and when, is added to its token as fixed waves, which have no parameters. Each stream asks, frame by
frame, with the mean of its own tokens, and hears from the tokens of the *other* streams in all frames (cross-attention,
residual, layer normalisation); where it has no token of its own, it asks with the time alone. The three answers of a
frame stand side by side, and a BiLSTM reads them; its mean over time gives the label.

With 174 labels there are 29,904,750 parameters (`tests/test_multistream.py` counts them): ResNet-34 21,284,672,
MobileNetV2 2,223,872, its projection 327,936, hand graph 133,248, projections 230,144, attentions 791,040, BiLSTM
4,365,312, head 548,526.

Shapes: B clips, T frames, N objects, H hands = 2, K tokens of a frame, D width, G labels, S = 3 streams.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import MobileNetV2Config, MobileNetV2Model, ResNetConfig, ResNetModel

from models.errors import WeightsError
from models.recognition.multistream.clips import Batch
from models.recognition.multistream.config import STREAMS, MultiStreamConfig, Stream
from models.recognition.multistream.hand_graph import HandGraph, shapes
from models.recognition.trunks import HALVES, Trunk, check_resnet
from models.weights import find, quiet

_MOST_WAVES = 5  # octaves: the finest wave has 2**5 half periods across the picture, or the clip


@dataclass(frozen=True, kw_only=True)
class Looked:
    """Where the streams looked. Each row adds up to 1, or is 0 where there was nothing to look at."""

    over_streams: Tensor
    """(B, S, T, S): what stream s in frame t hears from each stream; it hears nothing from itself, unless it is the
    only one."""
    over_time: Tensor
    """(B, S, T, T): the same, from each frame."""
    present: Tensor
    """(B, S, T) bool: whether the stream had anything in the frame."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What the model says of clips."""

    logits: Tensor
    """(B, G)."""
    looked: Looked | None
    """When it was asked for."""


@dataclass(frozen=True, kw_only=True)
class _Tokens:
    values: Tensor
    """(B, T, K, D)."""
    mask: Tensor
    """(B, T, K) bool: what is there."""


class MultiStream(nn.Module):
    """See the page's head."""

    def __init__(self, config: MultiStreamConfig, labels: Sequence[str], weights: Path | None = None) -> None:
        """weights: a folder with published weights, where `models.weights` looks first. Raises WeightsError when
        config.start is published and they are not here."""
        super().__init__()
        self.config, self.labels = config, tuple(labels)
        published = config.start == "published"
        width = config.width
        if config.hands:
            self.hand_graph = HandGraph(config.graph, config.rounds)
            self.hand_width = nn.Linear(config.graph, width)
        if config.objects:
            network = _mobilenet(config, find("mobilenet-v2", weights) if published else None)
            self.object_trunk = Trunk(
                network, _mean_map, colours=HALVES, chunk=config.chunk, checkpointing=config.checkpointing
            )
            self.object_features = nn.Linear(_channels(network), config.object_features)
            self.object_width = nn.Linear(config.object_features, width)
        if config.context:
            resnet = _resnet(config, find("resnet-34", weights) if published else None)
            self.context_trunk = Trunk(resnet, _mean_map, chunk=config.chunk, checkpointing=config.checkpointing)
            self.context_width = nn.Linear(config.widths[-1], width)
        self.attentions = nn.ModuleDict(
            {name: nn.MultiheadAttention(width, config.heads, batch_first=True) for name in config.streams}
        )
        self.norms = nn.ModuleDict({name: nn.LayerNorm(width) for name in config.streams})
        self.drop = nn.Dropout(config.dropout)
        self.lstm = nn.LSTM(width * len(config.streams), config.lstm, batch_first=True, bidirectional=True)
        self.hidden = nn.Linear(2 * config.lstm, config.hidden)
        self.classify = nn.Linear(config.hidden, len(self.labels))

    def forward(self, batch: Batch, *, look: bool = False) -> Outputs:
        """look: also say where the streams looked."""
        tokens = self._tokens(batch)
        heard = {name: self._hear(name, tokens, look) for name in self.config.streams}
        side_by_side = torch.cat([values for values, _ in heard.values()], dim=-1)
        states, _ = self.lstm(self.drop(side_by_side))
        hidden = functional.relu(self.hidden(self.drop(states.mean(dim=1))))
        looked = self._looked({name: share for name, (_, share) in heard.items()}, tokens) if look else None
        return Outputs(logits=self.classify(self.drop(hidden)), looked=looked)

    def _tokens(self, batch: Batch) -> dict[Stream, _Tokens]:
        found: dict[Stream, _Tokens] = {}
        count, length = batch.hands.shape[:2]
        when = self._when(length, batch.hands.device)[None, :, None]
        if self.config.hands:
            made = shapes(batch.hands, batch.aspect[:, None].expand(count, length))
            features = _of_present(self.hand_graph, made, batch.hands_mask, self.config.graph)
            values = self.hand_width(features) + _where(_around(batch.hands), self.config.width) + when
            found["hands"] = _Tokens(values=values, mask=batch.hands_mask)
        if self.config.objects:
            features = _of_present(
                lambda crops: functional.relu(self.object_features(self.object_trunk(crops))),
                batch.crops,
                batch.boxes_mask,
                self.config.object_features,
            )
            values = self.object_width(features) + _where(batch.boxes, self.config.width) + when
            found["objects"] = _Tokens(values=values, mask=batch.boxes_mask)
        if self.config.context:
            seen = self.context_trunk(batch.context.flatten(0, 1)).unflatten(0, (count, length))
            values = self.context_width(_levelled(seen))[:, :, None] + when
            found["context"] = _Tokens(values=values, mask=batch.context_mask[..., None])
        return found

    def _when(self, length: int, device: torch.device) -> Tensor:
        """(T, D) waves of the time in the clip."""
        return _waves(torch.arange(length, device=device) / length, self.config.width)

    def _hear(self, name: Stream, tokens: Mapping[Stream, _Tokens], look: bool) -> tuple[Tensor, Tensor | None]:
        """What a stream (B, T, D) makes of the others, and the shares (B, T, tokens of the others) it hears."""
        own = tokens[name]
        weights = own.mask[..., None].to(own.values.dtype)
        asked = (own.values * weights).sum(dim=2) / weights.sum(dim=2).clamp(min=1)
        when = self._when(asked.shape[1], asked.device)[None].to(asked.dtype)
        asked = torch.where(own.mask.any(dim=2)[..., None], asked, when)
        others = [tokens[one] for one in heard_by(name, self.config.streams)]
        keys = torch.cat([one.values.flatten(1, 2) for one in others], dim=1)
        absent = ~torch.cat([one.mask.flatten(1) for one in others], dim=1)
        nothing = absent.all(dim=1)
        absent = absent & ~nothing[:, None]  # an attention over nothing is no number
        found, share = self.attentions[name](
            asked, keys, keys, key_padding_mask=absent, need_weights=look, average_attn_weights=True
        )
        there = ~nothing[:, None, None]
        return self.norms[name](asked + found * there), share * there if share is not None else None

    def _looked(self, shares: Mapping[Stream, Tensor | None], tokens: Mapping[Stream, _Tokens]) -> Looked:
        first = next(iter(tokens.values()))
        count, length = first.mask.shape[:2]
        over_streams = first.values.new_zeros(count, len(STREAMS), length, len(STREAMS))
        over_time = first.values.new_zeros(count, len(STREAMS), length, length)
        present = first.mask.new_zeros(count, len(STREAMS), length)
        for name, share in shares.items():
            place = STREAMS.index(name)
            present[:, place] = tokens[name].mask.any(dim=2)
            assert share is not None
            others = heard_by(name, self.config.streams)
            for other, part in zip(
                others, share.split([tokens[one].mask[0].numel() for one in others], dim=2), strict=True
            ):
                by_frame = part.unflatten(2, (length, -1)).sum(dim=3)
                over_time[:, place] += by_frame
                over_streams[:, place, :, STREAMS.index(other)] = by_frame.sum(dim=2)
        return Looked(over_streams=over_streams, over_time=over_time, present=present)


def heard_by(name: Stream, streams: Sequence[Stream]) -> tuple[Stream, ...]:
    """The streams that one hears: the others, or itself where there is no other."""
    return tuple(one for one in streams if one != name) or (name,)


def _of_present(network: Callable[[Tensor], Tensor], values: Tensor, mask: Tensor, width: int) -> Tensor:
    """Features (…, D) of what is there; zeros, which the mask hides, elsewhere. Batch normalisation sees no others."""
    there = values[mask]
    if not len(there):
        return torch.zeros(*mask.shape, width, device=mask.device)
    found = network(there)
    made = found.new_zeros(*mask.shape, width)
    made[mask] = found
    return made


def _levelled(features: Tensor) -> Tensor:
    """Features of mean 0 and deviation 1, or the waves beside them would drown what changes from frame to frame."""
    return functional.layer_norm(features, features.shape[-1:])


def _around(hands: Tensor) -> Tensor:
    """(…, 4) boxes x1 y1 x2 y2 around the joints (…, J, 3)."""
    return torch.cat([hands[..., :2].amin(dim=-2), hands[..., :2].amax(dim=-2)], dim=-1)


def _where(boxes: Tensor, width: int) -> Tensor:
    """(…, D) waves of the middle and the size of boxes (…, 4)."""
    middle, size = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    return _waves(torch.cat([middle, size], dim=-1), width // 4).flatten(-2)


def _waves(values: Tensor, width: int) -> Tensor:
    """(…, width) sines and cosines of values from 0 to 1, coarse to fine."""
    octaves = torch.linspace(0, _MOST_WAVES, width // 2, device=values.device)
    angles = values[..., None] * math.pi * 2**octaves
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _mean_map(network: nn.Module, pictures: Tensor) -> Tensor:
    """(N, C) mean of the last map."""
    found: Tensor = network(pictures).last_hidden_state
    return found.mean(dim=(2, 3))


def _resnet(config: MultiStreamConfig, folder: Path | None) -> ResNetModel:
    if folder is not None:
        with quiet():
            found = ResNetModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        check_resnet(found.config, block="basic", stem=config.stem, widths=config.widths, depths=config.depths)
        return found
    return ResNetModel(
        ResNetConfig(
            embedding_size=config.stem,
            hidden_sizes=list(config.widths),
            depths=list(config.depths),
            layer_type="basic",
        )
    )


def _mobilenet(config: MultiStreamConfig, folder: Path | None) -> MobileNetV2Model:
    if folder is not None:
        with quiet():
            found = MobileNetV2Model.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, add_pooling_layer=False
            )
        if found.config.depth_multiplier != config.multiplier:
            raise WeightsError(
                f"The MobileNetV2 in the weights folder has a multiplier of {found.config.depth_multiplier}, and "
                f"model.multiplier is {config.multiplier}."
            )
        return found
    return MobileNetV2Model(MobileNetV2Config(depth_multiplier=config.multiplier), add_pooling_layer=False)


def _channels(network: MobileNetV2Model) -> int:
    """Of its last map."""
    return int(network.conv_1x1.convolution.out_channels)
