"""Performing signs: a Holistic pose that is smooth, connected, mirrored where it should be, and as the style says."""

import numpy as np
import pytest

from models.errors import LexiconError
from models.lexicon.body import Framing, SignerStyle
from models.lexicon.face import neutral_face
from models.lexicon.performance import build_skeleton, perform
from models.lexicon.phonology_files import load_phonology
from models.lexicon.spelling import spell
from models.lexicon.timeline import build_timeline
from models.pose.landmarks import BODY, COMPONENTS, FACE, LEFT_HAND, RIGHT_HAND, WORLD, component, seen

EXACT = SignerStyle(sloppiness=0.0)
CHIN, FOREHEAD = 152, 10


@pytest.fixture(scope="module")
def lexicon():
    return load_phonology()


@pytest.fixture(scope="module")
def sentence(lexicon):
    return [lexicon[gloss] for gloss in ("HELLO", "MY", "NAME")] + spell("ANNA", lexicon)


@pytest.fixture(scope="module")
def performance(sentence):
    return perform(sentence)


def skeleton(entries, style=EXACT, fps=50):
    """The skeleton over the whole performance and the times of its samples."""
    timeline = build_timeline(entries, style)
    times = np.arange(round(timeline.duration_s * fps)) / fps
    return build_skeleton(timeline, entries, times, style), times, timeline.spans(entries)


def at(times, second):
    return int(np.argmin(np.abs(times - second)))


def test_a_sentence_is_one_holistic_pose_with_its_segments_in_order(performance, sentence):
    pose = performance.pose
    assert [entry.name for entry in pose.header.components] == list(COMPONENTS)
    assert pose.body.data.shape[1:] == (1, 576, 3) and pose.body.fps == 25
    assert [segment.gloss for segment in performance.segments] == [entry.gloss for entry in sentence]
    bounds = [time for segment in performance.segments for time in (segment.start_ms, segment.end_ms)]
    assert bounds == sorted(bounds) and bounds[0] > 0 and bounds[-1] < 1000 * len(pose.body.data) / 25


def test_hands_join_the_body_at_the_wrists(performance):
    body, _ = component(performance.pose, BODY)
    for name, wrist in ((LEFT_HAND, 15), (RIGHT_HAND, 16)):
        points, _ = component(performance.pose, name)
        shown = seen(performance.pose, name)
        assert shown.any()
        assert np.allclose(points[shown, 0, :2], body[shown, wrist, :2], atol=0.01)
        assert np.allclose(points[:, 0, 2], 0)


def test_the_signing_hand_is_in_the_picture_during_signs_and_away_at_rest(performance):
    shown = seen(performance.pose, RIGHT_HAND)
    for segment in performance.segments:
        assert shown[int(segment.start_ms / 40) + 1 : int(segment.end_ms / 40)].all()
    assert not shown[0] and not shown[-1]


def test_world_landmarks_are_metres_from_the_middle_of_the_hips(performance):
    size = performance.pose.header.dimensions
    world = component(performance.pose, WORLD)[0] / [size.width, size.height, 1]
    assert np.allclose(world[:, 23:25].mean(axis=1), 0, atol=1e-6)
    shoulders = np.linalg.norm(world[:, 11] - world[:, 12], axis=1)
    assert ((shoulders > 0.28) & (shoulders < 0.40)).all()
    assert (world[:, 0, 1] < world[:, 11, 1]).all()  # y points down: the nose is above the shoulders


def test_the_signer_is_framed_from_head_to_waist(performance):
    body, _ = component(performance.pose, BODY)
    face, _ = component(performance.pose, FACE)
    width = (body[:, 11, 0] - body[:, 12, 0]) / 512
    assert 0.29 < np.median(width) < 0.36
    assert face[..., 1].min() > 40 and np.median(body[:, 23:25, 1]) > 420


def test_a_left_handed_signer_is_the_mirror_image(sentence):
    right = perform(sentence, SignerStyle(sloppiness=0.0))
    left = perform(sentence, SignerStyle(sloppiness=0.0, left_handed=True))
    for one, other in ((RIGHT_HAND, LEFT_HAND), (LEFT_HAND, RIGHT_HAND)):
        points, mirrored = component(right.pose, one)[0], component(left.pose, other)[0]
        shown = seen(right.pose, one)
        assert np.array_equal(shown, seen(left.pose, other))
        assert np.allclose(512 - mirrored[shown, :, 0], points[shown, :, 0], atol=0.01)
        assert np.allclose(mirrored[shown, :, 1], points[shown, :, 1], atol=0.01)


