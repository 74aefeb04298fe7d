"""What the section "Learned base action" and `signstudio base` do: find a model, draw a word, keep what was drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.model_folder import DESCRIPTION
from studio import hosting, signs
from studio.jobs import Jobs
from studio.texts import later, text
from studio.trained import Shelf, TrainedModel

if TYPE_CHECKING:
    from models.synthesis.options import BaseActionOptions
    from models.synthesis.pipeline import BaseActionPipeline
    from models.synthesis.products import BaseActionProducts, BaseActionStep

KIND = "base-action"
NO_MODEL = later(
    "There is no base action model here. Train one on the Train tab, or with "
    "`signstudio train run --model base-action --preset demo`."
)
_ROOT = Path(__file__).parents[1] / "assets" / "base_action"
_COMFORTABLE_PX = 256


@dataclass(frozen=True, kw_only=True)
class BaseModel(TrainedModel):
    """A model that can be chosen."""

    @property
    def words(self) -> list[str]:
        """What it can draw."""
        found = self.told.get("words", [])
        return sorted(map(str, found)) if isinstance(found, list) else []

    @property
    def enlarge(self) -> int:
        """How many times as large its pictures are comfortable to look at."""
        config = self.told.get("config")
        size = config.get("size") if isinstance(config, dict) else None
        return max(1, _COMFORTABLE_PX // size) if isinstance(size, int) and size > 0 else 1

    @property
    def trained_on(self) -> str:
        """What it learned from, in a sentence."""
        said = str(self.told.get("trained_on", "")).strip()
        if not said:
            return text("This model does not say what it was trained on.")
        return text("This model was {made}.", made=said)


def models(among: Jobs) -> list[BaseModel]:
    """The one that comes with the studio, and those that were trained here and have a model, newest first."""
    return _shelf().models(among)


def find_model(name: str | None, among: Jobs) -> BaseModel:
    """The model of this name; without one, the first. Raises SignError for one that is not there any more."""
    return _shelf().find(name, among)


def model_folder(name: str | None, among: Jobs) -> Path:
    """The folder of a model: by a run's name or folder, or by its own; None is what comes with the studio.

    Raises SignError when there is none.
    """
    return _shelf().folder(name, among)


def open_model(folder: Path, weights: Path | None = None) -> BaseActionPipeline:
    """The model in a folder; the last one stays in memory. Raises WeightsError when it cannot be used."""
    return _opened(folder.absolute(), weights, _shelf().written_ns(folder))


def mark_of(folder: Path) -> str:
    """A text that another model, or the same one trained further, does not have."""
    made = hashlib.sha256()
    for path in sorted((folder / DESCRIPTION, *folder.rglob("*.safetensors"), *folder.rglob("*.pose"))):
        made.update(str(path.relative_to(folder)).encode())
        with path.open("rb") as file:
            made.update(hashlib.file_digest(file, "sha256").digest())
    return made.hexdigest()[:16]


def make(
    model: BaseModel,
    word: str,
    folder: Path,
    chosen: dict[str, Any],
    tell: Callable[[BaseActionStep], None],
    should_stop: Callable[[], bool],
) -> BaseActionProducts:
    """Draw a word. chosen: as `options` takes them. Raises SignError for what cannot be drawn, Cancelled."""
    # Late: seconds.
    from models.synthesis.products import BaseActionStep, make_base_action

    wanted = options(**chosen)
    tell(BaseActionStep(words=later("Loading the model"), done=0, total=None, seconds_left=None))
    return make_base_action(open_model(model.folder), word, folder, wanted, tell, should_stop)


def made_or_make(
    pipeline: BaseActionPipeline,
    word: str,
    folder: Path,
    wanted: BaseActionOptions,
    mark: str,
    tell: Callable[[BaseActionStep], None],
) -> BaseActionProducts:
    """What the same model made of the word with the same options; it is drawn where that is not there yet."""
    from models.synthesis.options import find_word
    from models.synthesis.products import made_before, make_base_action

    known = find_word(pipeline.words, word)
    before = made_before(folder, known, wanted, mark)
    return before or make_base_action(pipeline, known, folder, wanted, tell, mark=mark)


def options(
    *,
    source: str = "medoid",
    sampler: str = "ddim",
    steps: int | None = None,
    guidance: float | None = None,
    seed: int = 0,
    speed: float = 1.0,
    frames: int | None = None,
    begin: str = "noise",
    clip: Path | None = None,
    strength: float = 0.6,
    enlarge: int = 1,
) -> BaseActionOptions:
    """The options of a base action video, as a form or a command line has them; steps and guidance that
    are not given are those that suit the model. strength: of what is drawn over."""
    from models.synthesis.options import BaseActionOptions
    from models.synthesis.sampling import SamplingOptions

    sampling = SamplingOptions(
        sampler=sampler,  # type: ignore[arg-type]  # checked there
        steps=steps,
        guidance=guidance,
        seed=seed,
        strength=1.0 if begin == "noise" else strength,
    )
    return BaseActionOptions(
        source=source,  # type: ignore[arg-type]
        speed=speed,
        frames=frames,
        begin=begin,  # type: ignore[arg-type]
        clip=clip,
        enlarge=enlarge,
        sampling=sampling,
    )


def keep(made: BaseActionProducts, own: Path, folder: Path) -> tuple[str, str | None]:
    """Add what was made to the lexicon of the studio, or of the page; see `studio.signs.keep`."""
    return signs.keep(made.pose, made.gloss, "", own, folder)


@lru_cache(maxsize=1)
def _opened(folder: Path, weights: Path | None, _written_ns: int) -> BaseActionPipeline:
    from models.synthesis.pipeline import BaseActionPipeline

    found = BaseActionPipeline.from_pretrained(folder, weights)
    return found.to(hosting.device())


def _shelf() -> Shelf[BaseModel]:
    return Shelf(make=BaseModel, kind=KIND, shipped=_ROOT, what=later("base action model"), none=NO_MODEL)
