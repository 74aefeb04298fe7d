"""Drawing landmarks on pictures, and preview videos of them."""

from itertools import pairwise

import av
import cv2
import numpy as np
import pytest
from pose_format.utils.generic import reduce_holistic

from models.errors import PoseError, VideoError
from models.pose import landmarks
from models.pose.draw import canvas_size, draw_joint, fit_pose, plain_ground, skeleton_painter
from models.pose.preview import PreviewOptions, write_openpose_video, write_preview, write_skeleton
from models.pose.strokes import FACE_CONTOURS, LEFT_COLOR, RIGHT_COLOR, DrawStyle
from models.progress import Cancelled
from models.video import ReadOptions
from models.video_write import write_video

WIDTH, HEIGHT = 320, 240
HANDS_ONLY = DrawStyle(body=False, face=False)
BODY = {
    **{"LEFT_SHOULDER": (200, 90), "LEFT_ELBOW": (240, 150), "LEFT_WRIST": (260, 80)},
    **{"RIGHT_SHOULDER": (120, 90), "RIGHT_ELBOW": (80, 150), "RIGHT_WRIST": (60, 80)},
    **{"LEFT_HIP": (185, 220), "RIGHT_HIP": (135, 220), "NOSE": (160, 40)},
}


def hand_at(x, y, size=30.0):
    """An open hand with its wrist at (x, y) and its fingers up: (21, 3)."""
    points = np.zeros((21, 3))
    points[0] = (x, y, 0)
    for finger in range(5):
        for joint in range(4):
            across, up = (finger - 2) * 0.2, 0.35 + 0.22 * joint
            points[1 + 4 * finger + joint] = (x + size * across * (1 + up), y - size * up, 0)
    return points


def signer(num_frames=2, fps=25.0):
    """A signer with both hands raised beside the shoulders; the face is a ring of landmarks around the nose."""
    data, confidence = np.zeros((num_frames, 576, 3)), np.ones((num_frames, 576))
    pose = landmarks.holistic_pose(data, confidence, fps=fps, width=WIDTH, height=HEIGHT)
    names = landmarks.point_names(pose, landmarks.BODY)
    confidence[:, : len(names)] = 0
    for name, place in BODY.items():
        data[:, names.index(name), :2] = place
        confidence[:, names.index(name)] = 1
    angle = np.linspace(0, 2 * np.pi, 468)
    data[:, 33:501, :2] = np.c_[160 + 20 * np.cos(angle), 40 + 25 * np.sin(angle)]
    data[:, 501:522] = hand_at(*BODY["LEFT_WRIST"])
    data[:, 522:543] = hand_at(*BODY["RIGHT_WRIST"])
    return landmarks.holistic_pose(data, confidence, fps=fps, width=WIDTH, height=HEIGHT)


def changed(pose, *, data=None, confidence=None):
    """The pose after a function has edited a copy of its (T, 1, K, 3) data or (T, 1, K) confidence."""
    new_data, new_confidence = np.array(np.ma.getdata(pose.body.data)), np.array(pose.body.confidence)
    if data:
        data(new_data)
    if confidence:
        confidence(new_confidence)
    return landmarks.with_arrays(pose, new_data, new_confidence)


def mask_hand(pose, name, frames=slice(None)):
    def edit(confidence):
        confidence[frames, :, landmarks.component_slice(pose, name)] = 0

    return changed(pose, confidence=edit)


def draw_skeleton(image, pose, frame, style=None):
    return skeleton_painter(pose, style)(image, frame)


def touched(image, drawn):
    """(H, W) where the two differ."""
    return (image != drawn).any(axis=2)


GREY = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)


def test_the_face_is_drawn_along_mediapipes_contours():
    from mediapipe.python.solutions.face_mesh_connections import FACEMESH_CONTOURS

    chains = [[int(name) for name in contour.split()] for contour in FACE_CONTOURS]
    edges = [edge for chain in chains for edge in pairwise(chain)]
    assert set(edges) == set(FACEMESH_CONTOURS)
    assert len(edges) == len(set(edges))