def test_the_hands_of_a_symmetric_sign_mirror_each_other(lexicon):
    made, times, (span,) = skeleton([lexicon["WHAT"]])
    during = (times > span.start_s) & (times < span.end_s)
    right, left = made.hands
    assert np.allclose(right[during] * [-1, 1, 1], left[during], atol=1e-6)


def test_alternating_hands_move_in_opposite_directions(lexicon):
    made, times, (span,) = skeleton([lexicon["WHICH"]])
    during = (times > span.start_s + 0.1) & (times < span.end_s - 0.15)
    right, left = (points[during, 0, 1] for points in made.hands)
    assert np.corrcoef(right, left)[0, 1] < -0.95


def test_the_hand_touches_the_face_where_the_entry_says(lexicon):
    for gloss, landmark in (("MOTHER", CHIN), ("FATHER", FOREHEAD)):
        made, times, (span,) = skeleton([lexicon[gloss]])
        frame = at(times, span.start_s + 0.03)
        thumb, face = made.hands[0][frame, 4], made.face[frame]
        assert np.linalg.norm(face - thumb, axis=1).min() < 0.02
        assert abs(thumb[1] - face[landmark, 1]) < 0.03


def test_signs_of_different_bodies_touch_their_own_chins(lexicon):
    for seed in range(6):
        style = SignerStyle.random(seed)
        made, times, (span,) = skeleton([lexicon["MOTHER"]], style)
        frame = at(times, span.start_s + 0.03)
        thumb = made.hands[1 if style.left_handed else 0][frame, 4]
        assert np.linalg.norm(made.face[frame] - thumb, axis=1).min() < 0.035


def test_movement_is_smooth_and_no_faster_than_a_signer(sentence):
    made, _, _ = skeleton(sentence, fps=100)
    for points in made.hands:
        speed = np.linalg.norm(np.diff(points[:, 0], axis=0), axis=1) * 100
        assert speed.max() < 3.5  # m/s
        turn = np.linalg.norm(np.diff(points[:, 9] - points[:, 0], axis=0), axis=1)
        assert turn.max() < 0.03


def test_the_handshape_is_ready_before_the_hand_arrives(lexicon):
    entries = [lexicon["ME"], lexicon["YOUR"]]
    made, times, (first, second) = skeleton(entries, fps=200)
    track = made.tracks[0]
    window = (times > first.end_s) & (times < second.start_s)

    def progress(values):
        total = np.linalg.norm(values[-1] - values[0])
        return np.linalg.norm(values - values[0], axis=1) / total

    shape, place = progress(track.joints[window]), progress(track.wrist[window])
    middle = len(shape) // 2
    assert shape[middle] > place[middle] + 0.1


def test_signing_twice_as_fast_takes_half_the_time(lexicon):
    lengths = [
        segment.end_ms - segment.start_ms
        for tempo in (1.0, 2.0)
        for segment in perform([lexicon["PLEASE"]], SignerStyle(sloppiness=0.0, tempo=tempo)).segments
    ]
    assert lengths[1] == pytest.approx(lengths[0] / 2)


def test_amplitude_scales_the_movement(lexicon):
    travel = []
    for amplitude in (0.7, 1.3):
        made, times, (span,) = skeleton([lexicon["PLEASE"]], SignerStyle(sloppiness=0.0, amplitude=amplitude))
        during = (times > span.start_s) & (times < span.end_s)
        travel.append(np.ptp(made.hands[0][during, 0, 1]))
    assert travel[1] / travel[0] == pytest.approx(1.3 / 0.7, rel=0.05)


def test_the_same_style_repeats_exactly_and_another_seed_does_not(sentence):
    first, again = (perform(sentence, SignerStyle(seed=3)).pose.body.data for _ in range(2))
    other = perform(sentence, SignerStyle(seed=4)).pose.body.data
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)


def test_random_signers_make_the_sentence_without_leaving_reach_or_picture(sentence):
    for seed in range(5):
        style = SignerStyle.random(seed)
        made, _, _ = skeleton(sentence, style, fps=25)
        assert max(arm.stretch.max() for arm in made.arms) < 1.03
        result = perform(sentence, style)
        strong = LEFT_HAND if style.left_handed else RIGHT_HAND
        shown = seen(result.pose, strong)
        spans = [slice(int(s.start_ms / 40) + 1, int(s.end_ms / 40)) for s in result.segments]
        assert np.mean(np.concatenate([shown[span] for span in spans])) > 0.97


def test_every_sign_can_follow_another_smoothly(lexicon):
    entries = list(lexicon.values())  # 40 at a time, so that each kind of contact meets the others
    for start in range(0, len(entries), 40):
        made, _, _ = skeleton(entries[start : start + 40], SignerStyle(seed=start), fps=50)
        for points in (made.body, made.face, *made.hands):
            assert np.isfinite(points).all()
        steps = np.linalg.norm(np.diff(made.hands[0][:, 0], axis=0), axis=1) * 50
        assert steps.max() < 4.0  # m/s


