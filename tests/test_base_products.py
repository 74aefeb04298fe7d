"""What is made of a word with a base action model: files that belong together, and that Synthesize and Animate take."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from base_toy import CONFIG, FPS, FRAMES, TRAINED_ON, faceless, toy_pipeline
from PIL import Image

from models.animation.driving import check_driving
from models.errors import LexiconError, SignError
from models.lexicon.embedded import embedded_lexicon
from models.lexicon.glossline import parse_gloss_line
from models.lexicon.index import open_lexicon
from models.lexicon.performance import perform
from models.lexicon.phonology_files import load_phonology
from models.lexicon.products import SentenceOptions, make_sentence
from models.pose.files import read_pose
from models.pose.landmarks import COMPONENTS, FACE, WORLD, component, seen
from models.progress import Cancelled
from models.synthesis import whole_pose
from models.synthesis.beginnings import clip_frames, drawn_signer
from models.synthesis.contact_sheet import sheet_frames
from models.synthesis.motion import Motion
from models.synthesis.options import BaseActionOptions, find_word
from models.synthesis.pipeline import BaseActionPipeline
from models.synthesis.products import BaseActionStep, made_before, make_base_action, read_products, to_lexicon
from models.synthesis.sampling import SamplingOptions
from models.video import VideoReader, probe
from models.video_write import write_video

QUICK = SamplingOptions(steps=1, guidance=1)


class Noted:
    """The toy pipeline, noting what it is asked for, and drawing nothing but the reference."""

    def __init__(self) -> None:
        self.real = toy_pipeline()
        self.words, self.config, self.trained_on = self.real.words, self.real.config, self.real.trained_on
        self.asked: list[tuple[Motion, SamplingOptions, np.ndarray | None]] = []

    def generate(self, motion, reference, options, *, begin=None, on_step=None, should_stop=None):
        self.asked.append((motion, options, begin))
        if should_stop is not None and should_stop():
            raise Cancelled
        return np.repeat(reference[None], len(motion), axis=0)


@pytest.fixture(scope="module")
def pipeline() -> BaseActionPipeline:
    return toy_pipeline()


@pytest.fixture
def noted() -> Noted:
    return Noted()


def test_a_word_becomes_a_video_a_pose_a_caption_and_a_sheet_of_the_same_frames(
    pipeline: BaseActionPipeline, tmp_path: Path
) -> None:
    steps: list[BaseActionStep] = []
    options = BaseActionOptions(sampling=replace(QUICK, steps=2), enlarge=2)
    made = make_base_action(pipeline, "book", tmp_path, options, steps.append)
    info = probe(made.video)
    assert (info.num_frames, info.width, info.height) == (FRAMES, 2 * CONFIG.size, 2 * CONFIG.size)
    assert info.fps == pytest.approx(FPS)
    pose = read_pose(made.pose)
    assert len(pose.body.data) == FRAMES
    assert pose.header.dimensions.width == 2 * CONFIG.size
    assert float(pose.body.fps) == pytest.approx(FPS)
    assert "BOOK" in made.captions.read_text(encoding="utf-8")
    assert 0 < made.segment.start_ms < made.segment.end_ms <= 1000 * FRAMES / FPS
    with Image.open(made.sheet) as sheet:
        assert sheet.width > 4 * 160
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in made.downloads}
    assert [(step.done, step.total) for step in steps if step.total] == [(0, 2), (1, 2), (2, 2)]
    assert TRAINED_ON in " ".join(made.lines())
    assert read_products(made.video) == made


def test_too_small_pictures_take_the_pose_of_the_sample_and_say_so(noted: Noted, tmp_path: Path) -> None:
    made = make_base_action(noted, "BOOK", tmp_path, BaseActionOptions(sampling=QUICK))
    assert (made.pose_from, made.hands_found) == ("sample", None)
    assert "too small for MediaPipe" in made.lines()[-1]
    meant, got = noted.words["BOOK"].pose, read_pose(made.pose)
    for name in ("POSE_LANDMARKS", "RIGHT_HAND_LANDMARKS"):
        np.testing.assert_allclose(component(got, name)[0], component(meant, name)[0], atol=1e-3)


def test_half_the_speed_has_twice_the_frames_of_embeddings_mixed_of_both(noted: Noted, tmp_path: Path) -> None:
    slow = make_base_action(noted, "BOOK", tmp_path, BaseActionOptions(sampling=QUICK, speed=0.5))
    assert (slow.num_frames, slow.fps) == (2 * FRAMES, pytest.approx(FPS))
    more = make_base_action(noted, "BOOK", tmp_path, BaseActionOptions(sampling=QUICK, frames=30))
    assert (more.num_frames, more.fps) == (30, pytest.approx(1.5 * FPS))
    fast = make_base_action(noted, "BOOK", tmp_path, BaseActionOptions(sampling=QUICK, speed=2))
    assert (fast.num_frames, fast.fps) == (FRAMES // 2, pytest.approx(FPS))
    assert len(read_pose(fast.pose).body.data) == FRAMES // 2
    views = noted.words["BOOK"].medoid.views
    assert [len(motion) for motion, _, _ in noted.asked] == [40, 30, 10]
    np.testing.assert_allclose(noted.asked[0][0].views[[0, -1]], views[[0, -1]], atol=1e-4)


def test_the_source_of_the_embeddings_is_chosen(noted: Noted, tmp_path: Path) -> None:
    make_base_action(noted, "BOOK", tmp_path, BaseActionOptions(sampling=QUICK, source="barycentre"))
    np.testing.assert_allclose(noted.asked[0][0].views, noted.words["BOOK"].barycentre.views, atol=1e-4)


def test_it_begins_from_the_drawn_signer_or_a_clip(noted: Noted, tmp_path: Path) -> None:
    drawn = BaseActionOptions(sampling=replace(QUICK, strength=0.5), begin="avatar")
    make_base_action(noted, "thank you", tmp_path, drawn)
    clip = tmp_path / "clip.mp4"
    grey = [np.full((48, 96, 3), 10 * number, np.uint8) for number in range(25)]
    write_video(clip, grey, fps=25)
    over = BaseActionOptions(sampling=replace(QUICK, strength=0.5), begin="clip", clip=clip)
    make_base_action(noted, "BOOK", tmp_path, over)
    begun = [begin for _, _, begin in noted.asked]
    np.testing.assert_array_equal(begun[0], drawn_signer("THANK-YOU", FRAMES, CONFIG.size))
    assert begun[1].shape == (FRAMES, CONFIG.size, CONFIG.size, 3)
    assert begun[1][:, :14].max() < 10 < begun[1][-1, 20:44].min()  # black bars, and the last frame is the brightest


def test_the_drawn_signer_moves_from_rest_to_rest_and_other_words_are_refused() -> None:
    drawn = drawn_signer("BOOK", 9, 64).astype(float)
    away = np.abs(drawn - drawn[:1]).mean(axis=(1, 2, 3))
    assert away[4] > 2 * away[-1]
    with pytest.raises(LexiconError, match="none of the embedded signs"):
        drawn_signer("NO-SUCH-SIGN", 9, 64)


def test_frames_of_a_sample_folder_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    for number in range(1, 5):
        cv2.imwrite(
            str(tmp_path / "full" / f"frame_{number:04d}.png"), np.full((8, 8, 3), (0, 0, 50 * number), np.uint8)
        )
    frames = clip_frames(tmp_path, 4, 16)
    assert frames[:, 8, 8, 0].tolist() == [50, 100, 150, 200]
    assert frames[..., 2].max() == 0
    (tmp_path / "none").mkdir()
    with pytest.raises(SignError, match="holds no frames"):
        clip_frames(tmp_path / "none", 4, 16)


@pytest.mark.parametrize("names", [["2.png", "10.png", "9.png"], ["b.png", "c.png", "a.png"]])
def test_frames_of_a_folder_are_in_the_order_of_their_numbers(names: list[str], tmp_path: Path) -> None:
    order = sorted(names, key=lambda name: (len(name), name))
    for name in names:
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), 50 * order.index(name), np.uint8))
    assert clip_frames(tmp_path, 3, 16)[:, 8, 8, 0].tolist() == [0, 50, 100]


def test_what_is_stopped_leaves_nothing_and_keeps_what_was_there(noted: Noted, tmp_path: Path) -> None:
    options = BaseActionOptions(sampling=QUICK)
    with pytest.raises(Cancelled):
        make_base_action(noted, "BOOK", tmp_path, options, should_stop=lambda: True)
    assert not list(tmp_path.iterdir())
    made = make_base_action(noted, "BOOK", tmp_path, options)
    before = made.video.read_bytes()
    stops = iter([False, *[True] * 9])  # after the drawing, before the files take their place
    with pytest.raises(Cancelled):
        make_base_action(noted, "BOOK", tmp_path, replace(options, speed=0.5), should_stop=lambda: next(stops))
    assert made.video.read_bytes() == before
    assert read_products(made.video) == made
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in made.downloads}


def test_only_the_same_model_and_options_are_made_before(noted: Noted, tmp_path: Path) -> None:
    options = BaseActionOptions(sampling=QUICK)
    made = make_base_action(noted, "BOOK", tmp_path, options, mark="one")
    assert made_before(tmp_path, "BOOK", options, "one") == made
    assert made_before(tmp_path, "BOOK", options, "other") is None
    assert made_before(tmp_path, "BOOK", replace(options, sampling=replace(QUICK, seed=1)), "one") is None
    assert made_before(tmp_path, "thank you", options, "one") is None
    made.sheet.unlink()
    assert made_before(tmp_path, "BOOK", options, "one") is None
    with pytest.raises(SignError, match=r"BOOK\.jpg is missing"):
        read_products(made.video)


def test_it_is_signed_in_a_sentence_and_drives_an_animation(noted: Noted, tmp_path: Path) -> None:
    made = make_base_action(noted, "thank you", tmp_path / "made", BaseActionOptions(sampling=QUICK))
    pose = read_pose(made.pose)
    assert [one.name for one in pose.header.components] == list(COMPONENTS)
    assert not seen(pose, FACE).any()
    check_driving(pose, "thank you")
    assert made.sentence.segments[0].gloss == "THANK-YOU"

    entry = to_lexicon(made, tmp_path / "own")
    assert (entry.gloss, entry.words) == ("THANK-YOU", ("thank you",))
    assert to_lexicon(made, tmp_path / "own").path == entry.path
    own = open_lexicon(tmp_path / "own")
    assert len(own.entries) == 1
    among = [own, embedded_lexicon()]
    items = parse_gloss_line("THANK-YOU HOUSE", {"THANK-YOU", "HOUSE"}).items
    sentence = make_sentence(items, among, tmp_path / "sentence", SentenceOptions(height=128))
    assert [segment.gloss for segment in sentence.segments] == ["THANK-YOU", "HOUSE"]
    joined = read_pose(sentence.pose)
    face = seen(joined, FACE)
    assert face.any()  # that of the other sign is kept
    right = seen(joined, "RIGHT_HAND_LANDMARKS")
    first = sentence.segments[0]
    fps = float(joined.body.fps)
    assert right[round(first.start_ms * fps / 1000) : round(first.end_ms * fps / 1000)].mean() > 0.8


def test_a_gloss_can_be_chosen_and_one_that_cannot_be_is_refused(noted: Noted, tmp_path: Path) -> None:
    made = make_base_action(noted, "BOOK", tmp_path / "made", BaseActionOptions(sampling=QUICK))
    assert to_lexicon(made, tmp_path / "own", "my-book", words=["volume"]).words == ("volume",)
    with pytest.raises(LexiconError, match="is no gloss"):
        to_lexicon(made, tmp_path / "own", "my book/one")


def test_the_pose_is_read_from_the_video_when_its_hands_are_found(
    noted: Noted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meant = whole_pose.whole_pose(faceless("BOOK"))
    found = perform([load_phonology()["BOOK"]], width=256, height=256).pose
    found = whole_pose.in_frames(found, FRAMES, FPS)
    monkeypatch.setattr(whole_pose, "extract_pose", lambda *_: type("Result", (), {"pose": found})())
    pose, pose_from, share = whole_pose.pose_of_video(tmp_path, 256, meant)
    assert pose is found
    assert (pose_from, share) == ("video", 1.0)
    blind = found.get_components([name for name in COMPONENTS if "HAND" not in name])
    monkeypatch.setattr(whole_pose, "extract_pose", lambda *_: type("Result", (), {"pose": blind})())
    assert whole_pose.pose_of_video(tmp_path, 256, meant)[1:] == ("sample", 0.0)


def test_mediapipe_reads_the_pose_of_a_video_that_shows_the_sign(tmp_path: Path) -> None:
    drawn = drawn_signer("BOOK", 6, 256)
    write_video(tmp_path / "drawn.mp4", drawn, fps=6)
    meant = whole_pose.whole_pose(whole_pose.in_frames(faceless("BOOK"), 6, 6))
    pose, pose_from, share = whole_pose.pose_of_video(tmp_path / "drawn.mp4", 256, meant)
    assert pose_from == "video"
    assert share >= whole_pose.HANDS_READ
    assert seen(pose, FACE).all()


def test_poses_are_enlarged_with_the_picture_but_not_in_depth() -> None:
    pose = whole_pose.whole_pose(faceless("BOOK"))
    larger = whole_pose.enlarged(pose, 3)
    assert larger.header.dimensions.width == 3 * pose.header.dimensions.width
    points, more = component(pose, "POSE_LANDMARKS")[0], component(larger, "POSE_LANDMARKS")[0]
    np.testing.assert_allclose(more[..., :2], 3 * points[..., :2], rtol=1e-5)
    np.testing.assert_allclose(more[..., 2], points[..., 2])
    metres = [component(one, WORLD)[0][..., 0] / one.header.dimensions.width for one in (pose, larger)]
    np.testing.assert_allclose(metres[0], metres[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"speed": 0.2}, "speed of 0.2"),
        ({"frames": 1}, "1 frames"),
        ({"enlarge": 0}, "0 times"),
        ({"source": "any"}, "'any'"),
        ({"begin": "clip"}, "name the clip"),
        ({"clip": Path("a.mp4")}, "name the clip"),
        ({"begin": "avatar"}, "strength of 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(changes: dict, said: str) -> None:
    with pytest.raises(SignError, match=said):
        BaseActionOptions(sampling=QUICK, **changes)


def test_a_word_is_found_in_any_spelling_and_a_wrong_one_names_what_is_near(noted: Noted, tmp_path: Path) -> None:
    assert find_word(noted.words, "Thank-You") == "thank you"
    with pytest.raises(SignError, match="did you mean BOOK"):
        find_word(noted.words, "BOOKS")
    with pytest.raises(SignError, match="it knows BOOK, thank you"):
        make_base_action(noted, "elephant", tmp_path, BaseActionOptions(sampling=QUICK))
    with pytest.raises(SignError, match="enlarge them 16 times"):
        BaseActionOptions(sampling=QUICK, enlarge=32).check_size(128)


def test_files_of_others_are_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "clip.json").write_text(json.dumps({"word": "BOOK"}))
    for name in ("clip.mp4", "none.mp4"):
        with pytest.raises(SignError, match="was not made by"):
            read_products(tmp_path / name)


def test_a_sheet_shows_the_first_and_the_last_frame() -> None:
    assert sheet_frames(60)[:2] == [0, 5]
    assert (len(sheet_frames(60)), sheet_frames(60)[-1]) == (12, 59)
    assert sheet_frames(3) == [0, 1, 2]


def test_the_video_is_what_the_model_drew(noted: Noted, tmp_path: Path) -> None:
    made = make_base_action(noted, "BOOK", tmp_path, BaseActionOptions(sampling=QUICK))
    with VideoReader(made.video) as video:
        frame = next(iter(video)).astype(float)
    assert np.abs(frame - noted.words["BOOK"].reference).mean() < 6
