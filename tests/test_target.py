"""The person in a picture: found, chosen, framed, cut out, advised about; and nobody is nobody."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.animation.picture import load_picture
from models.animation.puppet.plate import clean_plate
from models.animation.segment import guided_filter
from models.animation.target import _LOOKS, Target, TargetOptions, read_target
from models.errors import PictureError
from models.lexicon.avatar import Signer
from models.lexicon.looks import LOOKS
from models.lexicon.performance import perform
from models.lexicon.phonology_files import load_phonology
from models.pose import landmarks
from models.pose.people import find_faces
from studio.inputs import sample_pictures

Image = NDArray[np.uint8]
ROOT = Path(__file__).parents[1]


def portrait(name: str) -> Image:
    """The sample picture of this person."""
    return load_picture(next(path for path in sample_pictures() if path.stem == name))


@pytest.fixture(scope="module")
def kofi() -> Image:
    return portrait("kofi")


@pytest.fixture(scope="module")
def target(kofi: Image) -> Target:
    return read_target(kofi, TargetOptions(side=512))


def test_a_good_picture_needs_no_advice(target: Target) -> None:
    assert target.advice == ()
    assert len(target.people) == 1


def test_the_longer_side_is_as_asked_and_nothing_is_stretched(kofi: Image, target: Target) -> None:
    height, width, _ = target.image.shape
    assert max(height, width) == 512
    assert abs(height / width - kofi.shape[0] / kofi.shape[1]) < 1.5 / 512
    assert target.person.shape == (height, width)
    assert target.pose.header.dimensions.width == 512
    assert target.pose.body.data.shape[0] == 1


def test_the_mask_is_the_person() -> None:
    pose = perform([load_phonology()["HELLO"]], fps=25, width=512, height=512).pose
    signer = Signer(pose, LOOKS["sofia"], width=512, height=512)
    truth = signer.frame(0, background=False)[..., 3] > 127
    found = read_target(signer.frame(0), TargetOptions(side=512)).person > 0.5
    assert (truth & found).sum() / (truth | found).sum() > 0.96


def test_two_pictures_read_at_a_time_do_not_meet(kofi: Image, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    points, sure = (
        np.asarray(np.ma.getdata(part)[0, 0]) for part in (target.pose.body.data, target.pose.body.confidence)
    )
    inside: list[int] = []

    class Reader:
        """For one thread at a time, as MediaPipe's own."""

        def reset(self) -> None:
            assert not inside, "another picture is being looked at"
            inside.append(threading.get_ident())

        def process(self, _image: Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            assert inside[-1] == threading.get_ident()
            inside.append(inside[-1])
            time.sleep(0.02)
            if len(inside) > _LOOKS:
                inside.clear()
            return points, sure

    reader = Reader()
    monkeypatch.setattr("models.animation.target._session", lambda: reader)
    with ThreadPoolExecutor(4) as pages:
        found = list(pages.map(lambda _: read_target(kofi, TargetOptions(side=512)), range(4)))
    assert [one.people for one in found] == [target.people] * 4


def test_sides_are_even_whatever_the_picture(kofi: Image) -> None:
    odd = cv2.resize(kofi, (501, 467))
    for side in (333, 512):
        height, width = read_target(odd, TargetOptions(side=side)).image.shape[:2]
        assert (width % 2, height % 2) == (0, 0)


def test_a_small_person_in_a_large_picture_is_cut_to_the_signing_space(kofi: Image) -> None:
    large = np.full((1200, 1600, 3), 180, np.uint8)
    large[500:900, 600:1000] = cv2.resize(kofi, (400, 400), interpolation=cv2.INTER_AREA)
    cut, kept = (read_target(large, TargetOptions(side=512, framing=how)) for how in ("auto", "keep"))
    widths = []
    for found in (cut, kept):
        body = landmarks.component(found.pose, landmarks.BODY)[0][0]
        widths.append(np.linalg.norm((body[11] - body[12])[:2]) / found.image.shape[1])
    assert widths[0] > 1.8 * widths[1]
    assert kept.image.shape == (384, 512, 3)


@pytest.fixture(scope="module")
def pair(kofi: Image) -> Image:
    """Mei on the left, a larger Kofi on the right."""
    mei = portrait("mei")
    left = np.full((640, 520, 3), 200, np.uint8)
    left[120:640] = cv2.resize(mei, (520, 520))
    return np.hstack([left, cv2.resize(kofi, (640, 640))])


def test_of_several_people_the_largest_is_chosen_and_it_is_said(pair: Image) -> None:
    found = read_target(pair)
    assert len(found.people) == 2
    assert found.chosen == 1
    assert "2 people" in found.advice[0]


def test_a_picture_as_thin_as_a_line_shows_nobody() -> None:
    assert find_faces(np.zeros((2, 500, 3), np.uint8)) == []


def test_another_person_can_be_chosen(pair: Image) -> None:
    def nose(person: int) -> float:
        found = read_target(pair, TargetOptions(person=person, framing="keep"))
        return float(landmarks.component(found.pose, landmarks.BODY)[0][0, 0, 0]) / found.image.shape[1]

    assert nose(0) < 0.35 < 0.6 < nose(1)
    with pytest.raises(PictureError, match="no person 3"):
        read_target(pair, TargetOptions(person=2))


@pytest.mark.parametrize("what", ["white", "noise", "gradient"])
def test_a_picture_of_nobody_is_refused(what: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3)).astype(np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 255, 400)[:, None, None], (400, 400, 3)).astype(np.uint8)
    pictures = {"white": np.full((400, 400, 3), 255, np.uint8), "noise": noise, "gradient": ramp.copy()}
    with pytest.raises(PictureError, match="No person"):
        read_target(pictures[what])


