"""Torso, neck, arms and sleeves of the avatar, as soft-shaded layers.

All positions are output pixels; `unit` is the distance between the shoulders, which sizes everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.lexicon.avatar_canvas import (
    LIGHT,
    Array,
    Colour,
    Image,
    Layer,
    bounds,
    disc,
    mixed,
    polygon,
    smooth,
    stroke,
    tinted,
)
from models.lexicon.looks import Look

_USUAL_NECK = 0.42  # from the shoulder line up to the head's base, in shoulder widths
SHOULDER_RADIUS = 0.132  # of a sleeve at the shoulder, in shoulder widths
_COARSE = 3  # light varies slowly over a body: it is computed on a grid this many pixels wide

# Half of the torso's outline, from the neck down: x in shoulder widths from the middle, y below the shoulder line.
_TORSO = ((.15, -.30), (.23, -.215), (.38, -.16), (.50, -.12), (.585, -.03), (.60, .16), (.545, .36), (.515, .70),
          (.50, 1.05), (.53, 1.50), (.57, 2.0), (.57, 3.2))  # fmt: skip
_FOLDS = (((.50, .30), (.36, .40), (.22, .43)), ((.49, .42), (.38, .55), (.28, .62)),
          ((.46, 1.0), (.34, 1.12), (.2, 1.18)), ((-.49, .36), (-.36, .46), (-.26, .47)),
          ((-.48, .9), (-.36, 1.06), (-.16, 1.10)))  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """The torso's own axes: `origin` between the shoulders, `across` to the signer's left, `down` to the hips."""

    origin: Array
    across: Array
    down: Array
    unit: float
    rise: float
    """How much longer than usual the neck is, which raises the muscles beside it."""

    @staticmethod
    def of(body: Array, jaw: Array, unit: float) -> Trunk:
        """From the (33, 3) body landmarks of one frame and the middle of the head's base (2,)."""
        left, right = body[11, :2], body[12, :2]
        hips = (body[23, :2] + body[24, :2]) / 2
        origin = (left + right) / 2
        down = hips - origin
        length = float(np.linalg.norm(down))
        # Hips outside the frame are guesses: trust their direction, within reason, not their distance.
        lean = float(np.clip(down[0] / (length + 1e-6), -0.35, 0.35)) if length > 0.3 * unit else 0.0
        across = left - right
        shrunk = max(1.0, 0.62 * unit / (float(np.linalg.norm(across)) + 1e-6))
        down = np.array([lean, np.sqrt(1 - lean**2)]) * unit
        rise = float(np.clip((origin[1] - jaw[1]) / (_USUAL_NECK * unit), 0.8, 1.5))
        return Trunk(origin=origin, across=across * shrunk, down=down, unit=unit, rise=rise)

    def at(self, points: Array) -> Array:
        """(N, 2) torso coordinates in shoulder widths -> pixels."""
        near_neck = np.clip((0.5 - np.abs(points[:, :1])) / 0.3, 0, 1) * np.clip(-points[:, 1:] / 0.15, 0, 1)
        y = points[:, 1:] * (1 + (self.rise - 1) * near_neck)
        return np.asarray(self.origin + points[:, :1] * self.across + y * self.down, np.float32)


def limb(
    start: Array,
    end: Array,
    radii: tuple[float, ...],
    colour: Colour,
    frame_size: tuple[int, int],
    *,
    cloth: bool,
    rounded: tuple[bool, bool] = (True, True),
    fade: float | None = None,
    level: bool = False,
) -> Layer | None:
    """A straight limb from start to end (2,), its radius going through `radii` at even steps.

    rounded: whether start and end are; fade: the start melts into what is below it from this many radii onwards;
    level: the light evens out towards the start, to meet a flat surface there.
    """
    axis = (end - start).astype(np.float32)
    length = float(np.linalg.norm(axis)) + 1e-3
    unit = axis / length
    across = np.array([-unit[1], unit[0]], np.float32)
    box = bounds(np.stack([start, end]), max(radii) + 2, *frame_size)
    if box is None:
        return None
    x, y, width, height = box
    shift = np.array([x, y], np.float32)
    mask = np.zeros((height, width), np.uint8)
    steps = np.linspace(0, 1, 9, dtype=np.float32)
    thickness = np.interp(steps, np.linspace(0, 1, len(radii)), radii).astype(np.float32)[:, None]
    spine = start + steps[:, None] * axis - shift
    polygon(mask, np.concatenate([spine + across * thickness, (spine - across * thickness)[::-1]]))
    for end_rounded, place in zip(rounded, (0, -1), strict=True):
        if end_rounded:
            disc(mask, spine[place], float(thickness[place, 0]))

    grid_x, grid_y = _grid(width, height)
    along = (grid_x - spine[0, 0]) * unit[0] + (grid_y - spine[0, 1]) * unit[1]
    side = (grid_x - spine[0, 0]) * across[0] + (grid_y - spine[0, 1]) * across[1]
    share = np.clip(along / length, 0, 1)
    offset = np.clip(side / np.interp(share, np.linspace(0, 1, len(radii)), radii), -1, 1).astype(np.float32)
    light = cylinder_light(offset, across)
    if cloth:
        wrinkle = np.sin(along / max(radii) * 3.1 + offset * 2.2) * np.clip(np.abs(share - 0.5) * 2 - 0.35, 0, 1)
        light = light + np.float32(0.05) * wrinkle
    if level:
        light = 1 + (light - 1) * np.clip(along / (1.3 * radii[0]), 0, 1).astype(np.float32)
    rgb = coloured(light, colour, width, height, warmth=0.0 if cloth else 1.0)
    alpha = mask * np.float32(1 / 255)
    if fade is not None:
        ramp = np.clip((along / radii[0] - fade) * np.float32(0.8), 0, 1).astype(np.float32)
        alpha *= cv2.resize(ramp, (width, height), interpolation=cv2.INTER_LINEAR)
    return Layer(x=x, y=y, rgb=rgb, alpha=alpha)


