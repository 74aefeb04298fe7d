"""Recognition by pictures, as the Recognize tab and the command line use it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from four_stage_toy import sentence, untrained_run

from models.errors import SignError, VideoError, WeightsError
from models.progress import Cancelled
from models.recognition.four_stage.recognizer import OVERLAP, WINDOW, FourStageRecognizer
from models.training import Run
from models.video_write import write_video
from studio import seeing
from studio.jobs import Jobs
from studio.limits import Limits
from studio.recognizing import Step
from studio.trained import name_of


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    write_video(tmp_path / "ball.mp4", iter(sentence(("BALL", "DOOR"))), fps=10)
    return tmp_path / "ball.mp4"


def see(clip: Path, folder: Path, model: Path, stop: Callable[[], bool] = lambda: False) -> seeing.Recognized:
    steps: list[Step] = []
    return seeing.see_clip(clip, folder, model, Limits(), steps.append, stop)


def test_a_clip_gives_all_files_and_figures_and_says_what_the_model_learned_from(
    clip: Path, model: Path, tmp_path: Path
) -> None:
    made = see(clip, tmp_path, model)
    assert made.recognition.recognizer == "A four-stage model of 4 glosses, trained on nothing at all."
    assert {path.suffix for path in made.downloads} == {".eaf", ".vtt", ".csv", ".json", ".svg"}
    assert all(path.is_file() for path in made.downloads)
    assert [one.name for one in made.stages] == ["keyframes", "attention"]
    assert all(one.alt and one.caption for one in made.stages)
    values = json.loads(next(path for path in made.downloads if path.suffix == ".json").read_text(encoding="utf-8"))
    assert [one["start_ms"] for one in values["segments"]] == sorted(one["start_ms"] for one in values["segments"])
    for segment in made.recognition.segments:
        assert 0 <= segment.start_ms < segment.end_ms <= made.recognition.duration_ms
        assert 0 < sum(one.confidence for one in segment.candidates) <= 1 + 1e-6
        assert segment.candidates[1].confidence >= segment.candidates[2].confidence


def test_segments_never_overlap(clip: Path, model: Path, tmp_path: Path) -> None:
    segments = see(clip, tmp_path, model).recognition.segments
    assert len(segments) >= 2
    for one, other in itertools.pairwise(segments):
        assert one.end_ms <= other.start_ms + 1e-6


def test_a_pose_file_has_no_pictures(model: Path, tmp_path: Path) -> None:
    (tmp_path / "x.pose").write_bytes(b"")
    with pytest.raises(SignError, match="give it the video"):
        see(tmp_path / "x.pose", tmp_path, model)


def test_rubbish_is_no_video(model: Path, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"rubbish")
    with pytest.raises(VideoError):
        see(tmp_path / "x.mp4", tmp_path, model)


def test_it_stops(clip: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        see(clip, tmp_path, model, stop=lambda: True)


def test_weights_of_another_model_are_refused(clip: Path, model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    about = json.loads((model / "model.json").read_text(encoding="utf-8"))
    about["config"]["lstm"] = 7
    (other / "model.json").write_text(json.dumps(about), encoding="utf-8")
    (other / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes())
    with pytest.raises(WeightsError, match="another model"):
        see(clip, tmp_path, other)


def test_a_run_with_a_model_can_be_chosen_and_one_without_cannot(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    target = untrained_run(tmp_path, "with")
    Run(tmp_path / "without").write_config({"model": "four-stage", "name": "without", "config": {}, "data": "demo"})
    titles = {one.name: one for one in seeing.engines(jobs)}
    assert name_of(target) in titles
    assert titles[name_of(target)].of_pictures
    assert not any("without" in name for name in titles)
    assert titles[seeing.LANDMARKS].folder is None
    with pytest.raises(SignError, match="not here any more"):
        seeing.find_engine("run:../../etc", jobs)


def test_a_long_clip_is_read_in_windows_without_a_seam(model: Path, tmp_path: Path) -> None:
    """The frames that two windows share are counted once, and nothing is lost."""
    from models.recognition.four_stage.files import load_four_stage

    frames = [frame for _ in range(40) for frame in sentence(("BALL", "TREE"))]
    assert len(frames) > 2 * WINDOW
    write_video(tmp_path / "long.mp4", iter(frames), fps=10)
    recognizer = FourStageRecognizer(load_four_stage(model), "a toy")
    seen = recognizer.see(tmp_path / "long.mp4").recognition
    assert seen.duration_ms == pytest.approx(100 * len(frames))
    starts = [segment.start_ms for segment in seen.segments]
    assert starts == sorted(starts)
    gaps = [other.start_ms - one.end_ms for one, other in itertools.pairwise(seen.segments)]
    assert min(gaps) > -1e-6
    assert seen.segments[-1].end_ms > 100 * (len(frames) - OVERLAP)


def test_the_command_line_takes_such_a_model(
    clip: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from typer.testing import CliRunner

    from studio.cli import cli

    found = CliRunner().invoke(cli, ["recognize", "run", str(clip), "--model", str(model), "-o", str(tmp_path / "out")])
    assert found.exit_code == 0, found.output
    assert "ball.mp4:" in found.output
    assert (tmp_path / "out" / "ball.eaf").is_file()
