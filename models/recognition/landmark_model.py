"""The landmark model: rows of features in, for every row whether somebody signs and which gloss ends here.

    rows ─ linear ─ causal depthwise-convolution blocks ─┬─ attention over a bounded past ─ causal GRU ─┬─ CTC
                                                         └─ CTC (the visual one)                        ├─ activity
                                                                                                        └─ embedding

Every layer looks only backwards and keeps what it will need of the past in a state, so that a clip pushed row by row,
in pieces, or as one gives the same numbers, and padding after a clip cannot reach it. There is no batch statistic.

The two CTC heads, and distillation from the later to the earlier one, are those of Visual Alignment Constraint
(Min et al., ICCV 2021); we use a causal GRU in place of their BiLSTM, and landmarks in place of pictures. The
embedding is the mean of the GRU's rows over a sign, projected; glosses are classified by its cosine to one vector
per gloss.

Shapes: B clips, T rows, F features, D width, V glosses + 1 (0 is CTC's blank), S signs, E embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import SignError
from models.recognition.features import NUM_FEATURES

OUTSIDE, BEGIN, INSIDE = range(3)
"""What a row can be: no sign, the first rows of a sign, the rest of it."""
SCALE = 20.0
"""What a cosine is multiplied by before the softmax, in training and in answers."""


@dataclass(frozen=True, kw_only=True)
class LandmarkModelConfig:
    """Sizes of the model; about 1.1 M parameters as they are."""

    num_glosses: int
    width: int = 160
    dilations: tuple[int, ...] = (1, 1, 2, 4)
    kernel: int = 5
    """Rows that each depthwise convolution sees."""
    attention_blocks: int = 2
    heads: int = 4
    past: int = 48
    """Rows before its own that an attention block sees."""
    embedding: int = 128
    dropout: float = 0.1

    def __post_init__(self) -> None:
        sizes = (self.num_glosses, self.width, self.kernel, self.heads, self.past, self.embedding, *self.dilations)
        if min(sizes) < 1 or self.attention_blocks < 0 or not 0 <= self.dropout < 1:
            raise SignError("Sizes of the model are 1 or more; dropout is a share, 0 to below 1.")
        if self.width % self.heads or len(self.dilations) > 64 or self.attention_blocks > 64:
            raise SignError("model.width divides by model.heads; there are 64 blocks of a kind at most.")
        if max(self.past, self.kernel * max(self.dilations, default=1)) > 100_000:
            raise SignError("The model sees 100,000 rows back at most.")


@dataclass(frozen=True)
class State:
    """What is kept of the rows before: inputs of each convolution, keys and values of each attention, the GRU's."""

    convolutions: tuple[Tensor, ...]
    """(B, (kernel - 1) * dilation, D) each."""
    attentions: tuple[tuple[Tensor, Tensor, Tensor], ...]
    """Keys and values (B, past, D) and which are there (B, past), each."""
    recurrent: Tensor
    """(1, B, D)."""


@dataclass(frozen=True)
class Outputs:
    """What the model says of each row."""

    activity: Tensor
    """(B, T, 3) logits of OUTSIDE, BEGIN, INSIDE."""
    visual: Tensor
    """(B, T, V) logits of the CTC head after the convolutions."""
    contextual: Tensor
    """(B, T, V) logits of the CTC head after the GRU."""
    hidden: Tensor
    """(B, T, D) rows of the GRU, for `embed`."""