def test_a_cat_and_a_cup_are_refused() -> None:
    data = pytest.importorskip("skimage.data")
    for picture in (data.cat(), data.coffee()):
        with pytest.raises(PictureError, match="No person"):
            read_target(np.ascontiguousarray(picture[..., :3]))


def test_a_photograph_is_read() -> None:
    data = pytest.importorskip("skimage.data")
    found = read_target(data.astronaut(), TargetOptions(side=512))
    face = landmarks.component(found.pose, landmarks.FACE)[0][0]
    assert found.person[int(face[1, 1]), int(face[1, 0])] > 0.95
    assert found.person[20, 500] < 0.05
    assert any("ends close" in sentence for sentence in found.advice)


def test_a_dark_and_a_blurred_picture_are_told_apart_from_good_ones(kofi: Image) -> None:
    dark = read_target((kofi * 0.12).astype(np.uint8))
    assert any("dark" in sentence for sentence in dark.advice)
    mei = portrait("mei")
    blurred = read_target(np.asarray(cv2.GaussianBlur(mei, (0, 0), 4), np.uint8))
    assert any("blurred" in sentence for sentence in blurred.advice)


def test_sizes_that_cannot_be_made_are_refused() -> None:
    with pytest.raises(PictureError, match="128 to 2048"):
        TargetOptions(side=20)
    with pytest.raises(PictureError, match="framing"):
        TargetOptions(framing="zoom")  # type: ignore[arg-type]


def test_the_plate_has_no_person_and_keeps_what_was_seen(target: Target) -> None:
    plate = clean_plate(target)
    outside = cv2.dilate(target.person, np.ones((41, 41))) < 0.01
    assert np.abs(plate.astype(int) - target.image)[outside].max() <= 1
    inside = target.person > 0.9
    # The wall behind the drawn person is a soft gradient: what is filled in is close to what is around it.
    assert np.abs(plate[inside].mean(axis=0) - target.image[outside].mean(axis=0)).max() < 20
    assert np.abs(plate.astype(int) - target.image)[inside].mean() > 30


@pytest.mark.real
def test_every_real_target_picture_is_read(real_data: Path) -> None:
    pictures = [path for path in sorted((real_data / "target_images").rglob("*")) if path.is_file()]
    assert pictures
    for path in pictures:
        found = read_target(load_picture(path), TargetOptions(side=512))
        assert 0.05 < float((found.person > 0.5).mean()) < 0.8, path.name
        assert len(found.people) == 1, path.name


def test_the_edge_of_a_mask_goes_to_the_edge_of_the_colours() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 30:] = (200, 40, 90)
    rough = np.zeros((40, 60), np.float32)
    rough[:, 33:] = 1
    soft = guided_filter(image, rough, radius=6, eps=10.0)
    steps = np.abs(np.diff(soft[20]))
    assert steps.argmax() == 29  # between the last dark and the first bright pixel
    assert soft[20, 30:33].min() > soft[20, 27:30].max() + 0.2


def test_no_module_of_opencv_is_used_that_only_one_flavour_has() -> None:
    contrib = {"ximgproc", "xphoto", "bgsegm", "optflow", "face", "tracking", "saliency", "img_hash"}
    for path in [*(ROOT / "models").rglob("*.py"), *(ROOT / "studio").rglob("*.py")]:
        assert not [name for name in contrib if f"cv2.{name}" in path.read_text(encoding="utf-8")], path
