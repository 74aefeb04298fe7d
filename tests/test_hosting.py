"""Where the studio runs: what is read from the environment, where things are kept, what a page says, a GPU on loan."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from diffusing import cut, signing
from tiny_diffusion import build

from models.animation.animate import FRAMES, AnimateOptions
from models.animation.diffusion.options import DiffusionOptions
from models.animation.engines import EngineOptions
from models.animation.frames import read_frames
from models.animation.target import TargetOptions
from models.pose.files import write_pose
from studio import hosting, jobs
from studio.animating import Made, Order, Signing, make
from studio.hosting import GONE, KEPT, NOT_FOR_ALL, NOT_ON_LOAN, Hosting, read
from studio.limits import Limits

TESTS = Path(__file__).parent
SPACE = {"SPACE_ID": "someone/sign-studio", "SYSTEM": "spaces", "GRADIO_SERVER_NAME": "0.0.0.0"}
ZERO_GPU = SPACE | {"SPACES_ZERO_GPU": "true"}


def animated(picture: Path, pose: Path, weights: Path, folder: Path) -> Made:
    """What the Animate tab makes of a few frames, drawn by a tiny diffusion model."""
    small = DiffusionOptions(steps=2, strength=0.5, side=64, guidance_scale=1.0)
    options = AnimateOptions(
        engine="controlnet", of_engine=EngineOptions(diffusion=small, weights=weights), measure=False
    )
    order = Order(
        picture=str(picture),
        person=TargetOptions(side=256),
        signing=Signing(kind="clip", clip=str(pose)),
        options=options,
    )
    return make(order, folder, [], Limits(), lambda _: None, lambda: False)


def test_what_a_space_knows_of_its_proxy_can_be_overridden() -> None:
    for environment, proxies in ((SPACE, 1), (SPACE | {"SIGN_STUDIO_PROXIES": "2"}, 2), ({}, 0)):
        where = read(environment)
        assert Limits.from_environment(environment, proxies=where.proxies).proxies == proxies


def test_at_home_nothing_is_special(tmp_path: Path) -> None:
    home = read({}, storage=tmp_path)
    assert home == Hosting()
    assert (home.storage, home.no_training) == ("", "")


@pytest.mark.parametrize(
    ("environment", "host"), [(SPACE, None), ({"GRADIO_SERVER_NAME": "0.0.0.0"}, None), ({}, "0.0.0.0")]
)
def test_what_others_can_reach_is_hosted_and_trains_only_when_told_to(
    environment: dict[str, str], host: str | None, tmp_path: Path
) -> None:
    where = read(environment, host, tmp_path / "none")
    assert where.hosted and where.no_training == NOT_FOR_ALL
    assert read(environment | {"SIGN_STUDIO_TRAIN": "1"}, host, tmp_path / "none").no_training == ""


def test_a_lent_gpu_never_trains() -> None:
    for more in ({}, {"SIGN_STUDIO_TRAIN": "1"}):
        assert read(ZERO_GPU | more).no_training == NOT_ON_LOAN
    assert not read(SPACE | {"SPACES_ZERO_GPU": "false"}).zero_gpu


def test_a_space_uses_its_storage_only_when_it_can_be_written(tmp_path: Path) -> None:
    with_storage, without = read(SPACE, storage=tmp_path), read(SPACE, storage=tmp_path / "none")
    assert (with_storage.data, with_storage.storage) == (tmp_path, KEPT)
    assert (without.data, without.storage) == (None, GONE)
    (tmp_path / "file").touch()
    assert read(SPACE, storage=tmp_path / "file").data is None
    assert read({"GRADIO_SERVER_NAME": "0.0.0.0"}, storage=tmp_path).data is None, "not a Space"


def test_a_data_folder_that_is_set_wins_and_an_empty_one_is_none(tmp_path: Path) -> None:
    named = {"SIGN_STUDIO_DATA": str(tmp_path / "mine")}
    assert read(SPACE | named, storage=tmp_path).data == tmp_path / "mine"
    assert read(SPACE | {"SIGN_STUDIO_DATA": ""}, storage=tmp_path).data is None
    assert read({"GRADIO_SERVER_NAME": "0.0.0.0"} | named).storage == KEPT


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """No variable set that says where things are, and a home of its own."""
    for name in (jobs.ROOT_VARIABLE, "HF_HOME"):
        monkeypatch.setenv(name, "")  # so that it is put back, whatever is set meanwhile
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_runs_and_weights_go_to_the_data_folder(plain: Path) -> None:
    hosting.prepare(Hosting(hosted=True, space=True, data=plain / "data"))
    assert jobs.root() == plain / "data" / "runs"
    assert os.environ["HF_HOME"] == str(plain / "data" / "huggingface")


def test_weights_that_were_fetched_while_the_space_was_built_are_still_found(plain: Path) -> None:
    (plain / "home" / ".cache" / "huggingface" / "hub" / "models--a--b").mkdir(parents=True)
    hosting.prepare(Hosting(hosted=True, space=True, data=plain / "data"))
    assert "HF_HOME" not in os.environ


def test_without_storage_runs_of_a_space_stay_out_of_the_programs_folder(plain: Path) -> None:
    hosting.prepare(Hosting(hosted=True, space=True))
    assert jobs.root() == plain / "home" / "sign-studio" / "runs"


def test_at_home_and_where_it_is_set_runs_stay_where_they_were(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosting.prepare(Hosting())
    assert jobs.root() == plain / "runs"
    monkeypatch.setenv(jobs.ROOT_VARIABLE, str(plain / "own"))
    hosting.prepare(Hosting(hosted=True, space=True, data=plain / "data"))
    assert jobs.root() == plain / "own"


def test_the_page_says_what_is_kept_and_why_nothing_is_trained(tmp_path: Path) -> None:
    from studio.ui import layout

    def page(where: Hosting) -> str:
        return json.dumps(layout.build(Limits(), where).get_config_file(), default=str)

    kept, gone = page(read(SPACE, storage=tmp_path)), page(read(ZERO_GPU, storage=tmp_path / "none"))
    assert KEPT in kept and GONE not in kept and NOT_FOR_ALL in kept
    assert GONE in gone and KEPT not in gone and NOT_ON_LOAN in gone
    assert "train_launch" not in kept + gone
    at_home = page(hosting.AT_HOME)
    assert not [words for words in (KEPT, GONE, NOT_FOR_ALL, NOT_ON_LOAN) if words in at_home]


def test_elsewhere_a_function_of_the_gpu_is_left_as_it_is() -> None:
    def function() -> Iterator[int]:
        yield 1

    assert hosting.gpu(seconds=1)(function) is function


def test_the_documentation_names_every_variable() -> None:
    told, found = (TESTS.parent / "docs" / "hosting.md").read_text(encoding="utf-8"), set()
    for folder in ("studio", "models"):
        for path in (TESTS.parent / folder).rglob("*.py"):
            found |= set(re.findall(r"SIGN_STUDIO_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8")))
    limits = {f"SIGN_STUDIO_{name.upper()}" for name in Limits.__dataclass_fields__}  # docs/limits.md has them
    assert found - limits - set(re.findall(r"SIGN_STUDIO_[A-Z_]+", told)) == set()


def run_lent(tmp_path: Path, *arguments: Path) -> None:
    """Run lent_gpu.py as on ZeroGPU."""
    shutil.copy(TESTS / "fake_spaces.py", tmp_path / "spaces.py")
    paths = os.pathsep.join(map(str, (tmp_path, TESTS, TESTS.parent)))
    environment = os.environ | ZERO_GPU | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, str(TESTS / "lent_gpu.py"), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0 and done.stdout.endswith("all of it arrived\n"), done.stderr[-3000:]


def test_values_errors_and_the_end_of_the_time_cross_from_a_lent_gpu(tmp_path: Path) -> None:
    run_lent(tmp_path)


@pytest.mark.slow
def test_what_is_drawn_on_a_lent_gpu_is_what_would_be_drawn_here(tmp_path: Path) -> None:
    picture = TESTS.parent / "assets" / "samples" / "mei.jpg"
    pose, weights = tmp_path / "hello.pose", build(tmp_path / "weights")
    write_pose(pose, cut(signing(), 18, 20))
    run_lent(tmp_path, picture, pose, weights, tmp_path / "lent")
    animated(picture, pose, weights, tmp_path / "own")
    lent, own = (list(read_frames(tmp_path / name / FRAMES)) for name in ("lent", "own"))
    assert len(lent) == len(own) == 2
    for ours, theirs in zip(own, lent, strict=True):
        assert np.abs(ours.astype(int) - theirs).mean() < 1
