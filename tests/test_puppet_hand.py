"""New hands in a person's skin: their colour, their light, and hands that are read as hands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from diffusing import cut, person, signing
from numpy.typing import NDArray

from models.animation.puppet.hand import HandPainter
from models.animation.puppet.skin import skin_of
from models.animation.target import Target
from models.lexicon.avatar_canvas import Layer
from models.lexicon.avatar_figure import figure
from models.lexicon.looks import LOOKS

SIDE = 512


@pytest.fixture(scope="module")
def target() -> Target:
    return person(SIDE)


def painted(target: Target) -> Layer:
    """The right hand of HELLO, in the air."""
    fig = figure(cut(signing("HELLO", SIDE), 24, 30), SIDE, SIDE)
    layer = HandPainter(target).layer(
        fig.hands["right"][2], "right", palm=float(fig.palms["right"][2]), elbow=fig.body[2, 14]
    )
    assert layer is not None
    return layer


def mean(layer: Layer) -> NDArray[np.float64]:
    return layer.rgb[layer.alpha > 0.9].mean(axis=0)


def test_the_tone_is_that_of_the_persons_skin(target: Target) -> None:
    assert np.abs(np.array(skin_of(target).tone) - LOOKS["kofi"].skin).max() < 40


def test_hands_have_the_colour_of_the_face(target: Target) -> None:
    dark = mean(painted(target))
    tone = np.array(skin_of(target).tone, float)
    assert np.abs(dark - tone).max() < 45
    pale = mean(painted(replace(target, image=np.clip(target.image.astype(int) + 90, 0, 255).astype(np.uint8))))
    assert (pale > dark + 40).all()


def test_light_comes_from_the_side_that_is_bright(target: Target) -> None:
    ramp = np.linspace(1.3, 0.5, SIDE)[None, :, None]
    found = []
    for shade in (ramp, ramp[:, ::-1]):
        lit = np.clip(target.image * shade, 0, 255).astype(np.uint8)
        found.append(float(skin_of(replace(target, image=lit)).light_from[0]))
    assert found[0] < found[1]


def test_grain_is_that_of_the_picture(target: Target) -> None:
    noise = np.random.default_rng(0).normal(0, 7, target.image.shape)
    grainy = replace(target, image=np.clip(target.image + noise, 0, 255).astype(np.uint8))
    assert skin_of(grainy).grain > skin_of(target).grain + 2
    layer = painted(grainy)
    flat = layer.rgb.astype(float)[8:-8, 8:-8]
    assert (
        np.abs(np.diff(flat, axis=1)).mean()
        > np.abs(np.diff(painted(target).rgb.astype(float)[8:-8, 8:-8], axis=1)).mean()
    )


def test_the_same_hand_is_painted_the_same(target: Target) -> None:
    assert (painted(target).rgb == painted(target).rgb).all()


def test_a_hand_outside_of_the_picture_is_none(target: Target) -> None:
    fig = figure(cut(signing("HELLO", SIDE), 24, 30), SIDE, SIDE)
    away = fig.hands["right"][2] + np.array([4 * SIDE, 0, 0], np.float32)
    painter = HandPainter(target)
    assert painter.layer(away, "right", palm=40.0, elbow=fig.body[2, 14] + np.float32(4 * SIDE)) is None


def test_a_person_whose_face_is_not_seen_gets_a_skin_all_the_same(target: Target) -> None:
    sure = np.zeros_like(np.ma.getdata(target.pose.body.confidence))
    blind = replace(
        target, pose=type(target.pose)(target.pose.header, type(target.pose.body)(25, target.pose.body.data, sure))
    )
    assert min(skin_of(blind).tone) > 60
