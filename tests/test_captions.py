"""Captions in files and below the picture."""

from __future__ import annotations

import re

import numpy as np
import pytest

from models.lexicon.captions import (
    BOX,
    GROUND,
    INK,
    burn_caption,
    burn_captions,
    caption_at,
    caption_height,
    to_srt,
    to_webvtt,
)
from models.lexicon.performance import Segment

SEGMENTS = (
    Segment(gloss="HELLO", start_ms=480.0, end_ms=1600.4),
    Segment(gloss="", start_ms=1600.0, end_ms=1700.0),
    Segment(gloss="MY <A> & B", start_ms=3_723_004.0, end_ms=3_723_004.2),
)


def picture(width: int = 512, height: int = 512) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


def luminance(color: tuple[int, int, int]) -> float:
    channels = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color]
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


def test_webvtt_has_a_cue_for_every_gloss() -> None:
    assert to_webvtt(SEGMENTS) == (
        "WEBVTT\n\n00:00:00.480 --> 00:00:01.600\nHELLO\n\n01:02:03.004 --> 01:02:03.005\nMY &lt;A&gt; &amp; B\n"
    )
    assert to_webvtt([]) == "WEBVTT\n"


def test_srt_numbers_its_cues_from_one() -> None:
    assert to_srt(SEGMENTS) == (
        "1\n00:00:00,480 --> 00:00:01,600\nHELLO\n\n2\n01:02:03,004 --> 01:02:03,005\nMY <A> & B\n"
    )


def test_a_gloss_cannot_break_out_of_its_cue() -> None:
    text = to_webvtt([Segment(gloss="A\n\n00:01 --> 00:02\nB", start_ms=0, end_ms=9)])
    assert len(re.findall(r" --> ", text)) == 1 and text.count("\n\n") == 1


def test_the_caption_is_below_the_picture_and_covers_none_of_it() -> None:
    frame = picture()
    captioned = burn_caption(frame, "HELLO")
    np.testing.assert_array_equal(captioned[:512], frame)
    assert captioned.shape == (512 + caption_height(512, 512), 512, 3) and captioned.dtype == np.uint8


@pytest.mark.parametrize("size", [(64, 64), (256, 144), (512, 512), (1080, 1920)])
def test_every_text_makes_a_picture_of_one_even_size(size: tuple[int, int]) -> None:
    texts = ["", "HELLO", "GOOD MORNING TO ALL OF YOU AND YOUR FAMILY", "X" * 300, "MANY WORDS " * 60]
    shapes = {burn_caption(picture(*size), text).shape for text in texts}
    assert shapes == {(size[1] + caption_height(*size), size[0], 3)} and caption_height(*size) % 2 == 0


@pytest.mark.parametrize("text", ["HELLO", "MANY WORDS " * 60, "X" * 300])
def test_the_text_stays_inside_the_strip(text: str) -> None:
    strip = burn_caption(picture(), text)[512:]
    ground = (strip == GROUND).all(axis=2)
    assert ground[[0, -1]].all() and ground[:, [0, -1]].all()
    assert (strip == INK).all(axis=2).sum() > 50


def test_the_text_grows_with_the_picture() -> None:
    def ink_height(size: int) -> int:
        rows = (burn_caption(picture(size, size), "HELLO")[size:] == INK).all(axis=2).any(axis=1)
        return int(rows.sum())

    assert ink_height(1024) == pytest.approx(2 * ink_height(512), rel=0.2)


def test_white_on_the_box_is_far_above_the_strictest_contrast() -> None:
    assert (luminance(INK) + 0.05) / (luminance(BOX) + 0.05) >= 7


def test_letters_with_accents_look_different_from_each_other() -> None:
    strips = [burn_caption(picture(), text)[512:] for text in ("É", "Ä", "Ж")]
    assert not np.array_equal(strips[0], strips[1]) and not np.array_equal(strips[1], strips[2])


def test_every_frame_shows_the_gloss_of_its_time() -> None:
    frames = [picture(64, 64)] * 50
    captioned = list(burn_captions(frames, SEGMENTS, fps=25))
    with_text = [bool((frame[64:] != GROUND).any()) for frame in captioned]
    assert with_text == [12 <= index < 40 for index in range(50)]  # 480 to 1600.4 ms
    assert caption_at(SEGMENTS, 1000) == "HELLO" and caption_at(SEGMENTS, 2000) == ""
