"""The whole page as it is served, with what takes minutes made small: a training and a data set that are done in
moments, and models of base actions and of actions that have learned nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import actions_toy
import base_toy
import fake_data
import pytest
import toy_training
from signing import performed

from models.pose.files import write_pose
from models.pose.preview import PreviewOptions, write_skeleton
from studio import preparables, trainables
from studio.jobs import Jobs
from studio.limits import Limits
from studio.ui.tabs import data, train

if TYPE_CHECKING:
    from playwright.sync_api import Page

TESTS = Path(__file__).parent
TOYS = [["HOUSE", "train", "ana"], ["HOUSE", "test", "ben"], ["HOME", "train", ""]]
TABS = ("Pose", "Recognize", "Live", "Synthesize", "Animate", "Data", "Train")
OPEN_ALL = """() => {
  const shut = [...document.querySelectorAll('button.label-wrap:not(.open)')].filter((one) => one.offsetParent);
  for (const one of shut) one.click();
  for (const one of document.querySelectorAll('details')) one.open = true;
  return shut.length;
}"""


@contextmanager
def serve_whole_page(folder: Path) -> Iterator[str]:
    """The address of the studio, served by this process, with everything that it writes in `folder`."""
    from studio.ui import layout
    from studio.ui.theme import look

    runs = Jobs(folder / "runs", command=(sys.executable, str(TESTS / "toy_training.py")))
    data_jobs = Jobs(folder / "runs", verb="data", command=(sys.executable, str(TESTS / "fake_data.py")))
    _models(runs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "uploads"))
        patch.setenv("SIGN_STUDIO_RUNS", str(runs.home))
        patch.setitem(trainables.TRAINABLES, "toy", toy_training.TOY)
        patch.setitem(preparables.PREPARABLES, "toys", fake_data.TOY)
        patch.setattr(train, "Jobs", lambda **_: runs)
        patch.setattr(data, "Jobs", lambda **_: data_jobs)
        blocks = layout.build(Limits())
        _, url, _ = blocks.queue(default_concurrency_limit=2).launch(
            **look(), prevent_thread_lock=True, quiet=True, ssr_mode=False, run_history=False
        )
        yield url.rstrip("/")
        blocks.close()
        for jobs in (runs, data_jobs):
            jobs.grace_s = 0.0
            for job in jobs.list():
                jobs.stop(job.id)


def _models(runs: Jobs) -> None:
    """Finished runs, each of which left a model."""
    for kind, name, toy_model in (
        ("base-action", "toy words", base_toy.toy_model),
        ("multistream", "toy actions", actions_toy.toy_model),
    ):
        run = runs.create(kind, "demo", {}, Path("data"), name)
        toy_model(run.model)
        run.say(state="finished")


def toys(folder: Path) -> Path:
    """A list of toys to prepare, with the clip and the pose that they all are."""
    folder.mkdir()
    pose = performed("HOUSE")
    write_pose(folder / "clip.pose", pose)
    write_skeleton(pose, folder / "clip.mp4", PreviewOptions(longest_side=256, legend=False))
    (folder / "toys.json").write_text(json.dumps({"toys": TOYS}))
    return folder / "toys.json"


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    page.wait_for_timeout(500)


def open_accordions(page: Page) -> None:
    for _ in range(3):  # one may be inside another
        if not page.evaluate(OPEN_ALL):
            return
        page.wait_for_timeout(400)
