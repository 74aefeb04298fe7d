"""What can be trained here. A recipe is a module, which is loaded when it is needed: it brings torch with it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from models.errors import SignError
from studio.texts import later, text

if TYPE_CHECKING:
    from models.training.ablation import Study
    from models.training.options import LoopOptions
    from models.training.run import Run
    from models.training.task import Task

Tell = Callable[[str, int, int], None]
"""Gets what is being done, how much of it is done, and of how much; 0 of 0 where that cannot be counted."""


class Recipe(Protocol):
    """What such a module has."""

    PRESETS: Mapping[str, Any]
    """Configs by name; the first one is what a beginner wants."""

    def prepare(self, config: Any, data: Path, tell: Tell) -> None:
        """Make the data that can be made and is not there. Raises SignError for data that cannot be used."""

    def build(self, config: Any, data: Path) -> tuple[Task, LoopOptions]:
        """The model with what it learns from, and how long and fast."""

    # Where a model can be judged, also: evaluate(run: Run) -> dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Trainable:
    """A kind of model that can be trained."""

    name: str
    title: str
    about: str
    """A sentence: what it is and what for."""
    needs: str
    """What a folder of one's own data has to hold."""
    recipe: Callable[[], Recipe]
    """Loads the recipe."""
    ablation: Callable[[], Any] | None = None
    """Loads the module with the STUDY of what its parts are worth."""

    @property
    def presets(self) -> Mapping[str, Any]:
        """Configs by name."""
        return self._loaded.PRESETS

    def preset(self, name: str) -> Any:
        """One of them. Raises SignError when there is none of that name."""
        if name not in self.presets:
            known = ", ".join(self.presets)
            words = text(
                "{title} has no preset {name!r}; there are {known}.", title=text(self.title), name=name, known=known
            )
            raise SignError(words)
        return self.presets[name]

    def prepare(self, config: Any, data: Path, tell: Tell) -> None:
        """See Recipe."""
        self._loaded.prepare(config, data, tell)

    def build(self, config: Any, data: Path) -> tuple[Task, LoopOptions]:
        """See Recipe."""
        return self._loaded.build(config, data)

    @property
    def evaluate(self) -> Callable[[Run], dict[str, Any]] | None:
        """Judges a run's model and writes RUN/evaluation; None when that cannot be done."""
        return getattr(self._loaded, "evaluate", None)

    @property
    def study(self) -> Study | None:
        """What can be left out of it, to see what it is worth; None when nothing can."""
        return None if self.ablation is None else self.ablation().STUDY

    @property
    def _loaded(self) -> Recipe:
        try:
            return self.recipe()
        except ImportError as error:
            title = text(self.title)
            words = text("{title} cannot be trained with this installation: {error}.", title=title, error=error)
            raise SignError(words) from error


def _module(name: str) -> Callable[[], Any]:
    return lambda: importlib.import_module(name)


TRAINABLES: dict[str, Trainable] = {
    one.name: one
    for one in (
        Trainable(
            name="four-stage",
            title=later("Four-stage recognizer (sentences, from video)"),
            about=later("Reads whole sentences from video: frames, keyframes, sequence, glosses."),
            needs=later("a folder of videos with a clips.csv: path, glosses, signer, split"),
            recipe=_module("models.recognition.four_stage.recipe"),
            ablation=_module("models.recognition.four_stage.ablation"),
        ),
        Trainable(
            name="landmark",
            title=later("Landmark recognizer (signs, from poses)"),
            about=later("The small recognizer that comes with the studio: signs from landmarks, in real time."),
            needs=later("a folder that `signstudio recognize train --data` made, or an empty one"),
            recipe=_module("models.recognition.landmark_task"),
        ),
        Trainable(
            name="base-action",
            title=later("Base action model (video of a word, by diffusion)"),
            about=later("Draws one clean video of a word out of what many samples of it have in common."),
            needs=later("a folder of words that `signstudio data words` made, or an empty one"),
            recipe=_module("models.synthesis.recipe"),
        ),
        Trainable(
            name="multistream",
            title=later("Multi-stream recognizer (actions with objects, from video)"),
            about=later("Names what hands do with objects, from hands, objects and scene."),
            needs=later(
                "a folder with videos, labels and annotations, as Something-Something and Something-Else have them, "
                "or an empty one"
            ),
            recipe=_module("models.recognition.multistream.recipe"),
            ablation=_module("models.recognition.multistream.ablation"),
        ),
    )
}


def find(name: str) -> Trainable:
    """What is called so. Raises SignError when nothing is."""
    if name not in TRAINABLES:
        asked, known = str(name)[:60], ", ".join(TRAINABLES)
        raise SignError(text("There is no model {name!r} to train; there are {known}.", name=asked, known=known))
    return TRAINABLES[name]
