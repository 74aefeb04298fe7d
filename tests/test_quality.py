"""The quality report: it judges the hands that sign while they sign, and says why in words."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from pose_format import Pose
from synthetic_signer import BODY, FACE, LEFT, PALM, RIGHT, moved, signer, without

from models.errors import PoseError
from models.pose import landmarks
from models.pose.clean import normalize, reduce
from models.pose.files import read_pose
from models.pose.quality import QualityLimits, assess
from models.pose.quality_figure import quality_png, write_quality_png


def trembling(deviation: float, seed: int = 0, **options: object) -> Pose:
    """A signer whose right hand's landmarks carry independent noise, in palm lengths."""
    pose = signer(**options)  # type: ignore[arg-type]
    data = np.ma.getdata(pose.body.data)
    there = np.asarray(pose.body.confidence)[:, 0, RIGHT] > 0
    noise = np.random.default_rng(seed).normal(0, deviation * PALM, (*there.shape, 2))
    data[:, 0, RIGHT, :2] += noise * there[..., None]
    return pose


# The verdict


def test_a_one_handed_sign_is_kept_although_the_other_hand_is_never_seen() -> None:
    report = assess(signer())
    assert report.verdict == "keep"
    assert report.reasons == ()
    assert not report.left.active
    assert report.left.seen == 0
    assert report.left.seen_while_raised is None
    assert report.right.seen_while_raised == 1
    assert report.dominant == "right"


def test_a_two_handed_sign_that_lost_a_hand_is_not_kept() -> None:
    lost = without(signer(hands=("left", "right")), LEFT, slice(None))
    report = assess(lost)
    assert report.left.active
    assert report.left.seen_while_raised == 0
    assert report.verdict != "keep"
    assert "left hand is missing in 100 % of its signing" in report.reasons[0]


def test_the_leading_hand_missing_most_of_the_time_is_rejected() -> None:
    report = assess(without(signer(), RIGHT, slice(23, None)))
    assert report.verdict == "reject"
    assert "right hand is missing" in report.reasons[0]


def test_hands_missing_at_rest_cost_nothing_and_hands_seen_at_rest_gain_nothing() -> None:
    lost = slice(24, 33)
    seen_at_rest = assess(without(signer(rest_visible=True), RIGHT, lost))
    unseen_at_rest = assess(without(signer(), RIGHT, lost))
    assert seen_at_rest.right.seen > unseen_at_rest.right.seen
    assert seen_at_rest.right.seen_while_raised == unseen_at_rest.right.seen_while_raised
    assert seen_at_rest.verdict == unseen_at_rest.verdict == "review"


def test_the_longest_gap_is_counted_in_milliseconds_while_raised() -> None:
    report = assess(without(signer(), RIGHT, [25, 26, 30, 31, 32, 50, 51, 52, 53]))
    assert report.right.longest_gap_ms == pytest.approx(3 * 40)


def test_a_long_gap_is_worth_a_look_even_when_the_hand_is_mostly_seen() -> None:
    pose = without(signer(seconds=5, signing=(0.8, 4.2)), RIGHT, slice(50, 62))
    report = assess(pose)
    assert report.verdict == "review"
    assert "lost for 0.5 s" in report.reasons[0]


def test_no_body_is_rejected_without_an_exception() -> None:
    report = assess(without(signer(), BODY, slice(None)))
    assert report.verdict == "reject"
    assert "body is missing in 100 %" in report.reasons[0]


def test_nobody_at_all_is_rejected_with_both_reasons() -> None:
    report = assess(without(signer(), slice(None), slice(None)))
    assert report.verdict == "reject"
    for words in ("body is missing in 100 %", "No signing was found"):
        assert any(words in reason for reason in report.reasons), words


def test_a_missing_face_is_worth_a_look_but_no_rejection() -> None:
    report = assess(without(signer(), FACE, slice(None)))
    assert report.verdict == "review"
    assert "face is missing" in report.reasons[0]


def test_signs_made_without_raising_an_arm_are_judged_by_the_hands_that_are_seen() -> None:
    report = assess(signer(hands=(), rest_visible=True))
    assert report.verdict == "keep"
    assert report.left.active
    assert report.right.active


def test_one_frame_is_too_short_to_be_a_sign() -> None:
    report = assess(signer(seconds=0.04))
    assert report.verdict == "reject"
    assert "40 ms" in report.reasons[0]


def test_a_slow_camera_is_worth_a_look() -> None:
    assert any("12 frames per second" in reason for reason in assess(signer(fps=12)).reasons)


def test_the_limits_can_be_moved() -> None:
    pose = without(signer(), RIGHT, slice(24, 30))
    assert assess(pose, limits=QualityLimits(hand_review=0.99)).verdict == "review"
    assert assess(pose, limits=QualityLimits(hand_review=0.5, gap_review_ms=1000)).verdict == "keep"


# Jitter, blur, the edge of the picture


def test_jitter_is_the_deviation_of_the_noise_in_palm_lengths() -> None:
    long = {"seconds": 4, "signing": (0.4, 3.6)}
    assert assess(trembling(0.05, **long)).right.jitter == pytest.approx(0.05, rel=0.1)
    assert assess(trembling(0.05, **long)).verdict == "keep"
    assert "trembles" in assess(trembling(0.2, **long)).reasons[0]
    assert assess(signer()).right.jitter == pytest.approx(0, abs=1e-4)


def test_a_fast_sweep_of_the_hand_is_no_jitter() -> None:
    pose = signer()
    data = np.ma.getdata(pose.body.data)
    there = np.asarray(pose.body.confidence)[:, 0, RIGHT.start] > 0
    sweep = 100 * np.sin(20 * np.arange(60) / 25)[:, None]
    data[there, 0, RIGHT, 0] += sweep[there]
    assert assess(pose).right.jitter == pytest.approx(0, abs=1e-3)


