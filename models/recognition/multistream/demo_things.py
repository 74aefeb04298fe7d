"""The demo's things as small pictures: shaded, with a texture, drawn once a clip, twice as large and then shrunk.

They fill the box that the annotation gives them. Points are shares of the box: x to the right, y down.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from models.lexicon.avatar_canvas import Array, Colour, Image, mixed, polygon, smooth
from models.recognition.multistream.demo_scenes import Thing

COLOURS: tuple[Colour, ...] = (
    (196, 52, 48), (36, 96, 180), (40, 140, 84), (232, 186, 48), (226, 120, 40), (122, 70, 150), (238, 236, 228),
    (64, 68, 76), (88, 178, 190), (224, 132, 158),
)  # fmt: skip
_FINE = 2
_Shape = tuple[np.ndarray, Colour]
_DARK: Colour = (36, 36, 40)
_WHITE: Colour = (240, 238, 230)


def sprite(thing: Thing, rng: np.random.Generator) -> tuple[Image, Array]:
    """RGB (h, w, 3) and alpha (h, w) of a thing."""
    width, height = thing.width * _FINE, thing.height * _FINE
    rgb, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    colour = any_of(rng, COLOURS, 24)
    draw, round_light = _DRAWN[thing.category]
    for points, tone in draw(colour, rng):
        corners = points * [width, height] - 0.5
        polygon(rgb, corners, tone)
        polygon(mask, corners)
    x, y = np.linspace(0, 1, width)[None], np.linspace(0, 1, height)[:, None]
    light = 1.1 - round_light * np.abs(x - 0.36) ** 1.6 - 0.5 * round_light * y * y
    grain = cv2.resize(rng.normal(0, 0.05, (max(2, height // 5), max(2, width // 5))), (width, height))
    shaded = np.clip(rgb * (light + grain)[..., None], 0, 255).astype(np.uint8)
    size = thing.width, thing.height
    alpha = cv2.resize(mask, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.asarray(cv2.resize(shaded, size, interpolation=cv2.INTER_AREA), np.uint8), alpha


def any_of(rng: np.random.Generator, colours: tuple[Colour, ...], spread: int) -> Colour:
    """One of these colours, each channel up to `spread` lighter or darker."""
    chosen = np.array(colours[rng.integers(len(colours))]) + rng.integers(-spread, spread + 1, 3)
    red, green, blue = np.clip(chosen, 12, 245).tolist()
    return red, green, blue


def _box(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], float)


def _oval(x: float, y: float, rx: float, ry: float, start: float = 0, end: float = 360) -> np.ndarray:
    turn = np.radians(np.linspace(start, end, 40))
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], axis=1)


def _darker(colour: Colour, share: float = 0.35) -> Colour:
    return mixed(colour, (0, 0, 0), share)


def _lighter(colour: Colour, share: float = 0.4) -> Colour:
    return mixed(colour, (255, 255, 255), share)


def _cup(colour: Colour, rng: np.random.Generator) -> list[_Shape]:
    ring = np.concatenate([_oval(0.76, 0.5, 0.24, 0.27, -90, 90), _oval(0.76, 0.5, 0.12, 0.15, 90, -90)])
    body = np.concatenate([[[0, 0.08]], [[0.8, 0.08]], _oval(0.4, 0.9, 0.32, 0.1, 0, 180)])
    band = rng.uniform(0.3, 0.6)
    return [
        (ring, _darker(colour, 0.2)), (body, colour), (_box(0.04, band, 0.76, band + 0.16), _lighter(colour, 0.55)),
        (_oval(0.4, 0.09, 0.4, 0.09), _lighter(colour)), (_oval(0.4, 0.1, 0.35, 0.065), _darker(colour, 0.6)),
    ]  # fmt: skip


def _ball(colour: Colour, rng: np.random.Generator) -> list[_Shape]:
    other = any_of(rng, COLOURS, 10)
    lean = rng.uniform(-0.15, 0.15)
    return [
        (_oval(0.5, 0.5, 0.5, 0.5), colour), (_oval(0.5 + lean, 0.5, 0.17, 0.47), other),
        (_oval(0.5 + lean, 0.5, 0.07, 0.44), colour), (_oval(0.34, 0.28, 0.1, 0.08), _lighter(colour, 0.7)),
    ]  # fmt: skip


def _book(colour: Colour, rng: np.random.Generator) -> list[_Shape]:
    line = rng.uniform(0.2, 0.35)
    return [
        (_box(0.06, 0, 1, 1), _WHITE), (_box(0, 0, 0.96, 0.94), colour), (_box(0, 0, 0.12, 0.94), _darker(colour)),
        (_box(0.25, line, 0.85, line + 0.09), _lighter(colour, 0.7)),
        (_box(0.25, line + 0.15, 0.66, line + 0.2), _lighter(colour, 0.7)),
        (_box(0.42, 0.66, 0.68, 0.84), any_of(rng, COLOURS, 10)),
    ]  # fmt: skip


def _apple(_: Colour, rng: np.random.Generator) -> list[_Shape]:
    reds: tuple[Colour, ...] = ((190, 40, 36), (120, 170, 52), (220, 176, 60))
    colour = any_of(rng, reds, 16)
    fruit = np.concatenate([_oval(0.3, 0.5, 0.3, 0.32, 90, 300), _oval(0.7, 0.5, 0.3, 0.32, 240, 450)])
    return [
        (np.array([[0.47, 0.3], [0.53, 0.0], [0.6, 0.02], [0.54, 0.3]]), (92, 62, 36)),
        (_oval(0.72, 0.1, 0.16, 0.07), (72, 140, 60)), (fruit, colour), (_oval(0.5, 0.68, 0.42, 0.32), colour),
        (_oval(0.3, 0.42, 0.08, 0.1), _lighter(colour, 0.55)),
    ]  # fmt: skip


def _toy_car(colour: Colour, rng: np.random.Generator) -> list[_Shape]:
    cabin = np.array([[0.2, 0.42], [0.32, 0.0], [0.68, 0.0], [0.84, 0.42]])
    hull = np.array([[0, 0.48], [0.12, 0.38], [0.9, 0.38], [1, 0.55], [1, 0.8], [0, 0.8]])
    wheels = [(_oval(x, 0.77, radius, 2 * radius), tone)
              for x in (0.24, 0.76) for radius, tone in ((0.115, _DARK), (0.055, (190, 190, 196)))]  # fmt: skip
    window: Colour = (176, 206, 222)
    return [
        (cabin, colour), (np.array([[0.27, 0.4], [0.36, 0.1], [0.48, 0.1], [0.48, 0.4]]), window),
        (np.array([[0.53, 0.4], [0.53, 0.1], [0.65, 0.1], [0.75, 0.4]]), window), (hull, colour),
        (_box(0, 0.58, 1, 0.64), any_of(rng, COLOURS, 10)), *wheels,
    ]  # fmt: skip


def _carton(colour: Colour, rng: np.random.Generator) -> list[_Shape]:
    browns: tuple[Colour, ...] = ((184, 140, 92), (160, 120, 80), colour)
    colour = any_of(rng, browns, 10)
    return [
        (np.array([[0, 0.24], [0.2, 0], [1, 0], [0.84, 0.24]]), _lighter(colour, 0.25)),
        (np.array([[0.84, 0.24], [1, 0], [1, 0.76], [0.84, 1]]), _darker(colour)), (_box(0, 0.24, 0.84, 1), colour),
        (_box(0.36, 0.24, 0.5, 1), _lighter(colour, 0.35)), (_box(0.56, 0.62, 0.78, 0.86), _WHITE),
    ]  # fmt: skip


def _bottle(colour: Colour, rng: np.random.Generator) -> list[_Shape]:
    neck = np.array([[0.34, 0.08], [0.66, 0.08], [0.68, 0.26], [1, 0.42], [1, 1], [0, 1], [0, 0.42], [0.32, 0.26]])
    return [
        (neck, colour), (_box(0.28, 0, 0.72, 0.1), any_of(rng, COLOURS, 10)), (_box(0, 0.5, 1, 0.8), _WHITE),
        (_box(0.15, 0.56, 0.85, 0.62), _darker(colour, 0.2)), (_box(0.12, 0.42, 0.24, 0.95), _lighter(colour, 0.5)),
    ]  # fmt: skip


def _phone(_: Colour, rng: np.random.Generator) -> list[_Shape]:
    icons = [(_box(x, y, x + 0.18, y + 0.1), any_of(rng, COLOURS, 10))
             for y in (0.2, 0.38, 0.56) for x in (0.16, 0.42, 0.68)]  # fmt: skip
    screen = mixed(any_of(rng, COLOURS, 20), (20, 26, 40), 0.6)
    corners = smooth(np.array([[0, 0.02], [0, 0], [1, 0], [1, 0.02], [1, 1], [0, 1]]), rounds=1)
    return [
        (_box(0, 0.04, 1, 0.96), _DARK), (_box(0.06, 0, 0.94, 1), _DARK), (corners, _DARK),
        (_box(0.08, 0.1, 0.92, 0.86), screen), *icons, (_oval(0.5, 0.93, 0.07, 0.035), (120, 120, 126)),
    ]  # fmt: skip


def _banana(_: Colour, rng: np.random.Generator) -> list[_Shape]:
    yellows: tuple[Colour, ...] = ((234, 204, 70), (206, 196, 76))
    colour = any_of(rng, yellows, 12)
    outer, inner = _oval(0.5, 0.0, 0.5, 1.0, 0, 180), _oval(0.52, -0.1, 0.42, 0.62, 180, 0)
    ridge = np.concatenate([_oval(0.5, 0, 0.47, 0.84, 10, 170), _oval(0.5, 0, 0.47, 0.78, 170, 10)])
    return [
        (np.concatenate([outer, inner]), colour), (ridge, _darker(colour, 0.22)),
        (_box(0, 0, 0.1, 0.14), (92, 74, 40)), (_box(0.93, 0, 1, 0.1), (92, 74, 40)),
    ]  # fmt: skip


def _candle(colour: Colour, rng: np.random.Generator) -> list[_Shape]:
    drip = rng.uniform(0.4, 0.6)
    flame = np.array([[0.5, 0.0], [0.62, 0.13], [0.5, 0.2], [0.38, 0.13]])
    return [
        (_box(0.47, 0.14, 0.53, 0.32), _DARK), (smooth(flame, rounds=1), (252, 200, 90)),
        (np.array([[0.5, 0.0], [0.58, 0.1], [0.42, 0.1]]), (255, 226, 140)), (_box(0, 0.3, 1, 1), colour),
        (_box(0.62, 0.3, 0.78, drip), _lighter(colour, 0.5)), (_oval(0.5, 0.3, 0.5, 0.05), _lighter(colour, 0.45)),
    ]  # fmt: skip


def _plate(colour: Colour, rng: np.random.Generator) -> list[_Shape]:
    colour = _lighter(colour, 0.6)
    return [
        (_oval(0.5, 0.5, 0.5, 0.5), colour), (_oval(0.5, 0.48, 0.45, 0.42), any_of(rng, COLOURS, 10)),
        (_oval(0.5, 0.48, 0.42, 0.38), colour), (_oval(0.5, 0.5, 0.27, 0.24), _darker(colour, 0.14)),
    ]  # fmt: skip


def _pillow(colour: Colour, rng: np.random.Generator) -> list[_Shape]:
    outline = np.array([[0, 0.1], [0.1, 0], [0.5, 0.06], [0.9, 0], [1, 0.1], [0.97, 0.5], [1, 0.9], [0.9, 1],
                        [0.5, 0.95], [0.1, 1], [0, 0.9], [0.03, 0.5]])  # fmt: skip
    other = any_of(rng, COLOURS, 10)
    return [(outline, colour), *((_box(x, 0.08, x + 0.07, 0.92), other) for x in (0.16, 0.38, 0.6, 0.82))]


def _cloth(colour: Colour, rng: np.random.Generator) -> list[_Shape]:
    top, sides = np.linspace(0, 1, 7), np.linspace(0, 1, 4)
    wave = rng.uniform(0, 0.05, 7)
    upper = np.stack([top, wave * (top > 0) * (top < 1)], axis=1)
    outline = np.concatenate([upper, np.stack([1 - 0.03 * (sides[1:-1] > 0), sides[1:-1]], 1),
                              np.stack([top, 1 - wave[::-1]], 1)[::-1]])  # fmt: skip
    light = _lighter(colour, 0.45)
    rows = [(_box(0.03, y, 0.97, y + 0.09), light) for y in (0.1, 0.34, 0.58, 0.8)]
    columns = [(_box(x, 0.06, x + 0.07, 0.94), _darker(colour, 0.25)) for x in (0.12, 0.4, 0.68, 0.88)]
    return [(outline, colour), (_box(0, 0.02, 1, 0.98), colour), (_box(0.1, 0, 0.9, 1), colour), *rows, *columns]


def _paper(_: Colour, rng: np.random.Generator) -> list[_Shape]:
    grey: Colour = (120, 124, 136)
    lines = [(_box(0.1, y, float(rng.uniform(0.6, 0.92)), y + 0.025), grey) for y in np.arange(0.14, 0.9, 0.11)]
    return [(_box(0, 0, 1, 1), _WHITE), (np.array([[0.82, 0], [1, 0], [1, 0.16]]), _darker(_WHITE, 0.2)), *lines]


# How a category is drawn, and how round its light is.
_DRAWN: dict[str, tuple[Callable[[Colour, np.random.Generator], list[_Shape]], float]] = {
    "cup": (_cup, 0.9), "ball": (_ball, 1.1), "book": (_book, 0.2), "apple": (_apple, 1.0), "toy car": (_toy_car, 0.3),
    "box": (_carton, 0.2), "bottle": (_bottle, 1.0), "phone": (_phone, 0.1), "banana": (_banana, 0.4),
    "candle": (_candle, 0.9), "plate": (_plate, 0.2), "pillow": (_pillow, 0.5), "cloth": (_cloth, 0.4),
    "sheet of paper": (_paper, 0.1),
}  # fmt: skip
