"""What was asked of the avatar against what is read: counted right, in a unit that holds."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_format import Pose

from models.lexicon.body import SignerStyle
from models.lexicon.dataset import Person
from models.lexicon.legibility import CheckOptions, check_legibility, compare, read_sign
from models.lexicon.legibility_report import GlossLegibility, HandFrames, LegibilityReport
from models.lexicon.phonology_files import load_phonology
from models.pose.landmarks import NUM_HAND, holistic_pose

SIZE, FRAMES = 400, 8
PALM_PX = 40.0
LEFT, RIGHT = slice(501, 522), slice(522, 543)

# A flat right hand, its palm to the camera: wrist below, the index finger to the right of the picture. Pixels.
FLAT = np.zeros((NUM_HAND, 3))
FLAT[1:5] = [[24, -10, 0], [30, -25, 0], [36, -38, 0], [40, -50, 0]]
for knuckle, across in zip((5, 9, 13, 17), np.linspace(PALM_PX / 2, -PALM_PX / 2, 4), strict=True):
    for joint in range(4):
        FLAT[knuckle + joint] = [across, -60 - 18 * joint, 0]
HERE, THERE = np.array([150.0, 250.0, 0.0]), np.array([290.0, 250.0, 0.0])


def turned(degrees: float) -> NDArray[np.float64]:
    """The flat hand about its long axis; 90 is edge-on, 180 shows the back."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return FLAT @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]).T


def moved(points: NDArray[np.float64], palms: float) -> NDArray[np.float64]:
    """The points further to the right, by palm widths."""
    return points + np.array([palms * PALM_PX, 0, 0])


def showing(right: NDArray[np.float64] | None = None, left: NDArray[np.float64] | None = None) -> Pose:
    """A still pose with body and face and the given hands, (21, 3) pixels."""
    data, confidence = np.full((FRAMES, 576, 3), 100.0), np.ones((FRAMES, 576))
    for where, points in ((LEFT, left), (RIGHT, right)):
        confidence[:, where] = points is not None
        if points is not None:
            data[:, where] = points / (1, 1, SIZE)
    return holistic_pose(data, confidence, fps=25, width=SIZE, height=SIZE)


def lost(pose: Pose, where: slice, frames: slice) -> Pose:
    pose.body.confidence[frames, 0, where] = 0
    return pose


def test_what_is_read_as_it_was_asked_reaches_every_aim() -> None:
    result = compare("SAME", showing(FLAT + HERE), showing(FLAT + HERE), ["right"])
    assert (result.frames, result.body, result.face) == (FRAMES, FRAMES, FRAMES)
    assert result.found() == 1
    assert result.distance == 0
    assert result.misses == ()


@pytest.mark.parametrize("degrees", [0, 30, 90, 150, 180])
def test_the_unit_is_the_true_palm_width_from_every_side(degrees: float) -> None:
    hand = turned(degrees) + HERE
    result = compare("TURNED", showing(hand), showing(moved(hand, 0.3)), ["right"])
    assert result.distance == pytest.approx(0.3, abs=1e-4)


def test_depth_does_not_count_as_distance() -> None:
    result = compare("DEEP", showing(FLAT + HERE), showing(FLAT + HERE + (0, 0, 60)), ["right"])
    assert result.distance == 0


@pytest.mark.parametrize(("degrees", "facing"), [(0, True), (45, True), (55, False), (90, False), (130, True)])
def test_only_hands_that_face_the_camera_have_an_aim(degrees: float, facing: bool) -> None:
    hand = turned(degrees) + HERE
    result = compare("TURNED", showing(hand), showing(moved(hand, 0.2)), ["right"])
    assert result.hands.facing.all() == facing
    assert result.misses == (("distance 0.20",) if facing else ())


def test_palm_and_back_are_told_apart_on_both_hands() -> None:
    mirror = np.array([-1, 1, 1])
    for degrees in (0, 60, 180):
        pose = showing(turned(degrees) + HERE, turned(degrees) * mirror + THERE)
        assert compare("BOTH", pose, pose).hands.palm_deg == pytest.approx(degrees, abs=0.1)


def test_a_hand_that_is_not_found_counts_against_its_own_side() -> None:
    asked = showing(FLAT + HERE, FLAT + THERE)
    read = lost(showing(FLAT + HERE, FLAT + THERE), LEFT, slice(0, 2))
    result = compare("LOST", asked, read)
    assert (result.found(left=True), result.found(left=False), result.found()) == (0.75, 1, 0.875)
    assert result.misses == ("hands found 87.5 %",)
    assert result.distance == 0


def test_a_hand_read_under_the_other_name_is_a_swap() -> None:
    swapped = compare("ONE", showing(FLAT + HERE), showing(left=FLAT + HERE), ["right"])
    assert swapped.hands.swapped.all()
    assert swapped.found() == 0
    crossed = compare("TWO", showing(FLAT + HERE, FLAT + THERE), showing(FLAT + THERE, FLAT + HERE))
    assert crossed.hands.swapped.all()
    assert crossed.found() == 1
    far = compare("FAR", showing(FLAT + HERE), showing(left=FLAT + THERE), ["right"])
    assert not far.hands.swapped.any()


