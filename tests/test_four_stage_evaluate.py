"""Stage metrics on cases worked by hand, model files, and the evaluation of a run."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from four_stage_tiny import GLOSSES, TINY, TRAINING, draw_clips, moving, tiny_model, trained_run
from safetensors.torch import load_file, save_file

from models.errors import SignError, WeightsError
from models.recognition.four_stage.clips import Clip, read_clips, write_clips
from models.recognition.four_stage.evaluate import evaluate
from models.recognition.four_stage.files import load_four_stage, save_four_stage
from models.recognition.four_stage.stage_metrics import (
    Judged,
    confusions,
    interval_95,
    judged,
    stage1,
    stage2,
    stage3,
    stage4,
    word_error_rate,
)
from models.recognition.four_stage.task import Heard
from models.recognition.metrics import comparison
from models.training import Run


def rows(*shares: tuple[float, ...]) -> np.ndarray:
    return np.log(np.asarray(shares, np.float32))


def case(**changes: object) -> Judged:
    """Five frames, of which 1, 2 and 4 are kept; the two glosses A and B are signed, and CTC's alignment is A A B.

    Frame 1 is nearest to A, frame 2 to B (wrong), frame 4 to B.
    """
    heard = Heard(
        labels=(1, 2),
        log_probs=rows((0.2, 0.7, 0.1), (0.5, 0.4, 0.1), (0.1, 0.3, 0.6)),
        keyframes=np.array([1, 2, 4]),
        scores=np.zeros(5, np.float32),
        frame_log_probs=rows((0.9, 0.1), (0.4, 0.6), (0.2, 0.8)),
        likeness=np.array([[0, 0], [0.8, 0.2], [0.4, 0.6], [0, 0], [-0.4, 0.5]], np.float32),
    )
    made = {
        "clip": Clip(path=Path("clips/a.mp4"), glosses=("A", "B"), signer="anna", split="test"),
        "heard": heard,
        "target": (1, 2),
        "energy": np.array([0, 0.9, 0.1, 0.8, 1.0], np.float32),
        "times_s": np.arange(5) / 10,
        "path": np.array([1, 1, 2]),
    }
    return Judged(**{**made, **changes})  # type: ignore[arg-type]


def test_frames_are_compared_with_their_gloss() -> None:
    found = stage1([case()])
    # A: (0.8 + 0.4) / 2 = 0.6; B: 0.5; signs count the same. To the others: A (0.2 + 0.6) / 2 = 0.4, B -0.4.
    assert found["mean_similarity"] == pytest.approx(0.55)
    assert found["similarity_to_others"] == pytest.approx(0.0, abs=1e-6)
    assert found["alignment"] == pytest.approx(2 / 3)
    assert found["chance"] == 0.5
    assert found["aligned_frames"] == 3


def test_blanks_of_the_path_are_no_aligned_frames() -> None:
    found = stage1([case(path=np.array([1, 0, 2]))])
    assert found["mean_similarity"] == pytest.approx((0.8 + 0.5) / 2)
    assert (found["alignment"], found["aligned_frames"]) == (1.0, 2)


def test_a_model_without_alignment_has_no_stage_1() -> None:
    one = case()
    found = stage1([replace(one, heard=replace(one.heard, likeness=np.zeros((5, 0), np.float32)))])
    assert found["mean_similarity"] is found["alignment"] is found["chance"] is None


def test_kept_frames_are_compared_with_those_that_move_most() -> None:
    # Most motion: 4, 1, 3. Kept: 1, 2, 4. Of 3 kept 2 are right; of 2 dropped (0 and 3) 1 is.
    found = stage2([case()])
    assert found["selection_ratio"] == pytest.approx(3 / 5)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["entropy"] == pytest.approx(1.0)  # all scores are equal


def test_entropy_is_of_the_scores_of_a_clip() -> None:
    one = case()
    # Softmax of log 3 and 0: 3/4 and 1/4.
    scores = np.array([math.log(3), 0], np.float32)
    sharp = replace(one, heard=replace(one.heard, scores=scores, keyframes=np.array([0])), energy=np.array([0, 1.0]))
    wanted = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(2)
    assert stage2([sharp])["entropy"] == pytest.approx(wanted)
    assert stage2([sharp])["balanced_accuracy"] == 0.0
    certain = replace(sharp, heard=replace(sharp.heard, scores=np.array([900, 0], np.float32)))
    assert stage2([certain])["entropy"] == pytest.approx(0.0, abs=1e-6)


def test_a_model_that_keeps_everything_selects_nothing() -> None:
    one = case()
    every = replace(one, heard=replace(one.heard, keyframes=np.arange(5)))
    assert stage2([every]) == {"selection_ratio": 1.0, "entropy": None, "balanced_accuracy": None}


def test_frames_are_counted_against_the_alignment() -> None:
    found = stage3([case()])  # taken for A, B, B; aligned A, A, B
    assert found["frame_accuracy"] == pytest.approx(2 / 3)
    assert found["temporal_consistency"] == pytest.approx(1 / 2)
    assert found["temporal_consistency_within_signs"] == 0.0  # the only pair of one sign is taken for A and B


def test_pairs_are_never_of_two_clips() -> None:
    one = case()
    single = replace(one.heard, keyframes=np.array([1]), frame_log_probs=rows((0.9, 0.1)))
    short = replace(one, heard=single, path=np.array([1]))
    assert stage3([short, short])["temporal_consistency"] is None


def test_the_sequence_is_right_or_it_is_not() -> None:
    one = case()
    other = replace(one, heard=replace(one.heard, labels=(1,)))
    found = stage4([one, other])
    assert found["sequence_accuracy"] == 0.5
    assert found["mean_posterior"] == pytest.approx((0.7 + 0.4 + 0.6) / 3)
    assert found["blank_rate"] == pytest.approx(1 / 3)


def test_a_clip_with_too_few_keyframes_counts_only_where_none_is_needed() -> None:
    one = case()
    few = judged(one.clip, one.heard, (1, 1, 2), one.energy, one.times_s)  # A A needs a blank between: 4 rows
    assert few.path is None
    assert judged(one.clip, one.heard, (1, 2), one.energy, one.times_s).path is not None
    assert stage1([few])["alignment"] is stage3([few])["frame_accuracy"] is stage4([few])["mean_posterior"] is None
    assert stage4([few])["sequence_accuracy"] == 0.0
    assert stage3([few])["temporal_consistency"] == 0.5


def test_word_errors_have_the_agreed_shape() -> None:
    found = word_error_rate([["A", "B", "C"], ["A"]], [["A", "X"], ["A", "B"]])
    assert found == {
        "wer": 3 / 4,
        "accuracy": 1 / 4,
        "total_errors": 3,
        "total_words": 4,
        "error_types": {"substitutions": 1, "deletions": 1, "insertions": 1},
    }
    assert word_error_rate([["A"]], [["B", "C", "D"]])["accuracy"] == 0.0  # WER is 3


def test_the_comparison_names_every_step() -> None:
    steps = comparison(["A", "THANK YOU", "C"], ["A", "X", "C", "D"])
    assert steps == [
        ("right", "A", "A"),
        ("substitution", "THANK YOU", "X"),
        ("right", "C", "C"),
        ("insertion", None, "D"),
    ]
    assert comparison(["A"], []) == [("deletion", "A", None)]
    assert confusions([steps, comparison(["A"], [])])[0] == {"reference": "A", "hypothesis": "A", "count": 1}


def test_the_interval_holds_the_rate_and_shrinks_with_more_sentences() -> None:
    few, many = interval_95([0, 1, 2, 1], [4] * 4), interval_95([0, 1, 2, 1] * 50, [4] * 200)
    assert few is not None and many is not None
    assert few[0] <= 1 / 4 <= few[1] and many[0] <= 1 / 4 <= many[1]
    assert many[1] - many[0] < few[1] - few[0]
    assert interval_95([0, 0], [3, 4]) == (0.0, 0.0)
    assert interval_95([], []) is None


@pytest.mark.parametrize("changes", [{}, {"align": False}, {"select": False}])
def test_a_saved_model_answers_the_same(tmp_path: Path, changes: dict[str, bool]) -> None:
    model = tiny_model(**changes)
    save_four_stage(model, tmp_path)
    drawn = torch.get_rng_state()
    loaded = load_four_stage(tmp_path)
    assert torch.equal(drawn, torch.get_rng_state())
    video = torch.from_numpy(moving(("DOWN", "STAY"), side=32)).permute(0, 3, 1, 2)[None]
    with torch.inference_mode():
        one, other = model(video, torch.tensor([12])), loaded(video, torch.tensor([12]))
    assert torch.equal(one.ctc_logits, other.ctc_logits)
    assert (loaded.glosses, loaded.config, loaded.training) == (GLOSSES, model.config, False)


def test_a_model_that_began_with_published_weights_needs_none_of_them(tmp_path: Path) -> None:
    model = tiny_model()
    vectors = torch.randn(3, 20)  # BERT's are wider than learned ones, and are no parameter
    del model.gloss_vectors
    model.register_buffer("gloss_vectors", vectors)
    model.align_gloss = torch.nn.Linear(20, TINY.aligned)
    model.config = replace(TINY, start="pretrained")
    save_four_stage(model, tmp_path)
    loaded = load_four_stage(tmp_path)
    assert torch.equal(loaded.gloss_vectors, vectors)
    assert torch.equal(loaded.gloss_embeddings(), model.gloss_embeddings())
    assert loaded.config.start == "pretrained"


def test_a_folder_that_is_no_model_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"there is no model\.json"):
        load_four_stage(tmp_path)
    save_four_stage(tiny_model(), tmp_path)
    told = (tmp_path / "model.json").read_text()
    about = json.loads(told)

    def told_with(**changes: object) -> None:
        (tmp_path / "model.json").write_text(json.dumps(about | changes))

    told_with(kind="landmark")
    with pytest.raises(WeightsError, match="its kind is 'landmark'"):
        load_four_stage(tmp_path)
    told_with(format=99)
    with pytest.raises(WeightsError, match="another version of the studio"):
        load_four_stage(tmp_path)
    told_with(glosses=["A"])
    with pytest.raises(WeightsError, match="weights of another model"):
        load_four_stage(tmp_path)
    told_with(config={"size": "large"})
    with pytest.raises(WeightsError, match="size"):
        load_four_stage(tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_four_stage(tmp_path)
    (tmp_path / "model.json").write_text(told)
    weights = tmp_path / "model.safetensors"
    save_file({"x": load_file(weights)["blank.bias"]}, weights)
    with pytest.raises(WeightsError, match="weights of another model"):
        load_four_stage(tmp_path)
    weights.write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="cut off"):
        load_four_stage(tmp_path)
    weights.unlink()
    with pytest.raises(WeightsError, match=r"has no model\.safetensors"):
        load_four_stage(tmp_path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    data = draw_clips(tmp_path_factory.mktemp("data"))
    return trained_run(tmp_path_factory.mktemp("runs") / "tiny", data)


def test_an_evaluation_has_the_agreed_shape(run: Run) -> None:
    made = evaluate(run, pictures=False)
    kept = json.loads((run.evaluation / "evaluation.json").read_text(encoding="utf-8"))
    assert set(kept["word_error_rate"]) == {"wer", "accuracy", "total_errors", "total_words", "error_types"}
    assert set(kept["word_error_rate"]["error_types"]) == {"substitutions", "deletions", "insertions"}
    assert list(kept["stage_metrics"]) == ["stage1", "stage2", "stage3", "stage4"]
    assert kept["timestamp"].endswith("+00:00")
    rate = kept["word_error_rate"]
    assert rate["total_words"] == 1 + 2 + 3
    assert rate["total_errors"] == sum(rate["error_types"].values()) == sum(one["errors"] for one in kept["sentences"])
    assert kept["per_signer"]["drawn-002"]["total_words"] == 6
    assert [one["reference"] for one in kept["sentences"]] == [["DOWN"], ["RIGHT", "STAY"], ["STAY", "DOWN", "RIGHT"]]
    assert kept["stage_metrics"]["stage2"]["selection_ratio"] == pytest.approx((5 + 9 + 13) / 36)  # ceil of 70 %
    assert (kept["data"]["split"], kept["data"]["clips"], kept["data"]["drawn"]) == ("test", 3, True)
    assert kept["command"] == "signstudio train evaluate tiny"
    assert made["model"]["parameters"] == kept["model"]["parameters"] > 1000


def test_another_split_can_be_judged(run: Run) -> None:
    assert evaluate(run, "train", pictures=False)["data"]["clips"] == 4
    with pytest.raises(SignError, match="no split 'exam'"):
        evaluate(run, "exam", pictures=False)


def test_what_cannot_be_judged_is_said(run: Run, tmp_path: Path) -> None:
    def other(data: Path) -> Run:
        made = Run(tmp_path / f"run-{data.name}")
        made.write_config({**run.config(), "data": str(data)})
        if not made.model.exists():
            made.model.symlink_to(run.model)
        return made

    with pytest.raises(SignError, match=r"has no clips\.csv"):
        evaluate(other(tmp_path / "gone"), pictures=False)
    data = draw_clips(tmp_path / "data")
    clips = [replace(one, path=one.path.relative_to(data.resolve())) for one in read_clips(data)]
    write_clips(data / "clips.csv", [one for one in clips if one.split != "test"])
    with pytest.raises(SignError, match="in the split test"):
        evaluate(other(data), pictures=False)
    write_clips(data / "clips.csv", [replace(one, glosses=("UP",)) for one in clips])
    with pytest.raises(SignError, match="unknown to the model"):
        evaluate(other(data), pictures=False)
    empty = Run(tmp_path / "empty")
    empty.write_config({"name": "x"})
    with pytest.raises(SignError, match="does not say what was trained"):
        evaluate(empty, pictures=False)


def test_a_short_clip_is_infeasible_and_says_so(tmp_path: Path) -> None:
    data = draw_clips(tmp_path / "data")
    clips = [replace(one, path=one.path.relative_to(data.resolve())) for one in read_clips(data)]
    long = tuple(GLOSSES[place % 3] for place in range(5))  # in six frames, of which five are kept
    too_long = tuple(["DOWN"] * 5)  # nine rows
    first, *others = [one for one in clips if one.split == "test"]
    rest = [one for one in clips if one.split != "test"]
    write_clips(data / "clips.csv", [*rest, replace(first, glosses=too_long), replace(others[0], glosses=long)])
    made = evaluate(trained_run(tmp_path / "run", data, TRAINING), pictures=False)
    assert made["infeasible"] == {"of_frames": 1, "of_keyframes": 1, "clips": 2, "names": ["drawn-002-00.mp4"]}