class _ConvolutionBlock(nn.Module):
    """Depthwise over the past rows, then a gated linear unit; residual."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.norm = nn.LayerNorm(width)
        self.depthwise = nn.Conv1d(width, width, kernel, dilation=dilation, groups=width)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        seen = torch.cat([past, self.norm(rows)], dim=1)
        mixed = self.depthwise(seen.transpose(1, 2)).transpose(1, 2)
        mixed = self.narrow(functional.glu(self.widen(functional.silu(mixed)), dim=-1))
        return rows + self.dropout(mixed), seen[:, seen.shape[1] - self.reach :]


class _AttentionBlock(nn.Module):
    """Attention of each row over itself and a bounded past, then a feed-forward layer; residual, norm first."""

    def __init__(self, width: int, heads: int, past: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.past = heads, past
        self.norm, self.norm_after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.distance = nn.Parameter(torch.zeros(heads, past + 1))  # added to a score by how far back a row is
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: Tensor, state: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        batch, count, width = rows.shape
        query, key, value = self.project(self.norm(rows)).chunk(3, dim=-1)
        key, value = torch.cat([state[0], key], dim=1), torch.cat([state[1], value], dim=1)
        there = torch.cat([state[2], torch.ones(batch, count, dtype=torch.bool, device=rows.device)], dim=1)

        def split(what: Tensor) -> Tensor:
            return what.view(batch, -1, self.heads, width // self.heads).transpose(1, 2)

        own = torch.arange(count, device=rows.device) + self.past
        back = own[:, None] - torch.arange(count + self.past, device=rows.device)[None]  # how far back each key is
        near = (back >= 0) & (back <= self.past)
        bias = self.distance[:, back.clamp(0, self.past)]
        hidden = ~(near[None] & there[:, None])[:, None]
        bias = bias[None].masked_fill(hidden, float("-inf"))
        # Written out, because the ONNX exporter stumbles over torch's own attention.
        scores = split(query) @ split(key).transpose(2, 3) * (width // self.heads) ** -0.5
        mixed = (scores + bias).softmax(dim=-1) @ split(value)
        rows = rows + self.dropout(self.out(mixed.transpose(1, 2).reshape(batch, count, width)))
        rows = rows + self.dropout(self.feed(self.norm_after(rows)))
        return rows, (key[:, count:], value[:, count:], there[:, count:])


class LandmarkModel(nn.Module):
    """See the page's head. `model(rows)` for whole clips, `model(rows, state)` to go on where a state ended."""

    def __init__(self, config: LandmarkModelConfig) -> None:
        super().__init__()
        self.config = config
        width, labels = config.width, config.num_glosses + 1
        self.enter = nn.Linear(NUM_FEATURES, width)
        self.enter_dropout = nn.Dropout(config.dropout)
        self.convolutions = nn.ModuleList(
            _ConvolutionBlock(width, config.kernel, dilation, config.dropout) for dilation in config.dilations
        )
        self.attentions = nn.ModuleList(
            _AttentionBlock(width, config.heads, config.past, config.dropout) for _ in range(config.attention_blocks)
        )
        self.recurrent = nn.GRU(width, width, batch_first=True)
        self.norm, self.visual_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.visual, self.contextual = nn.Linear(width, labels), nn.Linear(width, labels)
        self.activity = nn.Linear(width, 3)
        self.project = nn.Linear(2 * width, config.embedding)
        self.glosses = nn.Parameter(torch.randn(config.num_glosses, config.embedding) * config.embedding**-0.5)

    def empty(self, batch: int = 1) -> State:
        """The state before the first row."""
        config, like = self.config, self.enter.weight
        blank = like.new_zeros(batch, config.past, config.width)
        unseen = torch.zeros(batch, config.past, dtype=torch.bool, device=like.device)
        return State(
            convolutions=tuple(
                like.new_zeros(batch, (config.kernel - 1) * dilation, config.width) for dilation in config.dilations
            ),
            attentions=tuple((blank, blank, unseen) for _ in range(config.attention_blocks)),
            recurrent=like.new_zeros(1, batch, config.width),
        )

    def forward(self, rows: Tensor, state: State | None = None) -> tuple[Outputs, State]:
        """rows (B, T, F); returns what it says of each and the state after the last."""
        state = state or self.empty(len(rows))
        seen = self.enter_dropout(self.enter(rows))
        convolutions, attentions = [], []
        for convolution, past in zip(self.convolutions, state.convolutions, strict=True):
            seen, kept = convolution(seen, past)
            convolutions.append(kept)
        visual = self.visual(self.visual_norm(seen))
        for attention, before in zip(self.attentions, state.attentions, strict=True):
            seen, held = attention(seen, before)
            attentions.append(held)
        context, recurrent = self.recurrent(seen, state.recurrent)
        hidden = self.norm(seen + context)
        outputs = Outputs(
            activity=self.activity(hidden), visual=visual, contextual=self.contextual(hidden), hidden=hidden
        )
        return outputs, State(tuple(convolutions), tuple(attentions), recurrent)

    def embed(self, hidden: Tensor, weights: Tensor) -> Tensor:
        """Embeddings (S, E) of length 1: hidden (S, T, D) of each sign, and weights (S, T), 0 outside it."""
        share = (weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-6))[..., None]
        mean = (hidden * share).sum(dim=1)
        spread = ((hidden - mean[:, None]).square() * share).sum(dim=1).clamp_min(1e-6).sqrt()
        return functional.normalize(self.project(torch.cat([mean, spread], dim=-1)), dim=-1)

    def similarity(self, embeddings: Tensor) -> Tensor:
        """Cosine (S, G) of embeddings (S, E) to the vector of every gloss."""
        return embeddings @ functional.normalize(self.glosses, dim=-1).T