def test_a_hand_on_the_other_hand_may_follow_the_other_way_round(lexicon):
    made, _, _ = skeleton([lexicon["COMPUTER"], lexicon["TREE"], lexicon["COFFEE"]])
    for points in made.hands:
        assert np.linalg.norm(np.diff(points[:, 0], axis=0), axis=1).max() * 50 < 4.0


def test_marks_move_brows_mouth_and_head(lexicon):
    def face(gloss):
        made, times, (span,) = skeleton([lexicon[gloss]])
        return made.face[(times > span.start_s) & (times < span.end_s)]

    calm = face("TABLE").mean(axis=0)
    brow_over_eye = lambda points: points[..., 105, 1] - points[..., 159, 1]  # noqa: E731
    assert brow_over_eye(face("EXCUSE-ME")).mean() > brow_over_eye(calm) + 0.006
    assert brow_over_eye(face("WHERE")).mean() < brow_over_eye(calm) - 0.002
    lips = lambda points: points[..., 13, 1] - points[..., 14, 1]  # noqa: E731
    assert lips(face("HOT")).mean() > lips(calm) + 0.008
    assert np.ptp(face("NO")[:, 1, 0]) > 0.02  # the nose goes left and right
    assert np.ptp(face("YES")[:, 1, 1]) > 0.01  # up and down


def test_the_neutral_face_is_upright_symmetric_and_as_large_as_a_face():
    face = neutral_face()
    assert face.shape == (468, 3)
    assert np.allclose(face[[33, 61, 234]] * [-1, 1, 1], face[[263, 291, 454]], atol=1e-3)
    assert 0.16 < face[FOREHEAD, 1] - face[CHIN, 1] < 0.19
    assert face[:, 2].argmax() in (1, 4)  # the tip of the nose is the point nearest the viewer


def test_eyes_blink_during_a_sentence(performance):
    face, _ = component(performance.pose, FACE)
    opening = face[:, 145, 1] - face[:, 159, 1]
    assert opening.min() < 0.5 * np.median(opening)


def test_a_double_letter_slides_instead_of_being_made_twice(lexicon):
    letters = spell("ANNA", lexicon)
    assert [entry.gloss for entry in letters] == list("ANNA")
    assert not letters[1].steps and letters[2].steps
    made, times, spans = skeleton(letters)
    wrists = [made.hands[0][at(times, span.end_s - 0.02), 0, 0] for span in spans]
    assert wrists[1] - wrists[2] > 0.03  # to the right, which is the signer's own side


def test_letters_are_held_as_long_as_asked(lexicon):
    short, long = (
        perform(spell("HI", lexicon, hold_s=hold), SignerStyle(sloppiness=0.0)).segments for hold in (0.15, 0.45)
    )
    for one, other in zip(short, long, strict=True):
        assert (other.end_ms - other.start_ms) - (one.end_ms - one.start_ms) == pytest.approx(300)


def test_a_character_without_a_letter_is_refused(lexicon):
    with pytest.raises(LexiconError, match="'É'"):
        spell("café", lexicon)
    with pytest.raises(LexiconError, match=r"0\.05 to 2"):
        spell("cafe", lexicon, hold_s=9)


def test_the_frame_rate_changes_the_samples_not_the_performance(sentence):
    slow, fast = perform(sentence, EXACT, fps=25), perform(sentence, EXACT, fps=50)
    assert slow.segments == fast.segments
    count = min(len(slow.pose.body.data), len(fast.pose.body.data) // 2)
    one, other = (component(pose, BODY)[0][..., :2] for pose in (slow.pose, fast.pose))
    gaps = np.abs(one[:count] - other[::2][:count]).max(axis=-1)
    assert gaps[:, [0, 15, 16, 19, 20]].max() < 0.01
    assert gaps[:, 13:15].max() < 12 and np.median(gaps[:, 13:15]) < 0.1  # elbows are found on a grid


def test_a_wide_frame_keeps_the_signer_in_the_middle(lexicon):
    pose = perform([lexicon["HELLO"]], EXACT, width=640, height=360).pose
    body, _ = component(pose, BODY)
    assert np.median(body[:, 11:13, 0]) == pytest.approx(320, abs=10)


def test_nothing_to_sign_and_impossible_options_are_refused(lexicon):
    with pytest.raises(LexiconError, match="0 signs"):
        perform([])
    with pytest.raises(ValueError, match="fps"):
        perform([lexicon["HELLO"]], fps=0)
    with pytest.raises(ValueError, match="distance_m"):
        Framing(distance_m=0.1)
