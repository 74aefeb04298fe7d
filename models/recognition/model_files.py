"""A trained landmark model on disk: FOLDER/model.safetensors and FOLDER/model.json.

The JSON holds what the numbers mean: the glosses in order, the sizes, the version of the features, from where on a
sign is unknown, and what it was trained on. Nothing is unpickled.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from models.errors import WeightsError
from models.files import replacing
from models.recognition.features import NUM_FEATURES
from models.recognition.landmark_model import LandmarkModel, LandmarkModelConfig

FORMAT = 1
"""Raised when features or model change so that older weights would answer wrongly."""
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"


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
    weights = {name: tensor.detach().contiguous().cpu() for name, tensor in model.state_dict().items()}
    with replacing(Path(folder) / WEIGHTS) as temporary:
        save_file(weights, temporary)
        temporary.chmod(0o644)  # it is made for its owner only
    described = {"format": FORMAT, "features": NUM_FEATURES, **asdict(card)}
    with replacing(Path(folder) / DESCRIPTION) as temporary:
        temporary.write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_model(folder: Path) -> tuple[LandmarkModel, ModelCard]:
    """The model, ready to answer, and its card.

    Raises WeightsError, in words, when files are missing, cut off, of another version or of another model.
    """
    folder = Path(folder)
    card = _read_card(folder / DESCRIPTION)
    path = folder / WEIGHTS
    if not path.is_file():
        raise WeightsError(f"{folder} has no {WEIGHTS}; train a model with `signstudio recognize train -o {folder}`.")
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path}: cannot be read ({error}); the file may be cut off, get or train it again."
        ) from None
    model = LandmarkModel(card.config)
    try:
        model.load_state_dict(weights)
    except RuntimeError:
        raise WeightsError(
            f"{path}: these weights belong to another model than {DESCRIPTION} says; train again."
        ) from None
    return model.eval().requires_grad_(False), card


def _read_card(path: Path) -> ModelCard:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"{path.parent} holds no model: there is no {path.name}.") from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read ({error}); get or train the model again.") from None
    if not isinstance(told, dict) or told.pop("format", None) != FORMAT or told.pop("features", None) != NUM_FEATURES:
        raise WeightsError(f"{path}: this model is of another version of the studio; train it again.")
    try:
        config = told.pop("config")
        sizes = LandmarkModelConfig(**{**config, "dilations": tuple(config["dilations"])})
        return ModelCard(config=sizes, **{**told, "glosses": tuple(told["glosses"])})
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{path}: {error} is missing or of another kind; get or train the model again.") from None
