"""The wheel: the program and its assets, nothing else; and it works where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from serving import ROOT, checkout

from models.pose.files import read_pose
from models.video import probe

PACKAGES = ("assets", "models", "studio")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by `pip wheel` from a fresh copy, with the setuptools that is here instead of one from the network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder]
    done = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_has_the_program_its_assets_and_nothing_else(wheel: Path, source: Path) -> None:
    expected = {
        path.relative_to(source).as_posix()
        for package in PACKAGES
        for path in (source / package).rglob("*")
        if path.is_file() and (package == "assets" or path.suffix == ".py")
    }
    with zipfile.ZipFile(wheel) as packed:
        names = [name for name in packed.namelist() if ".dist-info/" not in name]
        for name in names:
            assert packed.read(name) == (source / name).read_bytes(), name
    assert set(names) == expected
    assert {"assets/studio.css", "assets/samples/mei.jpg", "assets/lexicon/ase/home.yaml"} <= expected


def test_the_wheel_says_what_it_needs_and_how_it_is_called(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        info = next(name.split("/")[0] for name in packed.namelist() if ".dist-info/" in name)
        metadata, scripts = (packed.read(f"{info}/{name}").decode() for name in ("METADATA", "entry_points.txt"))
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    listed = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert len(needed) == len(listed)
    assert "signstudio = studio.cli:main" in scripts
    assert "License-Expression: MIT" in metadata


@pytest.mark.slow
def test_the_installed_wheel_works_away_from_the_checkout_and_leaves_its_folder_alone(
    wheel: Path, tmp_path: Path, sample: Path
) -> None:
    away, env = tmp_path / "away", tmp_path / "env"
    away.mkdir()
    subprocess.run([sys.executable, "-m", "venv", env], check=True)
    program = env / ("Scripts" if os.name == "nt" else "bin")
    (site,) = env.rglob("site-packages")
    subprocess.run(
        [program / "python", "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", wheel], check=True, cwd=away
    )
    # What it depends on is taken from here; .pth files of there, such as the one that leads to the checkout, are not.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    before = files(site)

    def run(*command: str) -> str:
        whole = [str(program / command[0]), *command[1:]]
        done = subprocess.run(
            whole, cwd=away, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = run("python", "-c", "import models, studio; print(models.__path__[0], studio.__path__[0])").split()
    assert all(Path(path).is_relative_to(env) for path in where), "not the checkout"
    assert "synthesize" in run("signstudio", "--help")
    run("signstudio", "pose", "extract", str(sample), "--out", "poses")
    assert len(read_pose(away / "poses" / f"{sample.stem}.pose").body.data) == probe(sample).num_frames
    run("signstudio", "synthesize", "HELLO", "--out", "hello.mp4", "--pose", "hello.pose")
    assert probe(away / "hello.mp4").num_frames == len(read_pose(away / "hello.pose").body.data)
    assert files(site) == before


def files(folder: Path) -> dict[Path, int]:
    """Every file but Python's own, and when it was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if "__pycache__" not in path.parts}
