"""A trained landmark model on disk, as a folder (models/model_folder.py).

Its description holds what the numbers mean: the glosses in order, the sizes, the version of the features, from where
on a sign is unknown, and what it was trained on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from models.errors import SignError
from models.model_folder import another_version, check_asked, fill, read_about, read_weights, unusable, write_model
from models.recognition.features import NUM_FEATURES
from models.recognition.landmark_model import LandmarkModel, LandmarkModelConfig
from models.training.config import from_dict

KIND = "landmark"
FORMAT = 1
"""Raised when features or model change so that older weights would answer wrongly."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model is, beside its weights."""

    glosses: tuple[str, ...]
    config: LandmarkModelConfig
    trained_on: str
    """One sentence for people, shown beside every answer."""
    unknown_below: float = 0.0
    """Cosine to the nearest gloss under which a sign is taken for unknown."""
    settings: dict[str, object] = field(default_factory=dict)
    """How it was trained: seed, signers, steps."""


def save_model(folder: Path, model: LandmarkModel, card: ModelCard) -> None:
    """Write weights and card; half-written files are never seen."""
    write_model(folder, model.state_dict(), {"format": FORMAT, "kind": KIND, "features": NUM_FEATURES, **asdict(card)})


def load_model(folder: Path) -> tuple[LandmarkModel, ModelCard]:
    """The model, ready to answer, and its card.

    Raises WeightsError, in words, when files are missing, cut off, of another version or of another model.
    """
    card, weights = _read_card(folder), read_weights(folder)
    check_asked(lambda: LandmarkModel(card.config), weights, folder)
    model = LandmarkModel(card.config)
    fill(model, weights, folder)
    return model.eval().requires_grad_(False), card


def _read_card(folder: Path) -> ModelCard:
    told = read_about(folder, kind=KIND, version=FORMAT, what="landmark model")
    if told.get("features") != NUM_FEATURES:
        raise another_version(folder, f"features {told.get('features')!r:.80}, here {NUM_FEATURES}")
    told = {name: value for name, value in told.items() if name not in ("format", "kind", "features")}
    try:
        card = ModelCard(
            config=from_dict(LandmarkModelConfig, told.pop("config")),
            glosses=tuple(str(gloss) for gloss in told.pop("glosses")),
            trained_on=str(told.pop("trained_on")),
            unknown_below=float(told.pop("unknown_below", 0.0)),
            **told,
        )
        if len(card.glosses) != card.config.num_glosses:
            raise ValueError(f"{len(card.glosses)} glosses, and a network for {card.config.num_glosses}")
    except (KeyError, TypeError, ValueError, OverflowError, SignError) as error:
        raise unusable(folder, error) from None
    return card
