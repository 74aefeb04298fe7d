"""The four-stage model: video in, glosses out.

    1  ResNet on every frame -> features on a 4 x 4 grid; a frame's features are also compared with gloss vectors
    2  ConvGRU over the changes from frame to frame -> a score per frame -> keyframes in order of time
    3  BiLSTM over the keyframes -> a gloss per keyframe
    4  the same with a blank beside the glosses, and CTC over it -> glosses

CTC has the glosses of stage 3. With a layer of its own it knew for long only that a blank is mostly right, while stage
3 told 97 of 100 frames (docs/four_stage.md).

docs/four_stage.md tells where this differs from the description that it comes from, and why.

Shapes: B clips, T frames, K keyframes, D features, A aligned width, G glosses, V = G + 1 with the blank first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from models.recognition.four_stage.backbone import GRID, Backbone
from models.recognition.four_stage.config import FourStageConfig
from models.recognition.four_stage.glosses import bert_embeddings
from models.recognition.four_stage.keyframes import Selector, gate, keyframes, num_keyframes
from models.weights import find

_LEARNED = 128  # width of gloss vectors that are learned


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What each stage says."""

    aligned: Tensor
    """(B, T, A) length 1: frames where they can be compared with glosses."""
    scores: Tensor
    """(B, T) of the frames; all 0 without stage 2."""
    keyframes: Tensor
    """(B, K) numbers of the kept frames in order of time, -1 behind them."""
    kept: Tensor
    """(B,) how many are kept."""
    hidden: Tensor
    """(B, K, 2 x lstm)."""
    frame_logits: Tensor
    """(B, K, G)."""
    ctc_logits: Tensor
    """(B, K, V)."""


class FourStage(nn.Module):
    """See the page's head."""

    gloss_vectors: Tensor

    def __init__(self, config: FourStageConfig, glosses: Sequence[str], weights: Path | None = None) -> None:
        """weights: a folder with published weights, where `models.weights` looks first. Raises WeightsError when
        config.start is pretrained and they are not here."""
        super().__init__()
        self.config, self.glosses = config, tuple(glosses)
        pretrained = config.start == "pretrained"
        self.backbone = Backbone(config, find("resnet-50", weights) if pretrained else None)
        self.frame = nn.Linear(config.features * GRID * GRID, config.features)
        if config.align:
            self.align = nn.Linear(config.features, config.aligned)
            if pretrained:
                vectors = bert_embeddings(self.glosses, find("bert-base-uncased", weights))
                self.register_buffer("gloss_vectors", vectors)
            else:
                self.gloss_vectors = nn.Parameter(torch.randn(len(self.glosses), _LEARNED) * 0.5)
            self.align_gloss = nn.Linear(self.gloss_vectors.shape[1], config.aligned)
        if config.select:
            self.selector = Selector(config.features, config.memory)
        self.drop = nn.Dropout(config.dropout)
        self.lstm = nn.LSTM(
            config.features,
            config.lstm,
            num_layers=config.lstm_layers,
            batch_first=True,
            bidirectional=True,
            dropout=config.dropout if config.lstm_layers > 1 else 0.0,
        )
        self.classify = nn.Linear(2 * config.lstm, len(self.glosses))
        self.blank = nn.Linear(2 * config.lstm, 1)

    def forward(self, video: Tensor, lengths: Tensor, needed: Tensor | None = None) -> Outputs:
        """video: (B, T, 3, H, W) uint8 RGB. lengths: (B,) real frames of each. needed: (B,) rows that CTC needs, where
        the glosses are known."""
        grids = self.grids(video, lengths)
        return self.after(grids, lengths, needed)

    def grids(self, video: Tensor, lengths: Tensor) -> Tensor:
        """Stage 1's features (B, T, D, GRID, GRID); 0 for padding."""
        real = torch.arange(video.shape[1], device=video.device)[None] < lengths[:, None]
        found = self.backbone(video[real])
        return found.new_zeros(*video.shape[:2], *found.shape[1:]).masked_scatter(
            real[..., None, None, None].expand(*video.shape[:2], *found.shape[1:]), found
        )

    def after(self, grids: Tensor, lengths: Tensor, needed: Tensor | None = None) -> Outputs:
        """The rest, from stage 1's features."""
        frames = functional.relu(self.frame(grids.flatten(2)))
        if self.config.select:
            scores = self.selector(grids)
            counts = num_keyframes(lengths, self.config.keep, needed)
        else:
            scores, counts = grids.new_zeros(grids.shape[:2]), lengths
        chosen = keyframes(scores, lengths, counts)
        places = chosen.clamp(min=0)
        kept = frames.gather(1, places[..., None].expand(-1, -1, frames.shape[-1]))
        if self.config.select:
            kept = kept * gate(scores.gather(1, places))[..., None]
        packed = pack_padded_sequence(self.drop(kept), counts.cpu(), batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        hidden = self.drop(hidden)
        aligned = self.align(frames) if self.config.align else frames[..., :0]
        frame_logits = self.classify(hidden)
        return Outputs(
            aligned=functional.normalize(aligned, dim=-1),
            scores=scores,
            keyframes=chosen,
            kept=counts,
            hidden=hidden,
            frame_logits=frame_logits,
            ctc_logits=torch.cat([self.blank(hidden), frame_logits], dim=-1),
        )

    def gloss_embeddings(self) -> Tensor:
        """The glosses (G, A) where frames can be compared with them; length 1."""
        return functional.normalize(self.align_gloss(self.gloss_vectors), dim=-1)
