"""The demo's scenes as pictures: a room wider than the picture, shaded things with a texture, and the avatar's hand.

Things (`demo_things`) are laid on the room frame by frame. Noise and light are laid over all.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from models.lexicon.avatar_arm import forearm
from models.lexicon.avatar_canvas import Array, Canvas, Colour, Image, Layer, mixed, polygon, smooth
from models.lexicon.avatar_hand import hand_layer
from models.recognition.multistream.demo_scenes import HEIGHT, WIDTH, Hand, Scene, Thing
from models.recognition.multistream.demo_things import COLOURS, any_of, sprite

_LEFT, _RIGHT, _AROUND = 16, 190, 12  # px of the room beyond the picture: to the left, to the right, above and below
_WALLS: tuple[Colour, ...] = (
    (214, 206, 190), (186, 200, 210), (206, 214, 196), (224, 220, 214), (170, 160, 176), (150, 170, 160),
    (198, 176, 150), (124, 138, 156),
)  # fmt: skip
_TABLES: tuple[Colour, ...] = (
    (150, 112, 76), (112, 80, 56), (196, 166, 124), (214, 210, 202), (88, 92, 98), (120, 132, 124), (174, 184, 196),
)  # fmt: skip


def draw_scene(scene: Scene, rng: np.random.Generator) -> Iterator[Image]:
    """The frames (240, 320, 3) RGB of a scene; whatever the scene leaves open, colours and room, comes from rng."""
    room = _room(rng)
    sprites = [sprite(thing, rng) for thing in scene.things]
    tones = _tones(rng)
    noise = rng.normal(0, rng.uniform(1.5, 3.5), (HEIGHT + 32, WIDTH + 32, 3)).astype(np.int16)
    offsets = rng.integers(0, 33, (scene.num_frames, 2))
    order = sorted(range(len(scene.things)), key=lambda index: scene.things[index].near)
    for frame, (dx, dy) in enumerate(offsets):
        x, y = scene.camera[frame]
        middle = (_LEFT + scene.room + x + (WIDTH - 1) / 2, _AROUND + y + (HEIGHT - 1) / 2)
        canvas = Canvas(WIDTH, HEIGHT, np.asarray(cv2.getRectSubPix(room, (WIDTH, HEIGHT), middle), np.uint8))
        for index in order:
            _paint_thing(canvas, scene, scene.things[index], sprites[index], frame)
        if scene.hand is not None:
            _paint_hand(canvas, scene.hand, frame, scene.camera[frame])
        lit = cv2.LUT(canvas.rgb, tones)
        yield np.asarray(cv2.add(lit, noise[dy : dy + HEIGHT, dx : dx + WIDTH], dtype=cv2.CV_8U), np.uint8)


def _paint_thing(canvas: Canvas, scene: Scene, thing: Thing, sprite: tuple[Image, Array], frame: int) -> None:
    x1, _, x2, y2 = scene.box(thing, frame)
    ground = max(y2, float(np.rint(thing.at[:, 1].max() - scene.camera[frame, 1])))
    _shadow(canvas, (x1 + x2) / 2, ground - 2, 0.62 * thing.width, 0.45 / (1 + 0.03 * (ground - y2)))
    canvas.paint(Layer(x=int(x1), y=int(y2) - thing.height, rgb=sprite[0], alpha=sprite[1]))


def _shadow(canvas: Canvas, x: float, y: float, radius: float, darkness: float) -> None:
    """A soft flat ellipse on the table."""
    flat = 0.22 * radius + 3
    width, height = int(2 * radius) + 1, int(2 * flat) + 1
    across = np.linspace(-1, 1, width, dtype=np.float32)[None] ** 2
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
    alpha = np.clip(1 - across - down, 0, 1) * np.float32(darkness)
    canvas.paint(Layer(x=int(x - radius), y=int(y - flat), rgb=np.zeros((height, width, 3), np.uint8), alpha=alpha))


def _paint_hand(canvas: Canvas, hand: Hand, frame: int, camera: np.ndarray) -> None:
    shift = np.array([*camera, 0], np.float32)
    points, elbow = hand.points[frame] - shift, hand.elbow[frame] - shift
    size, look = (WIDTH, HEIGHT), hand.look
    layer = hand_layer(
        points,
        hand.side,
        look.skin,
        palm=hand.palm,
        elbow=elbow,
        bare=0.45 if look.sleeve == "long" else 0.85,
        frame_size=size,
        supersample=1,
    )
    if layer is not None:
        soft = cv2.blur(cv2.blur(layer.alpha, (9, 9)), (9, 9)) * np.float32(0.3)
        canvas.paint(Layer(x=layer.x + 4, y=layer.y + 7, rgb=np.zeros_like(layer.rgb), alpha=soft))
    for part in [*forearm(elbow[:2], points[0, :2], hand.palm, look, size), *([layer] if layer is not None else [])]:
        canvas.paint(part)


def _tones(rng: np.random.Generator) -> Image:
    """(1, 256, 3): how bright, how hard and how warm the light is."""
    level = np.linspace(0, 1, 256)[:, None] ** rng.uniform(0.85, 1.2)
    warmth = rng.uniform(-0.06, 0.06)
    gains = rng.uniform(0.8, 1.0) * np.array([1 + warmth, 1, 1 - warmth])
    return np.clip(255 * level * gains, 0, 255).astype(np.uint8)[None]


# The room


def _room(rng: np.random.Generator) -> Image:
    """Wall, table and what hangs and stands there, wider than the picture."""
    width, height = WIDTH + _LEFT + _RIGHT, HEIGHT + 2 * _AROUND
    edge = int(_AROUND + rng.uniform(62, 100))
    room = np.empty((height, width, 3), np.float32)
    room[:edge] = _pattern(rng, any_of(rng, _WALLS, 14), edge, width)
    room[edge:] = _grain(rng, any_of(rng, _TABLES, 14), height - edge, width)
    x, y = np.linspace(-1, 1, width)[None, :, None], np.linspace(-1, 1, height)[:, None, None]
    light = 1 + rng.uniform(-0.14, 0.14) * x + rng.uniform(-0.1, 0.1) * y
    image = np.clip(room * light, 0, 255).astype(np.uint8)
    for left in np.arange(-20, width, 74):
        at = left + rng.uniform(0, 46)
        if rng.random() < 0.75:
            _on_wall(rng, image, at, edge)
        if rng.random() < 0.6:
            _on_table(rng, image, at + rng.uniform(-20, 20), edge)
    cv2.line(image, (0, edge), (width, edge), mixed(tuple(image[edge + 4, 4].tolist()), (0, 0, 0), 0.4), 2)
    _window(image, edge)
    return image


def _window(image: Image, edge: int) -> None:
    """Daylight, at the right of every room: whoever turns there sees it come, whatever the room looks like."""
    left, right = _LEFT + WIDTH + 22, _LEFT + WIDTH + 160
    top, bottom = _AROUND + 4, edge - 10
    cv2.rectangle(image, (left - 5, top - 5), (right + 5, bottom + 5), (246, 244, 238), -1)
    sky = np.linspace(200, 244, bottom - top)[:, None, None] + np.array([-14, 4, 11])
    image[top:bottom, left:right] = np.clip(sky, 0, 255).astype(np.uint8)
    cv2.line(image, ((left + right) // 2, top), ((left + right) // 2, bottom), (246, 244, 238), 4)
    ground = np.zeros(image.shape[:2], np.uint8)
    polygon(
        ground, np.array([[left - 8, edge + 4], [right - 20, edge + 4], [right + 24, 999], [left + 26, 999]], float)
    )
    lit = cv2.GaussianBlur(ground, (0, 0), 5)[..., None].astype(np.float32) / 255
    image[:] = np.clip(image * (1 + 0.45 * lit) + 22 * lit, 0, 255).astype(np.uint8)


def _pattern(rng: np.random.Generator, colour: Colour, height: int, width: int) -> Array:
    """A wall: plain, striped, tiled or of bricks."""
    x, y = np.arange(width)[None], np.arange(height)[:, None]
    size = rng.uniform(14, 34)
    kinds = (
        np.zeros((height, width)),
        np.broadcast_to(np.sin(x * 2 * np.pi / size), (height, width)),
        -1.0 * ((x % size < 1.5) | (y % size < 1.5)),
        -1.0 * (((x + (y // (size / 2) % 2) * size / 2) % size < 1.5) | (y % (size / 2) < 1.5)),
    )
    relief = kinds[rng.integers(len(kinds))] * rng.uniform(5, 16)
    cloudy = cv2.resize(rng.normal(0, 7, (4, 12)), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.array(colour) + (relief + cloudy)[..., None], np.float32)


def _grain(rng: np.random.Generator, colour: Colour, height: int, width: int) -> Array:
    """A table of wood, of stone or with a checked cloth on it."""
    kind = rng.integers(3)
    if kind == 0:
        relief = cv2.resize(rng.normal(0, 12, (height // 3, width // 36)), (width, height))
    elif kind == 1:
        relief = cv2.resize(rng.normal(0, 12, (height // 5, width // 5)), (width, height))
    else:
        size = rng.uniform(16, 30)
        x, y = np.arange(width)[None] // size % 2, np.arange(height)[:, None] // (0.6 * size) % 2
        relief = (x + y - 1) * rng.uniform(8, 22)
    fall = np.linspace(-8, 8, height)[:, None]
    return np.asarray(np.array(colour) + (relief + fall)[..., None], np.float32)


def _on_wall(rng: np.random.Generator, image: Image, x: float, edge: int) -> None:
    """A picture, a clock or a plant."""
    colour, y = any_of(rng, COLOURS, 30), rng.uniform(8, edge - 34)
    kind, size = rng.integers(3), rng.uniform(20, 34)
    if kind == 0:
        corners = np.array([[x, y], [x + size, y], [x + size, y + 0.8 * size], [x, y + 0.8 * size]])
        polygon(image, corners, mixed(colour, (20, 20, 20), 0.7))
        polygon(image, corners.mean(0) + (corners - corners.mean(0)) * 0.8, mixed(colour, (235, 235, 235), 0.55))
        polygon(image, corners.mean(0) + rng.uniform(-0.3, 0.3, (5, 2)) * size, colour)
    elif kind == 1:
        centre = (int(x + size / 2), int(y + size / 2))
        cv2.circle(image, centre, int(size / 2), mixed(colour, (0, 0, 0), 0.3), -1, cv2.LINE_AA)
        cv2.circle(image, centre, int(size / 2.6), (236, 234, 228), -1, cv2.LINE_AA)
        cv2.line(image, centre, (centre[0] + 3, centre[1] - int(size / 4)), (40, 40, 40), 2, cv2.LINE_AA)
    else:
        for lean in np.linspace(-1, 1, 5):
            tip = np.array([x + lean * size, edge - size * rng.uniform(0.9, 1.5)])
            leaf = np.array([[x - 3, edge], tip - (5, -8), tip, tip - (-5, -8), [x + 3, edge]])
            polygon(image, smooth(leaf), mixed((52, 116, 60), colour, 0.15))


def _on_table(rng: np.random.Generator, image: Image, x: float, edge: int) -> None:
    """Something small at the far side of the table: a tin, a pencil or a coaster."""
    colour, y = any_of(rng, COLOURS, 30), edge + rng.uniform(4, 22)
    kind = rng.integers(3)
    if kind == 0:
        size = rng.uniform(9, 16)
        polygon(image, np.array([[x, y - 1.4 * size], [x + size, y - 1.4 * size], [x + size, y], [x, y]]), colour)
        polygon(image, np.array([[x, y - size], [x + size, y - size], [x + size, y - 4], [x, y - 4]]), (230, 226, 214))
    elif kind == 1:
        end = np.array([x + rng.uniform(18, 34), y + rng.uniform(-6, 8)])
        polygon(image, np.array([[x, y], end, end - (0, -3), [x, y + 3]]), colour)
    else:
        cv2.ellipse(image, (int(x), int(y)), (int(rng.uniform(12, 20)), 5), 0, 0, 360, colour, -1, cv2.LINE_AA)