def cylinder_light(offset: Array, across: Array) -> Array:
    """Light on a cylinder at `offset` (-1..1) from its axis along the unit vector `across` (2,)."""
    toward = LIGHT / np.linalg.norm(LIGHT)
    depth = np.sqrt(np.maximum(1 - offset * offset, 0))
    cosine = offset * float(across @ toward[:2]) - depth * toward[2]
    return np.asarray(0.56 + 0.56 * np.clip(cosine, 0, 1) - 0.10 * (1 - depth) ** 2, np.float32)


def coloured(light: Array, colour: Colour, width: int, height: int, *, warmth: float) -> Image:
    """A coarse light map as a patch of this colour and size."""
    small = tinted(colour, np.clip(light, 0.05, 1.3), warmth=warmth)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def torso(trunk: Trunk, look: Look, frame_size: tuple[int, int]) -> Layer | None:
    """The clothed trunk without arms and neckline."""
    half = np.array(_TORSO, np.float32) * (look.build, 1)
    outline = trunk.at(smooth(np.concatenate([half, (half * (-1, 1))[::-1]]).astype(np.float32), rounds=3))
    box = bounds(outline, 0.1 * trunk.unit, *frame_size)
    if box is None:
        return None
    x, y, width, height = box
    mask = np.zeros((height, width), np.uint8)
    shift = np.array([x, y], np.float32)
    polygon(mask, outline - shift)
    for shoulder in trunk.at(np.array([(0.5, 0), (-0.5, 0)], np.float32)):
        disc(mask, shoulder - shift, SHOULDER_RADIUS * trunk.unit * look.build)
    grid_x, grid_y = _grid(width, height)
    to_local = np.linalg.inv(np.stack([trunk.across, trunk.down], axis=1))
    gx, gy = grid_x + x - trunk.origin[0], grid_y + y - trunk.origin[1]
    u = (to_local[0, 0] * gx + to_local[0, 1] * gy) / (0.62 * look.build)
    v = to_local[1, 0] * gx + to_local[1, 1] * gy
    bend = np.clip(np.sign(u) * np.abs(u) ** 1.8, -1, 1).astype(np.float32)
    across = (trunk.across / np.linalg.norm(trunk.across)).astype(np.float32)
    light = cylinder_light(bend, across) - 0.05 * np.clip(v, 0, 2).astype(np.float32)
    folds = np.zeros((height // _COARSE + 1, width // _COARSE + 1), np.uint8)
    for fold in _FOLDS:
        line = trunk.at(smooth(np.array(fold, np.float32), closed=False, rounds=2)) - shift
        stroke(folds, line / _COARSE, 0.022 * trunk.unit / _COARSE, 255)
    soft = cv2.GaussianBlur(folds.astype(np.float32), (0, 0), max(0.5, 0.028 * trunk.unit / _COARSE))
    light = light - np.float32(0.10 / 255) * soft[: light.shape[0], : light.shape[1]]
    rgb = coloured(light, look.shirt, width, height, warmth=0.0)
    return Layer(x=x, y=y, rgb=rgb, alpha=mask * np.float32(1 / 255))


def neck(trunk: Trunk, jaw: Array, look: Look, frame_size: tuple[int, int]) -> list[Layer]:
    """Neck, the skin inside the neckline, and the neckline itself; jaw (2,) is the middle of the head's base."""
    unit = trunk.unit
    width = 0.165 * unit * (0.6 + 0.4 * look.build)
    base = trunk.at(np.array([[0.0, -0.17]], np.float32))[0]
    shade = mixed(look.skin, (60, 20, 12), 0.16)
    layers: list[Layer | None] = []
    if look.neckline in ("crew", "v"):
        layers += _hem(trunk, look, frame_size)
    if look.neckline != "turtle":
        layers.append(_flat(_skin_area(trunk, look), shade, frame_size, unit))
    radii = (width * 1.04, width * 0.99, width * 0.93, width * 0.98)
    layers.append(limb(base, jaw, radii, shade, frame_size, cloth=False, rounded=(False, True), level=True))
    if look.neckline == "turtle":
        middle = jaw * 0.42 + base * 0.58
        yoke = _flat(_yoke(trunk), mixed(look.shirt, (0, 0, 0), 0.06), frame_size, unit)
        layers += [yoke, limb(middle, base, (width * 1.10, width * 1.20), look.shirt, frame_size, cloth=True)]
    if look.neckline == "collar":
        layers += _collar(trunk, look, frame_size)
    return [layer for layer in layers if layer is not None]


def _skin_area(trunk: Trunk, look: Look) -> Array:
    depth = {"crew": -0.01, "v": 0.30, "collar": 0.17, "turtle": 0.0}[look.neckline]
    if look.neckline == "crew":
        half = np.array([(0.172, -0.26), (0.196, -0.14), (0.11, depth - 0.07), (0.0, depth - 0.045)], np.float32)
    else:
        half = np.array([(0.170, -0.26), (0.175, -0.16), (0.088, depth * 0.40), (0.0, depth - 0.04)], np.float32)
    line = np.concatenate([half, (half * (-1, 1))[-2::-1]]).astype(np.float32)
    if look.neckline == "crew":
        line = smooth(line, closed=False, rounds=2)
    return trunk.at(line)


def _yoke(trunk: Trunk) -> Array:
    half = np.array([(0.19, -0.28), (0.20, -0.19), (0.13, -0.09), (0.0, -0.06)], np.float32)
    return trunk.at(smooth(np.concatenate([half, (half * (-1, 1))[-2::-1]]).astype(np.float32), rounds=2))


def _hem(trunk: Trunk, look: Look, frame_size: tuple[int, int]) -> list[Layer | None]:
    """The band along the neckline; the skin laid over it later leaves its outer half."""
    dark, light = mixed(look.shirt, (0, 0, 0), 0.28), mixed(look.shirt, (255, 255, 255), 0.08)
    edge = smooth(_skin_area(trunk, look), closed=False, rounds=1)
    edge = edge[len(edge) // 9 : -(len(edge) // 9)]  # beside the neck the band goes round to the back
    return [_line(edge, dark, 0.060 * trunk.unit, frame_size), _line(edge, light, 0.046 * trunk.unit, frame_size)]


def _collar(trunk: Trunk, look: Look, frame_size: tuple[int, int]) -> list[Layer | None]:
    """Two flaps and the placket below them."""
    dark, light = mixed(look.shirt, (0, 0, 0), 0.28), mixed(look.shirt, (255, 255, 255), 0.10)
    flaps: list[Layer | None] = []
    for side in (1, -1):
        flap = np.array([(0.175, -0.29), (0.245, -0.215), (0.185, 0.02), (0.012, 0.125), (0.10, -0.06)], np.float32)
        corners = trunk.at(flap * (side, 1))
        below = corners + np.array([0, 0.012 * trunk.unit], np.float32)
        flaps += [_flat(below, dark, frame_size, 0.0), _flat(corners, light, frame_size, 0.0)]
    placket = trunk.at(np.array([(0, 0.125), (0, 3.0)], np.float32))
    return [_line(placket, dark, 0.012 * trunk.unit, frame_size), *flaps]


def _flat(points: Array, colour: Colour, frame_size: tuple[int, int], soften: float) -> Layer | None:
    """A polygon of nearly one colour, a little lighter towards the light."""
    box = bounds(points, 2, *frame_size)
    if box is None:
        return None
    x, y, width, height = box
    mask = np.zeros((height, width), np.uint8)
    polygon(mask, points - np.array([x, y], np.float32))
    grid_x, grid_y = _grid(width, height)
    light = 1.0 - 0.05 * (grid_x / width - 0.5) - (0.06 * (grid_y / height) if soften else 0.0)
    rgb = coloured(np.broadcast_to(light, (grid_y.shape[0], grid_x.shape[1])), colour, width, height, warmth=0.5)
    return Layer(x=x, y=y, rgb=rgb, alpha=mask * np.float32(1 / 255))


def _line(points: Array, colour: Colour, thickness: float, frame_size: tuple[int, int]) -> Layer | None:
    box = bounds(points, thickness + 2, *frame_size)
    if box is None:
        return None
    x, y, width, height = box
    mask = np.zeros((height, width), np.uint8)
    stroke(mask, points - np.array([x, y], np.float32), thickness)
    rgb = np.full((height, width, 3), colour, np.uint8)
    return Layer(x=x, y=y, rgb=rgb, alpha=mask * np.float32(1 / 255))


def _grid(width: int, height: int) -> tuple[Array, Array]:
    """Pixel positions of a coarse grid over a patch: (1, w') x and (h', 1) y."""
    columns, rows = max(2, width // _COARSE), max(2, height // _COARSE)
    x = (np.arange(columns, dtype=np.float32)[None] + 0.5) * (width / columns)
    y = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) * (height / rows)
    return x, y