def test_the_image_given_is_left_alone_and_landmarks_are_scaled_to_its_size():
    image = np.full((2 * HEIGHT, 2 * WIDTH, 3), 128, np.uint8)
    drawn = draw_skeleton(image, signer(), 0, HANDS_ONLY)
    assert (image == 128).all()
    rows, cols = np.nonzero(touched(image, drawn)[:, WIDTH:])
    left = hand_at(*BODY["LEFT_WRIST"])
    np.testing.assert_allclose(
        [cols.min() + WIDTH, cols.max() + WIDTH], 2 * np.array([left[:, 0].min(), left[:, 0].max()]), atol=8
    )
    np.testing.assert_allclose([rows.min(), rows.max()], 2 * np.array([left[:, 1].min(), left[:, 1].max()]), atol=8)


def test_a_masked_hand_is_not_drawn_and_the_other_is_as_before():
    pose = signer()
    both = touched(GREY, draw_skeleton(GREY, pose, 0, HANDS_ONLY))
    one = touched(GREY, draw_skeleton(GREY, mask_hand(pose, landmarks.LEFT_HAND), 0, HANDS_ONLY))
    assert both[:, WIDTH // 2 :].any() and not one[:, WIDTH // 2 :].any()
    np.testing.assert_array_equal(both[:, : WIDTH // 2], one[:, : WIDTH // 2])


def test_nothing_seen_and_a_frame_after_the_end_leave_the_picture_as_it_is():
    pose = signer()
    for frame in (-1, 2, 10**9):
        np.testing.assert_array_equal(draw_skeleton(GREY, pose, frame), GREY)

    def nothing(confidence):
        confidence[:] = 0

    np.testing.assert_array_equal(draw_skeleton(GREY, changed(pose, confidence=nothing), 0), GREY)


def test_left_and_right_are_told_apart_without_colour():
    round_one, square_one = plain_ground(41, 41), plain_ground(41, 41)
    draw_joint(round_one, (20, 20), 12, (255, 255, 255), "round")
    draw_joint(square_one, (20, 20), 12, (255, 255, 255), "square")
    corner = (20 - 9, 20 - 9)
    assert square_one[corner].min() == 255 and round_one[corner].max() < 60
    # In the drawing of a symmetric signer: swap the colours away and the halves still differ.
    drawn = draw_skeleton(np.full((960, 1280, 3), 128, np.uint8), signer(), 0, HANDS_ONLY)
    inked = (drawn != 128).any(axis=2)
    assert (inked != inked[:, ::-1]).sum() > 0.02 * inked.sum()


def test_left_and_right_keep_apart_for_the_common_colour_blindnesses():
    # Viénot, Brettel and Mollon 1999, on linear RGB.
    protan = np.array([[0.1121, 0.8853, -0.0005], [0.1127, 0.8897, -0.0001], [0.0045, 0.0000, 1.0019]])
    deutan = np.array([[0.2920, 0.7054, -0.0003], [0.2934, 0.7089, 0.0000], [-0.0210, 0.0256, 1.0019]])
    linear = (np.array([LEFT_COLOR, RIGHT_COLOR]) / 255) ** 2.2
    for matrix in (protan, deutan):
        seen = np.clip(linear @ matrix.T, 0, 1) ** (1 / 2.2)
        assert np.abs(seen[0] - seen[1]).max() > 0.4


@pytest.mark.parametrize(("near", "color"), [("LEFT", LEFT_COLOR), ("RIGHT", RIGHT_COLOR)])
def test_the_nearer_arm_is_drawn_over_the_farther(near, color):
    pose = signer()
    names = landmarks.point_names(pose, landmarks.BODY)

    def cross(data):
        data[:, 0, names.index("LEFT_ELBOW"), :2] = (220, 150)
        data[:, 0, names.index("RIGHT_ELBOW"), :2] = (100, 150)
        data[:, 0, names.index("LEFT_WRIST"), :2] = (100, 110)
        data[:, 0, names.index("RIGHT_WRIST"), :2] = (220, 110)
        for joint in ("ELBOW", "WRIST"):
            data[:, 0, names.index(f"{near}_{joint}"), 2] = -0.8

    drawn = draw_skeleton(GREY, changed(pose, data=cross), 0, DrawStyle(face=False, hands=False))
    np.testing.assert_allclose(drawn[130, 160], color, atol=6)


@pytest.mark.parametrize("near", [1, 4])
def test_the_nearer_finger_is_drawn_over_the_farther(near):
    points = hand_at(160, 200, size=60)
    points[5:9, :2] = np.linspace((100, 60), (220, 140), 4)  # index and little finger cross at (160, 100)
    points[17:21, :2] = np.linspace((220, 60), (100, 140), 4)
    points[4 * near + 1 : 4 * near + 5, 2] = -0.1

    def cross(data):
        data[:, 0, landmarks.component_slice(signer(), landmarks.LEFT_HAND)] = points

    both = draw_skeleton(GREY, changed(signer(), data=cross), 0, HANDS_ONLY)
    along = (140, 87) if near == 1 else (180, 87)  # on the near finger, away from the crossing
    np.testing.assert_allclose(both[100, 160], both[along[::-1]], atol=6)
    assert np.abs(both[100, 160].astype(int) - both[87, 320 - along[0]]).max() > 60, "the far finger's shade"


def test_unsure_landmarks_are_faint_and_hopeless_ones_hidden():
    pose = signer()

    def ink(level):
        def edit(confidence):
            confidence[:, :, landmarks.component_slice(pose, landmarks.LEFT_HAND)] = level

        drawn = draw_skeleton(GREY, changed(pose, confidence=edit), 0, HANDS_ONLY)[:, WIDTH // 2 :]
        return np.abs(drawn.astype(int) - 128).sum()

    assert ink(0.05) == 0
    assert 0.25 * ink(1.0) < ink(0.3) < 0.55 * ink(1.0)
    assert ink(0.6) == ink(1.0)


def test_a_lost_hand_shows_the_body_models_guess_faintly():
    pose = mask_hand(signer(), landmarks.LEFT_HAND)
    names = landmarks.point_names(pose, landmarks.BODY)
    guesses = [names.index(f"LEFT_{name}") for name in ("THUMB", "INDEX", "PINKY")]

    def guess(data):
        data[:, 0, guesses, :2] = [(270, 60), (275, 50), (285, 55)]

    def sure(confidence):
        confidence[:, 0, guesses] = 1

    drawn = draw_skeleton(GREY, changed(pose, data=guess, confidence=sure), 0)
    area = drawn[45:70, 262:290].astype(int)
    strength = np.abs(area - 128).max()
    assert 0 < strength < 80


def test_line_widths_follow_the_size_of_the_picture():
    shares = []
    for factor in (3, 6):  # in smaller pictures a line of one pixel is as thin as it gets
        image = np.full((factor * HEIGHT, factor * WIDTH, 3), 128, np.uint8)
        shares.append(touched(image, draw_skeleton(image, signer(), 0)).mean())
    assert shares[1] == pytest.approx(shares[0], rel=0.25)  # whole pixels
    usual = touched(GREY, draw_skeleton(GREY, signer(), 0)).mean()
    bold = touched(GREY, draw_skeleton(GREY, signer(), 0, DrawStyle(line_scale=2.5))).mean()
    assert bold > 1.3 * usual


def test_a_reduced_pose_draws_the_same_hands():
    pose = signer()
    reduced = reduce_holistic(pose)
    assert len(reduced.body.confidence[0, 0]) < 200
    np.testing.assert_array_equal(draw_skeleton(GREY, reduced, 0, HANDS_ONLY), draw_skeleton(GREY, pose, 0, HANDS_ONLY))
    assert touched(GREY, draw_skeleton(GREY, reduced, 0, DrawStyle(hands=False))).any()


def test_irises_are_drawn_where_the_pose_has_them():
    pose = signer()
    data = np.insert(np.ma.getdata(pose.body.data)[:, 0], [501] * 10, (40, 200, 0), axis=1)
    confidence = np.insert(pose.body.confidence[:, 0], [501] * 10, 1, axis=1)
    refined = landmarks.holistic_pose(data, confidence, fps=25, width=WIDTH, height=HEIGHT)
    style = DrawStyle(body=False, hands=False)
    assert (draw_skeleton(GREY, refined, 0, style)[200, 40] != 128).all()
    assert (draw_skeleton(GREY, pose, 0, style)[200, 40] == 128).all()


def test_wild_coordinates_are_drawn_without_an_error():
    pose = signer()

    def wild(data):
        data[0, 0, landmarks.component_slice(pose, landmarks.LEFT_HAND)] = 1e30
        data[0, 0, landmarks.component_slice(pose, landmarks.RIGHT_HAND), 0] = -1e9
        data[0, 0, :5] = np.nan
        data[1, 0, landmarks.component_slice(pose, landmarks.LEFT_HAND)] = np.inf

    broken = changed(pose, data=wild)
    for frame in (0, 1):
        assert draw_skeleton(GREY, broken, frame).shape == GREY.shape


def test_a_pose_of_another_kind_is_refused():
    with pytest.raises(PoseError, match="Holistic"):
        skeleton_painter(signer().get_components([landmarks.WORLD]))


def test_fitting_keeps_the_frame_of_a_pose_that_has_one():
    pose = signer()
    assert canvas_size(pose, 640) == (640, 480)
    fitted = fit_pose(pose, 640, 640)  # 2x, centred
    points, _ = landmarks.component(fitted, landmarks.LEFT_HAND)
    wrist = np.array(BODY["LEFT_WRIST"])
    np.testing.assert_allclose(points[0, 0, :2], 2 * wrist + (0, 80), rtol=1e-5)
    assert (fitted.header.dimensions.width, fitted.header.dimensions.height) == (640, 640)
    assert pose.header.dimensions.width == WIDTH, "the pose given is left alone"


@pytest.mark.parametrize(("scale", "shift"), [(1 / 80, -2.0), (1 / 4000, 0.0), (40.0, 5000.0)])
def test_a_pose_without_a_frame_fills_the_picture(scale, shift):
    def normalise(data):
        data[..., :2] = data[..., :2] * scale + shift

    fitted = fit_pose(changed(signer(), data=normalise), 400, 400)
    seen = np.ma.getdata(fitted.body.data)[0, 0, :543, :2][fitted.body.confidence[0, 0, :543] > 0]
    low, high = seen.min(axis=0), seen.max(axis=0)
    assert (low > 0).all() and (high < 400).all()
    assert (high - low).max() > 300
    np.testing.assert_allclose((low + high) / 2, 200, atol=5)


# Preview videos


@pytest.fixture
def clip(tmp_path):
    """Ten grey frames of 320 x 240 at 25 fps; frame i is a shade of its own."""
    frames = [np.full((HEIGHT, WIDTH, 3), 60 + 10 * i, np.uint8) for i in range(10)]
    path = tmp_path / "clip.mp4"
    write_video(path, frames, fps=25)
    return path


def frames_of(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


BARE = PreviewOptions(legend=False, longest_side=320)


def drawn_frames(path):
    """Which frames have strong colour in them; a bare frame of the clip is grey."""
    spread = [int(np.ptp(frame.astype(int), axis=2).max()) for frame in frames_of(path)]
    return [i for i, value in enumerate(spread) if value > 40]


def only_in(pose, frames):
    """The pose seen in these frames alone."""

    def edit(confidence):
        hidden = np.ones(len(confidence), bool)
        hidden[frames] = False
        confidence[hidden] = 0

    return changed(pose, confidence=edit)


def test_frame_i_of_the_pose_is_drawn_on_frame_i_of_the_clip(clip, tmp_path):
    count = write_preview(clip, only_in(signer(10), [3, 7]), tmp_path / "out.mp4", options=BARE)
    assert count == 10
    assert drawn_frames(tmp_path / "out.mp4") == [3, 7]


@pytest.mark.parametrize(
    ("pose_fps", "pose_frames", "seen", "expected"),
    [(12.5, 5, [2], [4, 5]), (50.0, 20, [8, 9], [4]), (25.0, 4, [3], [3])],
)
def test_a_pose_of_another_rate_is_aligned_by_time_and_may_end_early(
    clip, tmp_path, pose_fps, pose_frames, seen, expected
):
    pose = only_in(signer(pose_frames, fps=pose_fps), seen)
    write_preview(clip, pose, tmp_path / "out.mp4", options=BARE)
    assert len(frames_of(tmp_path / "out.mp4")) == 10
    assert drawn_frames(tmp_path / "out.mp4") == expected


def test_the_part_of_the_clip_that_the_pose_was_made_from_is_read(clip, tmp_path):
    reading = ReadOptions(start_ms=160, end_ms=320)
    count = write_preview(clip, only_in(signer(4), [1]), tmp_path / "out.mp4", options=BARE, reading=reading)
    frames = frames_of(tmp_path / "out.mp4")
    assert count == len(frames) == 4
    assert frames[0][0, 0].mean() == pytest.approx(100, abs=4), "the first frame is frame 4 of the clip"
    assert drawn_frames(tmp_path / "out.mp4") == [1]


def test_side_by_side_has_the_bare_clip_left_and_the_skeleton_right(clip, tmp_path):
    write_preview(clip, signer(10), tmp_path / "out.mp4", "side_by_side", BARE)
    frame = frames_of(tmp_path / "out.mp4")[5]
    assert frame.shape == (HEIGHT, 2 * WIDTH, 3)
    # Not the last columns of the left half: the compression of colour reaches over the seam.
    np.testing.assert_allclose(frame[:, : WIDTH - 16], 110, atol=6)
    right = frame[:, WIDTH:]
    assert np.ptp(right.astype(int), axis=2).max() > 40
    np.testing.assert_allclose(right[200, 300], plain_ground(1, 1)[0, 0], atol=8)


@pytest.mark.parametrize("ground", ["dark", "light"])
def test_the_skeleton_mode_shows_no_pixel_of_the_video(clip, tmp_path, ground):
    options = PreviewOptions(legend=False, longest_side=320, ground=ground)
    bare = only_in(signer(10), [])
    write_preview(clip, bare, tmp_path / "out.mp4", "skeleton", options)
    np.testing.assert_allclose(frames_of(tmp_path / "out.mp4")[9], plain_ground(WIDTH, HEIGHT, ground), atol=4)


def test_the_legend_is_below_the_picture_with_both_colours(clip, tmp_path):
    write_preview(clip, only_in(signer(10), []), tmp_path / "out.mp4", options=PreviewOptions(longest_side=320))
    frame = frames_of(tmp_path / "out.mp4")[0].astype(int)
    assert frame.shape[0] > HEIGHT and frame.shape[0] % 2 == 0
    np.testing.assert_allclose(frame[: HEIGHT - 8], 60, atol=6)
    strip = frame[HEIGHT:]
    for color in (LEFT_COLOR, RIGHT_COLOR):
        assert np.abs(strip - color).sum(axis=2).min() < 60


def test_sizes_are_limited_and_small_clips_enlarged(clip, tmp_path):
    pose = signer(10)
    for longest, expected in ((160, (120, 160)), (720, (360, 480))):
        options = PreviewOptions(longest_side=longest, legend=False)
        write_preview(clip, pose, tmp_path / "out.mp4", options=options)
        assert frames_of(tmp_path / "out.mp4")[0].shape[:2] == expected


def test_a_pose_of_another_clip_is_refused(clip, tmp_path):
    with pytest.raises(PoseError, match=r"320 x 240.*100 x 200"):
        write_preview(clip, signer(), tmp_path / "out.mp4", reading=ReadOptions(crop=(0, 0, 100, 200)))
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("fps", [0.0, float("nan")])
def test_a_pose_without_a_rate_is_refused(clip, tmp_path, fps):
    with pytest.raises(PoseError, match="frames per second"):
        write_preview(clip, signer(fps=fps), tmp_path / "out.mp4")
    with pytest.raises(PoseError, match="frames per second"):
        write_skeleton(signer(fps=fps), tmp_path / "out.mp4")


def test_stopping_leaves_nothing_behind(clip, tmp_path):
    answers = iter([False, False, True])
    with pytest.raises(Cancelled):
        write_preview(
            clip,
            signer(10),
            tmp_path / "preview" / "out.mp4",
            options=BARE,
            should_stop=lambda: next(answers),
        )
    assert list((tmp_path / "preview").iterdir()) == []


def test_the_last_report_says_that_all_frames_are_done(clip, tmp_path):
    told = []
    frames = write_preview(clip, signer(10), tmp_path / "out.mp4", options=BARE, progress=told.append)
    assert (told[-1].done_frames, told[-1].total_frames, told[-1].seconds_left) == (frames, frames, 0)


def test_a_missing_clip_and_unknown_choices_are_refused(clip, tmp_path):
    with pytest.raises(VideoError):
        write_preview(tmp_path / "none.mp4", signer(), tmp_path / "out.mp4")
    with pytest.raises(PoseError, match="side_by_side"):
        write_preview(clip, signer(), tmp_path / "out.mp4", "mosaic")
    with pytest.raises(PoseError, match="dark, light"):
        PreviewOptions(ground="green")
    with pytest.raises(PoseError, match="64 to 4096"):
        PreviewOptions(longest_side=0)
    with pytest.raises(PoseError, match=r"0\.2 to 5"):
        DrawStyle(line_scale=0)


def test_a_pose_alone_becomes_a_video_of_its_own_rate_and_shape(tmp_path):
    pose = only_in(signer(6, fps=12.5), [0, 2, 3, 4, 5])
    assert write_skeleton(pose, tmp_path / "out.mp4", PreviewOptions(longest_side=200, legend=False)) == 6
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].average_rate == 12.5
    frames = frames_of(tmp_path / "out.mp4")
    assert frames[0].shape == (150, 200, 3)
    assert drawn_frames(tmp_path / "out.mp4") == [0, 2, 3, 4, 5]


def test_a_pose_in_which_nothing_was_seen_cannot_be_drawn_alone(tmp_path):
    with pytest.raises(PoseError, match="nothing to draw"):
        write_skeleton(only_in(signer(), []), tmp_path / "out.mp4")


def test_openpose_maps_become_a_video(tmp_path):
    assert write_openpose_video(signer(3), tmp_path / "out.mp4", longest_side=256) == 3
    frames = frames_of(tmp_path / "out.mp4")
    assert frames[0].shape == (192, 256, 3)
    assert 0.01 < (frames[0].max(axis=2) > 60).mean() < 0.3


@pytest.mark.real
@pytest.mark.parametrize(
    "name",
    [
        "spoken-to-signed/essen.pose",
        "pose-format-tests/mediapipe.pose",
        "pose-format-tests/mediapipe_hand_normalized.pose",
    ],
)
def test_real_pose_files_can_be_drawn_alone(real_data, tmp_path, name):
    from models.pose.files import read_pose

    pose = read_pose(real_data / "pose_files" / name)
    count = write_skeleton(pose, tmp_path / "out.mp4", PreviewOptions(longest_side=256))
    assert count == len(pose.body.data)
    middle = frames_of(tmp_path / "out.mp4")[count // 2]
    assert cv2.countNonZero((np.ptp(middle, axis=2) > 40).astype(np.uint8)) > 50