def test_jitter_and_shares_do_not_depend_on_size() -> None:
    one, other = assess(trembling(0.05)), assess(moved(trembling(0.05), 0.5, (40, 30)))
    assert other.right.jitter == pytest.approx(one.right.jitter, rel=1e-3)
    assert other.right.seen_while_raised == one.right.seen_while_raised
    assert (other.start_ms, other.end_ms) == (one.start_ms, one.end_ms)


def test_a_signing_hand_beyond_the_edge_is_told_from_one_that_was_overlooked() -> None:
    pose = without(signer(), RIGHT, slice(24, 36))
    inside = assess(pose)
    outside = assess(moved(pose, 1, (-280, 0)))  # the right wrist at x = 230–290 ends up left of the picture
    assert inside.right.out_of_frame == 0
    assert outside.right.out_of_frame is not None
    assert outside.right.out_of_frame > 0.3
    assert any("out of the picture" in reason for reason in outside.reasons)


def test_normalized_poses_have_no_picture_to_leave() -> None:
    assert assess(normalize(signer())).right.out_of_frame is None


def test_blur_is_the_share_of_soft_frames_among_those_that_show_a_signing_hand() -> None:
    pose = signer()
    sharpness = np.where(np.asarray(pose.body.confidence)[:, 0, RIGHT.start] > 0, 40, 400).astype(np.float32)
    assert assess(pose, sharpness).blur == 0
    shown = np.flatnonzero(sharpness == 40)
    sharpness[shown[: len(shown) * 3 // 4]] = 5
    sharpness[:5] = 5  # no hand, outside the signing: does not count
    blurred = assess(pose, sharpness)
    assert blurred.blur == pytest.approx((len(shown) * 3 // 4) / len(shown))
    assert any("blurred" in reason for reason in blurred.reasons)


def test_blur_is_not_known_without_sharpness_or_without_a_hand() -> None:
    assert assess(signer()).blur is None
    assert assess(without(signer(), RIGHT, slice(None)), np.ones(60, np.float32)).blur is None


def test_sharpness_of_another_length_is_a_programmers_mistake() -> None:
    with pytest.raises(ValueError, match=r"\(60,\)"):
        assess(signer(), np.zeros(59, np.float32))


# What is reported


def test_the_report_survives_json_and_names_its_units() -> None:
    report = json.loads(json.dumps(assess(signer(), np.full(60, 50, np.float32)).to_json()))
    assert report["num_frames"] == 60
    assert report["duration_s"] == pytest.approx(2.4)
    assert 700 <= report["start_ms"] < report["end_ms"] <= 1700
    assert report["right"]["longest_gap_ms"] == 0
    assert report["verdict"] == "keep"


def test_the_lines_are_sentences_with_the_verdict_first() -> None:
    lines = assess(without(signer(), RIGHT, slice(23, None)), np.ones(60, np.float32)).lines()
    assert lines[0].startswith("Reject")
    assert "right hand" in lines[1]
    assert all(line[0].isupper() or line[0].isdigit() for line in lines)
    assert all(line.endswith(".") for line in lines)
    assert "the left hand stays at rest" in " ".join(lines).lower()


def test_reduced_and_faceless_poses_are_assessed_and_foreign_ones_refused_in_words() -> None:
    assert assess(reduce(signer())).verdict == "keep"
    assert assess(signer().get_components([landmarks.BODY, landmarks.RIGHT_HAND])).face == 0
    with pytest.raises(PoseError, match="no POSE_LANDMARKS"):
        assess(signer().get_components([landmarks.RIGHT_HAND]))


# The figure


def test_the_figure_is_a_png_a_thousand_pixels_wide(tmp_path: Path) -> None:
    pose = without(signer(), RIGHT, slice(24, 30))
    image = quality_png(pose, assess(pose))
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", image[16:24]) == (1000, 560)
    write_quality_png(tmp_path / "new" / "report.png", pose, assess(pose))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.png"]


def pixels(image: bytes) -> np.ndarray:
    from matplotlib.image import imread

    return imread(io.BytesIO(image), format="png")


def test_the_dark_figure_is_dark_and_both_show_the_gap() -> None:
    whole, gap = signer(), without(signer(), RIGHT, slice(24, 36))
    for theme, low, high in (("light", 0.6, 1.0), ("dark", 0.0, 0.4)):
        shown = pixels(quality_png(gap, assess(gap), theme))  # type: ignore[arg-type]
        assert low < np.median(shown[..., :3]) <= high
        assert not np.array_equal(shown, pixels(quality_png(whole, assess(gap), theme)))  # type: ignore[arg-type]


@pytest.mark.parametrize("pose", [signer(seconds=0.04), without(signer(), slice(None), slice(None))])
def test_the_figure_can_show_nothing(pose: Pose) -> None:
    assert quality_png(pose, assess(pose))


def test_the_figure_leaves_no_global_state() -> None:
    import matplotlib.pyplot as plt

    quality_png(signer(), assess(signer()))
    assert plt.get_fignums() == []


@pytest.mark.real
def test_foreign_pose_files_are_assessed_or_refused_in_words(real_data: Path) -> None:
    verdicts = {}
    for path in sorted((real_data / "pose_files").glob("*/*.pose")):
        try:
            verdicts[path.name] = assess(read_pose(path)).verdict
        except PoseError:
            continue
    assert verdicts["essen.pose"] in ("keep", "review")
    assert verdicts["interpreter.pose"] == "reject"  # a single frame
    assert "openpose.pose" not in verdicts
