"""Joining signs: what must stay as it was, what must connect, and what must stay missing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from pose_format import Pose
from synthetic_signer import FACE, FIRST, signer, without
from synthetic_signer import moved as moved_pose

from models.errors import LexiconError, PoseError
from models.lexicon.body import SignerStyle
from models.lexicon.concatenate import MAX_CLIPS, SMOOTHED_FRAMES, Clip, Joined, JoinOptions, concatenate
from models.lexicon.glossline import Pause
from models.lexicon.joints import blend_hands, elbow_of, quintic
from models.lexicon.performance import perform
from models.lexicon.phonology_files import load_phonology
from models.lexicon.placing import SHOULDER_FRACTION, SHOULDER_HEIGHT, arrays, layout_of, resample
from models.lexicon.stroke import fluent_span
from models.pose import landmarks as lm
from models.pose.clean import reduce
from models.pose.files import read_pose
from models.pose.span import runs, signing_span

GLOSSES = ("HELLO", "MY", "NAME", "WHAT")
RIGHT_HAND = slice(FIRST["right"], FIRST["right"] + 21)
BONES = [(0 if k % 4 == 1 else k - 1, k) for k in range(1, 21)]


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    phonology = load_phonology()
    return [Clip(pose=perform([phonology[gloss]]).pose, gloss=gloss) for gloss in GLOSSES]


@pytest.fixture(scope="module")
def joined(clips: list[Clip]) -> Joined:
    return concatenate(clips)


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "concatenate.py"
    spec = importlib.util.spec_from_file_location("benchmark_concatenate", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def frames_of(joined: Joined, index: int) -> tuple[int, int]:
    fps, segment = joined.pose.body.fps, joined.segments[index]
    return round(segment.start_ms * fps / 1000), round(segment.end_ms * fps / 1000)


def lengths(points: np.ndarray) -> np.ndarray:
    """(..., 20) bone lengths of hands (..., 21, 3)."""
    return np.stack([np.linalg.norm(points[..., b, :] - points[..., a, :], axis=-1) for a, b in BONES], axis=-1)


def test_the_frames_of_every_sign_stay_as_they_were_recorded(clips: list[Clip], joined: Joined) -> None:
    data, sure = arrays(joined.pose)
    for index, clip in enumerate(clips):
        start, end = frames_of(joined, index)
        source, source_sure = arrays(clip.pose)
        first, last = fluent_span(clip.pose, *signing_span(clip.pose))
        assert end - start == last - first
        inner = slice(SMOOTHED_FRAMES, end - start - SMOOTHED_FRAMES)
        there, here = data[start:end][inner, :543, :2], source[first:last][inner, :543, :2]
        known = (sure[start:end][inner, :543] > 0) & (source_sure[first:last][inner, :543] > 0)
        # One factor and one shift for the whole clip, and nothing else.
        x, y = here[known], there[known]
        factor = np.std(y, axis=0) / np.std(x, axis=0)
        assert factor[0] == pytest.approx(factor[1], rel=1e-5)
        assert np.abs((x - x.mean(axis=0)) * factor - (y - y.mean(axis=0))).max() < 1e-3


def test_joins_are_smoother_than_the_peers_on_the_same_frames(clips: list[Clip], benchmark: ModuleType) -> None:
    cut = [benchmark.sign_only(clip.pose) for clip in clips]
    ours = benchmark.ours(cut, JoinOptions(fluent=False, trim=False))
    peer = benchmark.peer(cut, None)
    assert benchmark.join_jerks(ours).mean() < 0.7 * benchmark.join_jerks(peer).mean()
    assert benchmark.join_jerks(ours).max() < benchmark.join_jerks(peer).max()
    assert benchmark.displacement(ours, cut)[1] < 1e-4 < benchmark.displacement(peer, cut)[0]


def test_a_hand_that_signs_on_is_never_lost_between_signs(joined: Joined) -> None:
    for side, name in zip(("left", "right"), lm.HANDS, strict=True):
        assert len(runs(lm.seen(joined.pose, name))) == 1, side


def test_a_hand_that_only_the_next_sign_uses_fades_in_from_the_arm_at_rest(joined: Joined) -> None:
    # MY is signed with one hand, NAME with two.
    (_, end), (start, _) = frames_of(joined, 1), frames_of(joined, 2)
    _, sure = lm.component(joined.pose, lm.LEFT_HAND)
    assert not sure[frames_of(joined, 1)[0] : end].any()
    rising = sure[end:start, 0]
    assert (np.diff(rising) > 0).all() and 0 < rising[0] < 0.2 and sure[start, 0] == 1
    hand, body = lm.component(joined.pose, lm.LEFT_HAND)[0], lm.component(joined.pose, lm.BODY)[0]
    gap = np.linalg.norm((hand[:, 0] - body[:, lm.LEFT_WRIST])[end:start, :2], axis=1)
    assert gap.max() < 5  # px: the hand hangs on its arm all the way


def test_a_hand_lost_in_the_last_frames_of_a_sign_does_not_flicker(clips: list[Clip]) -> None:
    span = signing_span(clips[0].pose)
    _, last = fluent_span(clips[0].pose, *span)
    lost = without(clips[0].pose, RIGHT_HAND, slice(last - 3, last))
    assert len(runs(lm.seen(lost, lm.RIGHT_HAND))) == 2
    result = concatenate([Clip(pose=lost), clips[1]], JoinOptions(fill_gap_ms=200))
    assert len(runs(lm.seen(result.pose, lm.RIGHT_HAND))) == 1


def test_what_no_clip_shows_stays_missing(clips: list[Clip]) -> None:
    blind = without(clips[0].pose, FACE, slice(None))
    result = concatenate([Clip(pose=blind), clips[1]])
    face = lm.seen(result.pose, lm.FACE)
    assert not face[: frames_of(result, 0)[1]].any() and face[frames_of(result, 1)[0] :].all()
    assert not lm.seen(result.pose, lm.LEFT_HAND).any()  # HELLO and MY need one hand
    data = np.ma.getdata(result.pose.body.data)[:, 0]
    assert not data[np.asarray(result.pose.body.confidence)[:, 0] == 0].any()


def test_finger_bones_keep_their_lengths_through_a_half_turn() -> None:
    hand = lm.component(signer(hands=("right",)), lm.RIGHT_HAND)[0][25].astype(float) * [1, 1, 300]
    hand -= hand[0]
    turned = hand * [-1, 1, -1]  # palm to the other side
    blended = blend_hands(hand, turned, np.linspace(0, 1, 9))
    np.testing.assert_allclose(blended[0], hand, atol=1e-6)
    np.testing.assert_allclose(blended[-1], turned, atol=1e-6)
    np.testing.assert_allclose(lengths(blended), np.broadcast_to(lengths(hand), (9, 20)), rtol=1e-6)
    # Straight lines between the same ends would shrink it.
    assert (lengths((hand + turned) / 2) / lengths(hand)).min() < 0.7


def test_bones_of_joined_hands_stay_as_long_as_at_the_ends(joined: Joined) -> None:
    points, _ = lm.component(joined.pose, lm.RIGHT_HAND)
    points = points * [1, 1, 512]
    for index in range(len(GLOSSES) - 1):
        end, start = frames_of(joined, index)[1], frames_of(joined, index + 1)[0]
        bones = lengths(points[end - 1 : start + 1])
        low, high = np.minimum(bones[0], bones[-1]), np.maximum(bones[0], bones[-1])
        assert (bones > 0.98 * low).all() and (bones < 1.02 * high).all()


def test_the_elbow_keeps_both_bones_and_the_hinted_side() -> None:
    shoulder, wrist = np.zeros((1, 3)), np.array([[0.0, 6.0, 0.0]])
    elbow = elbow_of(shoulder, wrist, np.array([[-9.0, 1.0, 0.0]]), np.array([5.0]), np.array([5.0]))
    np.testing.assert_allclose(elbow, [[-4.0, 3.0, 0.0]])  # two triangles with sides 3, 4, 5
    stretched = elbow_of(shoulder, 2 * wrist, elbow, np.array([5.0]), np.array([5.0]))
    np.testing.assert_allclose(stretched, [[0.0, 6.0, 0.0]])


def test_the_wrist_path_leaves_and_arrives_with_the_given_velocities() -> None:
    start, end, leave, arrive = np.array([[0, 0, 0], [2, 1, 0], [1, 0, 0], [0, -3, 0]], dtype=float)
    h = 1e-4
    path = quintic(start, end, leave, arrive, np.array([0, h, 1 - h, 1]))
    np.testing.assert_allclose(path[[0, 3]], [start, end], atol=1e-12)
    np.testing.assert_allclose((path[1] - path[0]) / h, leave, atol=1e-2)
    np.testing.assert_allclose((path[3] - path[2]) / h, arrive, atol=1e-2)
    still = quintic(start, end, np.zeros(3), np.zeros(3), np.array([0.5]))
    np.testing.assert_allclose(still, [[1, 0.5, 0]])


def test_a_longer_way_takes_longer_than_a_short_one() -> None:
    def gap(shift: float) -> int:
        pose = signer(signing=(0.0, 9.0))  # raised throughout
        other = np.ma.getdata(pose.body.data).copy()
        other[:, 0, lm.RIGHT_WRIST, 0] -= shift
        other[:, 0, RIGHT_HAND, 0] -= shift
        options = JoinOptions(trim=False, fluent=False, rest_ms=0)
        joined = concatenate([pose, lm.with_arrays(pose, other, pose.body.confidence)], options)
        return len(joined.pose.body.data) - 2 * len(pose.body.data)

    assert 2 <= gap(0) < gap(60) < gap(200)


@pytest.mark.parametrize(("kinds", "points"), [("fr", 178), ("fi", 576), ("fir", 178), ("ii", 586)])
def test_landmark_sets_mix_down_to_what_all_have(kinds: str, points: int, clips: list[Clip]) -> None:
    full = clips[0].pose
    data, sure = arrays(full)
    irises = np.repeat(data[:, 33 + 468 - 1 : 33 + 468], 10, axis=1)
    more = [
        np.concatenate([a[:, :501], b, a[:, 501:]], axis=1) for a, b in ((data, irises), (sure, irises[..., 0] * 0 + 1))
    ]
    refined = lm.holistic_pose(*more, fps=25, width=512, height=512)
    sets = {"f": full, "i": refined, "r": reduce(full)}
    result = concatenate([sets[kind] for kind in kinds]).pose
    names = [entry.name for entry in result.header.components]
    assert result.body.data.shape[2] == points and names == [name for name in lm.COMPONENTS if name in names]


def test_world_landmarks_move_in_metres_with_arms_of_constant_length(joined: Joined) -> None:
    size = joined.pose.header.dimensions
    world = lm.component(joined.pose, lm.WORLD)[0] / [size.width, size.height, 1]
    arm = np.linalg.norm(world[:, lm.RIGHT_ELBOW] - world[:, lm.RIGHT_SHOULDER], axis=1)
    assert arm.min() > 0.2 and arm.max() < 0.35
    end, start = frames_of(joined, 0)[1], frames_of(joined, 1)[0]
    wrist = world[end - 1 : start + 1, lm.RIGHT_WRIST]
    assert np.linalg.norm(np.diff(wrist, axis=0), axis=1).max() < 0.12  # m per frame: no jump


def test_all_signers_become_one_body_in_one_picture() -> None:
    phonology = load_phonology()
    poses = [perform([phonology["HELLO"]], SignerStyle.random(seed), width=640, height=480).pose for seed in (1, 2)]
    poses.append(moved_pose(signer(fps=25), 1.7, (30, -40)))
    joined = concatenate(poses, JoinOptions(size=400))
    size = joined.pose.header.dimensions
    assert (size.width, size.height) == (400, 400)
    body = lm.component(joined.pose, lm.BODY)[0]
    for index in range(3):
        ends = body[slice(*frames_of(joined, index))][:, [lm.LEFT_SHOULDER, lm.RIGHT_SHOULDER], :2]
        middle = np.median(ends.mean(axis=1), axis=0)
        width = np.median(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1))
        np.testing.assert_allclose(width, SHOULDER_FRACTION * 400, rtol=0.03)
        np.testing.assert_allclose(middle, [200, SHOULDER_HEIGHT * 400], atol=6)


def test_rates_are_made_one_before_joining() -> None:
    poses = [signer(fps=fps) for fps in (15, 25, 30)]
    joined = concatenate(poses, JoinOptions(fluent=False, trim=False))
    assert joined.pose.body.fps == 30
    assert layout_of(joined.pose) == layout_of(poses[0])
    wrist = lm.component(joined.pose, lm.BODY)[0][:, lm.RIGHT_WRIST, 1]
    raised = [end - start for start, end in runs(wrist < wrist.min() + 0.5 * np.ptp(wrist))]
    assert len(raised) == 3 and max(raised) - min(raised) <= 2  # frames: the same sign at all three rates
    assert joined.segments[-1].end_ms < 1000 * len(joined.pose.body.data) / 30
    assert concatenate(poses, JoinOptions(fps=24)).pose.body.fps == 24


def test_resampling_keeps_shared_frames_exactly_and_bridges_no_gap() -> None:
    lost = without(signer(fps=25), RIGHT_HAND, slice(28, 32))
    source, known = arrays(lost)
    double, double_known = arrays(resample(lost, 50))
    np.testing.assert_array_equal(double[::2], source)
    np.testing.assert_array_equal(double_known[::2], known)
    assert not (double_known[2 * 28 : 2 * 31 + 1, RIGHT_HAND] > 0).any()
    assert len(resample(lost, 25, speed=2).body.data) == len(lost.body.data) / 2


def test_resampling_follows_a_curve_and_does_not_cut_its_corners() -> None:
    pose = signer(fps=25)
    time = np.arange(60) / 25
    data = np.ma.getdata(pose.body.data).copy()
    data[:, 0, 0, 0] = 100 * np.sin(2 * np.pi * 3 * time)
    curve = lm.component(resample(lm.with_arrays(pose, data, pose.body.confidence), 50), lm.BODY)[0][:, 0, 0]
    truth = 100 * np.sin(2 * np.pi * 3 * np.arange(len(curve)) / 50)
    straight = np.interp(np.arange(len(curve)) / 2, np.arange(60), data[:, 0, 0, 0])
    inside = slice(4, -4)
    assert np.abs(curve - truth)[inside].max() < 0.25 * np.abs(straight - truth)[inside].max()


def test_speed_shortens_the_sign_it_is_given_to(clips: list[Clip]) -> None:
    slow, fast = (concatenate([clips[0], Clip(pose=clips[1].pose, speed=speed)]).segments[1] for speed in (1.0, 2.0))
    assert (fast.end_ms - fast.start_ms) == pytest.approx((slow.end_ms - slow.start_ms) / 2, abs=41)
    whole = [len(concatenate(clips, JoinOptions(speed=speed)).pose.body.data) for speed in (0.5, 1.0, 2.0)]
    assert whole[0] > 1.5 * whole[1] > 2 * whole[2]


def test_it_begins_and_ends_at_rest(joined: Joined) -> None:
    body = lm.component(joined.pose, lm.BODY)[0]
    for frame in (0, -1):
        assert (body[frame, [lm.LEFT_WRIST, lm.RIGHT_WRIST], 1] > body[frame, [lm.LEFT_ELBOW, lm.RIGHT_ELBOW], 1]).all()
        assert not any(lm.seen(joined.pose, hand)[frame] for hand in lm.HANDS)
    np.testing.assert_allclose(body[0], body[4])


def test_a_pause_holds_the_hands_for_its_time(clips: list[Clip]) -> None:
    plain, paused = concatenate(clips[:2]), concatenate([clips[0], Pause(480), clips[1]])
    end, start = frames_of(paused, 0)[1], frames_of(paused, 1)[0]
    wrist = lm.component(paused.pose, lm.BODY)[0][end:start, lm.RIGHT_WRIST, :2]
    still = np.linalg.norm(np.diff(wrist, axis=0), axis=1) < 1e-4
    assert max(b - a for a, b in runs(still)) >= 12 - 1 - 2 * SMOOTHED_FRAMES
    assert len(paused.pose.body.data) >= len(plain.pose.body.data) + 12
    before = concatenate([Pause(480), *clips[:2]])
    assert len(before.pose.body.data) == len(plain.pose.body.data) + 12


def test_a_known_span_is_taken_as_it_is(clips: list[Clip]) -> None:
    middle = Clip(pose=clips[1].pose, gloss="MY", span=(20, 30))
    joined = concatenate([clips[0], middle, clips[2]])
    start, end = frames_of(joined, 1)
    assert (end - start, joined.segments[1].gloss) == (10, "MY")


def test_the_cut_leaves_the_sign_whole() -> None:
    phonology = load_phonology()
    for gloss in ("HELLO", "MY", "NAME", "WHAT", "THANK-YOU", "MOTHER", "COFFEE"):
        performance = perform([phonology[gloss]])
        truth = [0.001 * ms * 25 for ms in (performance.segments[0].start_ms, performance.segments[0].end_ms)]
        start, end = fluent_span(performance.pose, *signing_span(performance.pose))
        assert abs(start - truth[0]) < 3 and abs(end - truth[1]) < 3, gloss


def test_joining_changes_none_of_its_poses(clips: list[Clip]) -> None:
    before = [np.ma.getdata(clip.pose.body.data).copy() for clip in clips]
    sizes = [(clip.pose.header.dimensions.width, clip.pose.body.fps) for clip in clips]
    concatenate(clips, JoinOptions(size=128, fps=30))
    for clip, data, size in zip(clips, before, sizes, strict=True):
        np.testing.assert_array_equal(np.ma.getdata(clip.pose.body.data), data)
        assert (clip.pose.header.dimensions.width, clip.pose.body.fps) == size


def test_one_frame_is_enough_for_a_clip(clips: list[Clip]) -> None:
    pose = clips[0].pose
    single = Pose(pose.header, pose.body[30:31])
    joined = concatenate([single, clips[1]])
    assert joined.segments[0].end_ms - joined.segments[0].start_ms == pytest.approx(40)
    assert np.isfinite(np.ma.getdata(joined.pose.body.data)).all()


def test_what_cannot_be_joined_is_said_in_words(clips: list[Clip]) -> None:
    with pytest.raises(LexiconError, match="0 signs"):
        concatenate([Pause(100)])
    with pytest.raises(LexiconError, match="401 signs"):
        concatenate([clips[0]] * (MAX_CLIPS + 1))
    with pytest.raises(PoseError, match=r"Sign 2 \(EMPTY\)"):
        concatenate([clips[0], Clip(pose=Pose(clips[0].pose.header, clips[0].pose.body[:0]), gloss="EMPTY")])
    with pytest.raises(PoseError, match="shoulders"):
        concatenate([without(clips[0].pose, slice(11, 13), slice(None))])
    with pytest.raises(PoseError, match="POSE_LANDMARKS"):
        concatenate([clips[0].pose.get_components([lm.RIGHT_HAND])])
    for wrong in ({"speed": 0.0}, {"fps": 0.0}, {"fps": 1e9}, {"size": 1}, {"rest_ms": -1.0}, {"speed": float("nan")}):
        with pytest.raises(LexiconError, match="choose"):
            JoinOptions(**wrong)


def test_a_transition_of_missing_arms_invents_none(clips: list[Clip]) -> None:
    armless = without(clips[0].pose, slice(13, 17), slice(None))
    joined = concatenate([clips[1], Clip(pose=armless)], JoinOptions(trim=False, fluent=False, rest_ms=0))
    sure = lm.component(joined.pose, lm.BODY)[1]
    shown = len(clips[1].pose.body.data)
    assert sure[:shown, lm.RIGHT_ELBOW].all() and not sure[shown:, lm.RIGHT_ELBOW].any()


@pytest.mark.real
def test_real_recordings_join_smoother_than_with_the_peer(real_data: Path, benchmark: ModuleType) -> None:
    paths = sorted((real_data / "pose_files" / "spoken-to-signed").glob("*.pose"))
    clips = [resample(read_pose(path), 25) for path in paths]
    cut = [benchmark.sign_only(clip) for clip in clips]
    ours = benchmark.ours(cut, JoinOptions(fluent=False, trim=False))
    peer = benchmark.peer(cut, None)
    assert benchmark.join_jerks(ours).mean() < benchmark.join_jerks(peer).mean()
    assert benchmark.displacement(ours, cut)[1] < 1e-4
    joined = concatenate(clips)
    assert len(runs(lm.seen(joined.pose, lm.RIGHT_HAND))) == 1
