"""The recognizer that comes with the studio: a signer it has not seen, live as offline, and what it must not say."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from signing import performance, performed

from models.errors import LexiconError, PoseError, SignError
from models.lexicon.index import open_lexicon
from models.pose import landmarks
from models.pose.extract import extract_pose
from models.pose.files import write_pose
from models.recognition.corpus import vocabulary
from models.recognition.enrol import enrol, exemplars_of
from models.recognition.evaluate import Held, evaluate
from models.recognition.features import NUM_FEATURES, STEP_MS, features
from models.recognition.landmark_recognizer import LandmarkRecognizer
from models.recognition.model_files import load_model, save_model
from models.recognition.ready import SHIPPED, ready_recognizer
from models.recognition.recognize import recognize
from models.recognition.results import RecognizedSegment
from models.video import VideoReader
from models.video_write import write_video

SAMPLES = Path(__file__).parents[1] / "assets" / "samples"

UNSEEN = 77  # no signer of training: those are 0 to 3 and 1000 to 1047
SENTENCE = ("EAT", "HELLO", "HORSE", "START")


@pytest.fixture(scope="module")
def recognizer() -> LandmarkRecognizer:
    return ready_recognizer()


def live(recognizer: LandmarkRecognizer, rows: np.ndarray) -> list[RecognizedSegment]:
    stream, found = recognizer.stream(), []
    for row in rows:
        found += stream.push(row)
        assert 0 <= stream.activity <= 1
    return [*found, *stream.flush()]


def test_the_shipped_model_says_what_it_is(recognizer: LandmarkRecognizer) -> None:
    assert "drawn signers only" in recognizer.description
    assert set(recognizer.glosses) == set(vocabulary())
    assert (SHIPPED / "model.safetensors").stat().st_size < 10_000_000


def test_a_sentence_of_an_unseen_signer_is_recognized_at_its_times(recognizer: LandmarkRecognizer) -> None:
    made = performance(*SENTENCE, signer=UNSEEN)
    found = recognize(made.pose, recognizer)
    assert found.glosses == SENTENCE
    for segment, asked in zip(found.segments, made.segments, strict=True):
        shared = min(segment.end_ms, asked.end_ms) - max(segment.start_ms, asked.start_ms)
        assert shared > 0.5 * (asked.end_ms - asked.start_ms)
        shares = [one.confidence for one in segment.candidates]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1.001


def test_live_says_the_same_as_offline(recognizer: LandmarkRecognizer) -> None:
    rows = features(performed(*SENTENCE, signer=UNSEEN)).rows
    offline = [segment.gloss for segment in recognizer.segments(rows)]
    assert [segment.gloss for segment in live(recognizer, rows)] == offline
    assert live(recognizer, rows[:0]) == []


def test_a_guess_is_there_before_the_sign_ends(recognizer: LandmarkRecognizer) -> None:
    stream = recognizer.stream()
    made = performance("HORSE", signer=UNSEEN)
    end = round(made.segments[0].end_ms / STEP_MS)
    for row in features(made.pose).rows[:end]:
        stream.push(row)
    assert stream.signing
    assert stream.guess is not None
    assert stream.guess.gloss == "HORSE"


def test_nobody_and_hanging_arms_are_no_signs(recognizer: LandmarkRecognizer) -> None:
    assert recognizer.segments(np.zeros((100, NUM_FEATURES), np.float32)) == ()
    rest = features(performed("HELLO")).rows[:3]
    assert recognizer.segments(np.repeat(rest, 50, axis=0)) == ()
    assert live(recognizer, np.zeros((60, NUM_FEATURES), np.float32)) == []


def test_a_long_clip_in_pieces_gives_what_it_gives_in_one(recognizer: LandmarkRecognizer) -> None:
    rows = features(performed(*SENTENCE, signer=UNSEEN)).rows
    once = recognizer.segments(rows)
    many = recognizer.segments(np.tile(rows, (12, 1)))
    assert len(rows) * 12 > 1024
    assert [segment.gloss for segment in many[: len(once)]] == [segment.gloss for segment in once]
    assert len(many) >= 0.8 * 12 * len(once)


def test_what_makes_a_clip_hard_is_told(recognizer: LandmarkRecognizer) -> None:
    pose = performed("HELLO")
    points = np.asarray(pose.body.data[:, 0].filled(0), np.float32)
    sure = np.asarray(pose.body.confidence[:, 0], np.float32)

    def remade(frames: int, confidence: np.ndarray) -> list[str]:
        made = landmarks.holistic_pose(points[:frames], confidence[:frames], fps=25, width=512, height=512)
        return list(recognize(made, recognizer).remarks)

    assert "shorter than any sign" in remade(1, sure)[0]
    assert "Nobody" in remade(len(points), np.zeros_like(sure))[0]
    handless = sure.copy()
    handless[:, landmarks.NUM_BODY + landmarks.NUM_FACE :] = 0
    assert "Hands were never found" in remade(len(points), handless)[0]
    with pytest.raises(PoseError, match="shoulders"):
        recognize(pose.get_components([landmarks.FACE]), recognizer)


def test_a_sign_is_learned_from_three_recordings(tmp_path: Path) -> None:
    clips = []
    for signer in (1, 2, 3):
        write_pose(tmp_path / f"{signer}.pose", performed("W", signer=signer))  # a letter: no sign of the model
        clips.append(tmp_path / f"{signer}.pose")
    results = enrol(clips, "my-sign", tmp_path / "lexicon")
    assert [one.accepted for one in results] == [True] * 3
    assert all(one.verdict and one.end_ms > one.start_ms for one in results)
    lexicon = open_lexicon(tmp_path / "lexicon")
    assert lexicon.glosses == ("MY-SIGN",)
    assert len(exemplars_of(lexicon)) == 3

    taught = ready_recognizer([lexicon])
    assert "MY-SIGN" in taught.glosses
    assert "1 of your own signs" in taught.description
    assert recognize(performed("W", signer=4), taught).glosses == ("MY-SIGN",)
    assert recognize(performed("HORSE", signer=4), taught).glosses == ("HORSE",)


def test_a_model_that_was_trained_on_is_read_again(tmp_path: Path) -> None:
    model, card = load_model(SHIPPED)
    for words in ("Trained for an hour.", "Trained for two."):
        save_model(tmp_path, model, replace(card, trained_on=words))
        assert ready_recognizer(folder=tmp_path).description == words


def test_bad_recordings_are_told_and_not_kept(tmp_path: Path) -> None:
    (tmp_path / "no.pose").write_bytes(b"nothing")
    (result,) = enrol([tmp_path / "no.pose"], "GOOD-SIGN", tmp_path / "lexicon")
    assert not result.accepted
    assert result.verdict
    assert not (tmp_path / "lexicon").exists()
    with pytest.raises(SignError, match="no clip"):
        enrol([], "X", tmp_path / "lexicon")
    with pytest.raises(LexiconError, match="no gloss"):
        enrol([tmp_path / "no.pose"], "not a gloss!", tmp_path / "lexicon")


def test_an_evaluation_has_every_figure(recognizer: LandmarkRecognizer) -> None:
    from test_landmark_model import take

    signs = [take(gloss, signer=UNSEEN) for gloss in SENTENCE]
    held = Held(
        signs=signs,
        others=[take(letter, signer=UNSEEN) for letter in "BW"],
        without_pauses=[take(*SENTENCE, signer=UNSEEN)],
    )
    report = evaluate(recognizer, held, data="four signs", command="none")
    assert report.isolated is not None
    assert report.isolated.top5 == 1
    assert report.without_pauses is not None
    assert report.without_pauses.reference_length == len(SENTENCE)
    assert report.with_pauses is None
    assert report.idle is not None
    assert report.idle.auroc > 0.9
    assert report.latency is not None


def test_the_command_line_reads_a_pose_and_writes_files(tmp_path: Path) -> None:
    write_pose(tmp_path / "clip.pose", performed(*SENTENCE, signer=UNSEEN))
    command = [
        sys.executable,
        "-m",
        "studio.cli",
        "recognize",
        "run",
        str(tmp_path / "clip.pose"),
        str(tmp_path / "no.mp4"),
    ]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "out")], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 1
    assert f"clip.pose: {' '.join(SENTENCE)}" in done.stdout
    assert "no.mp4" in done.stderr
    assert "drawn signers only" in done.stderr
    told = json.loads((tmp_path / "out" / "clip.json").read_text())
    assert [one["gloss"] for one in told["segments"]] == list(SENTENCE)
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".json", ".vtt", ".csv", ".eaf"}


def test_several_people_in_a_clip_are_told(recognizer: LandmarkRecognizer, tmp_path: Path) -> None:
    with VideoReader(min(SAMPLES.glob("*.mp4"))) as clip:
        frames = list(clip)[:40]
    small = [frame[::2, ::2] for frame in frames]
    room = [np.vstack([np.zeros_like(one), one]) for one in small]
    both = [np.ascontiguousarray(np.hstack([frame, one])) for frame, one in zip(frames, room, strict=True)]
    for name, pictures in (("one", frames), ("two", both)):
        write_video(tmp_path / f"{name}.mp4", pictures, fps=25)
    told = {
        name: recognize(extract_pose(path).pose, recognizer, path).remarks
        for name, path in (("one", tmp_path / "one.mp4"), ("two", tmp_path / "two.mp4"))
    }
    assert not any("people" in remark for remark in told["one"])
    assert any("2 people are in the picture; number 1 from the left was followed" in remark for remark in told["two"])
