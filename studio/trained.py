"""Models that come with the studio, and those that were trained in it: found by what a page or a command line calls
them, without the libraries that a model brings.

What comes with the studio lies in a folder of assets; what was trained, in the folder of a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from models.errors import SignError, WeightsError
from models.files import read_json
from models.model_folder import DESCRIPTION, described
from studio.jobs import Jobs
from studio.texts import text

if TYPE_CHECKING:
    from models.training.run import Run

SHIPPED = "demo"
"""What the model is called that comes with the studio."""
_RUN = "run:"


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A model that can be chosen."""

    name: str
    title: str
    folder: Path

    @property
    def told(self) -> dict[str, Any]:
        """What it says of itself; empty where that cannot be read."""
        return described(self.folder)


M = TypeVar("M", bound=TrainedModel)


@dataclass(frozen=True, kw_only=True)
class Shelf(Generic[M]):
    """The models of one kind."""

    make: type[M]
    """What says more of such a model."""

    kind: str
    """What can be trained, by its name."""
    shipped: Path
    """Where the one is that comes with the studio, if it does."""
    what: str
    """What a folder without one has none of, as in "base action model"."""
    none: str
    """What to say when there is none at all."""

    def models(self, among: Jobs) -> list[M]:
        """The one that comes with the studio, and those that were trained here and have a model, newest first."""
        found = []
        if self.holds(self.shipped):
            title = text("The demo model that comes with the studio")
            found.append(self.make(name=SHIPPED, title=title, folder=self.shipped))
        for job in among.list():
            folder = among.run(job.id).model
            if job.model == self.kind and self.holds(folder):
                title = text("Your run {name}", name=job.name or job.id)
                found.append(self.make(name=name_of(folder), title=title, folder=folder))
        return found

    def find(self, name: str | None, among: Jobs) -> M:
        """The model of this name; without one, the first. Raises SignError for one that is not there any more."""
        known = self.models(among)
        if not known:
            raise SignError(text(self.none))
        for one in known:
            if name in (None, "", one.name):
                return one
        raise SignError(text("This model is not here any more; choose another one."))

    def folder(self, name: str | None, among: Jobs) -> Path:
        """The folder of a model: by a run's name or folder, or by its own; None is what comes with the studio.

        Raises SignError when there is none.
        """
        if name is None:
            if not self.holds(self.shipped):
                raise WeightsError(text(self.none))
            return self.shipped
        for folder in (Path(name), Path(name) / "model"):
            if self.holds(folder):
                return folder
        if Path(name).is_dir():
            words = text(
                "{name} holds no {what}; name a run of {kind}, or a folder with a {file}.",
                name=name,
                what=text(self.what),
                kind=self.kind,
                file=DESCRIPTION,
            )
            raise SignError(words)
        run = find_run(name, among)
        model = run.config().get("model")
        if model != self.kind:
            words = text(
                "{name} is a run of {model}, and not of {kind}; choose another one.",
                name=name,
                model=model,
                kind=self.kind,
            )
            raise SignError(words)
        if not self.holds(run.model):
            raise SignError(text("{name} has no model yet; the first validation writes it.", name=name))
        return run.model

    def holds(self, folder: Path) -> bool:
        """Whether a folder says that it holds such a model."""
        return described(folder).get("kind") == self.kind

    def written_ns(self, folder: Path) -> int:
        """When the model in a folder was written. Raises WeightsError when none is there."""
        try:
            return (folder / DESCRIPTION).stat().st_mtime_ns
        except OSError as error:
            what, why = text(self.what), error.strerror
            words = text("{folder} holds no {what} ({why}).", folder=folder.name, what=what, why=why)
            raise WeightsError(words) from error


def name_of(model: Path) -> str:
    """The name of the model that a training run keeps in this folder."""
    return f"{_RUN}{model.parent.name}"


def kind_of(run: Path) -> str:
    """What a run, by its folder, trains; empty where that cannot be told."""
    try:
        return str(read_json(run / "config.json").get("model", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def find_run(name: str, among: Jobs) -> Run:
    """A training run by its name, its id, or its folder. Raises SignError when there is none."""
    from models.training.run import Run

    if (Path(name) / "config.json").is_file():
        return Run(Path(name).absolute())
    for job in among.list():
        if name in (job.id, job.name):
            return among.run(job.id)
    raise SignError(text("There is no run and no folder {name!r}; `signstudio train list` names the runs.", name=name))