def test_a_hand_partly_outside_the_picture_is_not_asked_for() -> None:
    asked = showing(FLAT + np.array([SIZE - 10, 250, 0]))
    result = compare("OUTSIDE", asked, showing(), ["right"])
    assert not result.hands.inside.any()
    assert np.isnan(result.found())
    assert result.misses == ("hands outside the picture",)


def test_a_missing_face_or_body_in_one_frame_misses_the_aim() -> None:
    read = lost(lost(showing(FLAT + HERE), slice(0, 33), slice(0, 2)), slice(33, 501), slice(0, 4))
    assert compare("HIDDEN", showing(FLAT + HERE), read, ["right"]).misses == ("body 75 %", "face 50 %")


def report(*glosses: GlossLegibility) -> LegibilityReport:
    return LegibilityReport(glosses=glosses, signers=1, fps=25, size=SIZE, through_video=False)


def test_totals_weigh_by_frames_and_worst_comes_first() -> None:
    good = compare("GOOD", showing(FLAT + HERE), showing(FLAT + HERE), ["right"])
    bad = compare("BAD", showing(FLAT + HERE), lost(showing(FLAT + HERE), RIGHT, slice(0, 4)), ["right"])
    worse = compare("WORSE", showing(FLAT + HERE), showing(), ["right"])
    whole = report(good, bad, worse)
    assert [gloss.gloss for gloss in whole.missing] == ["WORSE", "BAD"]
    assert whole.total.found() == 0.5
    assert report(GlossLegibility.pooled("TWICE", [good, good]), worse).total.found() == pytest.approx(2 / 3)


def test_the_json_is_strict_and_holds_every_gloss() -> None:
    def refuse(name: str) -> None:
        raise ValueError(name)

    nothing = compare("NOTHING", showing(), showing(), ["right"])
    half = compare("HALF", showing(FLAT + HERE), lost(showing(FLAT + HERE), RIGHT, slice(0, 4)), ["right"])
    read = json.loads(report(nothing, half).to_json(), parse_constant=refuse)
    assert [gloss["gloss"] for gloss in read["glosses"]] == ["NOTHING", "HALF"]
    assert [gloss["hands_found"] for gloss in read["glosses"]] == [None, 0.5]
    assert read["missing"] == ["NOTHING", "HALF"]
    assert read["aims"]["hands_found"] == 0.97


def test_the_table_has_aligned_columns_and_says_what_is_missed() -> None:
    good = compare("GOOD", showing(FLAT + HERE), showing(FLAT + HERE), ["right"])
    bad = compare("A-LONGER-NAME", showing(FLAT + HERE), showing(), ["right"])
    head, first, second, _, total = report(good, bad).table().splitlines()
    assert head.index("distance") + len("distance") == first.index("0.000") + len("0.000")
    assert first.startswith("GOOD ")
    assert second.endswith("hands found 0 %")
    assert total.startswith("all ")
    assert "reach all aims: 1 of 2" in report(good, bad).summary()


def test_columns_join_in_order() -> None:
    one = compare("ONE", showing(FLAT + HERE), showing(FLAT + HERE), ["right"]).hands
    two = HandFrames.joined([one, replace(one, left=~one.left)])
    assert two.left.tolist() == [False] * FRAMES + [True] * FRAMES


def test_frames_that_do_not_match_are_a_mistake() -> None:
    asked = showing(FLAT + HERE)
    shorter = holistic_pose(np.zeros((3, 576, 3)), np.zeros((3, 576)), fps=25, width=SIZE, height=SIZE)
    with pytest.raises(ValueError, match="8 frames were asked and 3 read"):
        compare("SHORT", asked, shorter)


def test_a_drawn_sign_is_read_with_the_hand_that_signs() -> None:
    hello = load_phonology()["HELLO"]
    result = check_legibility([hello], workers=1).glosses[0]
    assert not result.hands.left.any()
    assert result.found() > 0.9
    assert result.body == result.face == result.frames == len(result.hands.left)
    assert result.distance < 0.2
    assert not result.hands.swapped.any()
    left = Person(number=1, seed=1, style=SignerStyle(left_handed=True))
    mirrored = read_sign(hello, left, CheckOptions())
    assert mirrored.hands.left.all()
    assert mirrored.found() > 0.9


def test_reading_through_a_video_finds_the_same_hand() -> None:
    ticks: list[tuple[int, int]] = []
    result = check_legibility(
        [load_phonology()["HELLO"]],
        CheckOptions(through_video=True, signers=2),
        workers=1,
        progress=lambda done, total: ticks.append((done, total)),
    )
    assert ticks == [(1, 2), (2, 2)]
    assert result.glosses[0].found() > 0.9
    assert result.glosses[0].distance < 0.25
