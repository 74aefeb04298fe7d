"""One bone of the person's own arm taken out of the picture and straightened: where it is sleeve, where skin.

A bone's picture is sampled across the bone from one side of the arm to the other, rows along it from joint to joint.
Only what surely is this arm counts as seen: not the own hand before it, not the clothes beside a bare arm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from models.animation.puppet.cut import LOWER_WIDTHS, UPPER_WIDTHS, Cut, OwnArm
from models.animation.puppet.pixels import grown, mask_at, mask_of, picture_at, shrunk, smooth_line
from models.animation.puppet.tones import Tones
from models.animation.target import Image, Target
from models.lexicon.avatar_canvas import Array

ROWS = 64  # places along a bone where widths are measured
_INSET = 0.90  # the outermost part of an arm shows the background through soft edges: it is not sampled
_SHORT = 0.32  # a bone that is shorter than this many shoulder widths in the picture points at the camera
_SKIN_ROW = 0.33  # share of skin in a row of bare arm, at least: clothes and hair hang beside it
_REACH = 2.0  # how many usual half widths from the bone an arm's edge is looked for


@dataclass(frozen=True, kw_only=True)
class Strip:
    """What the picture shows of a bone."""

    texture: Image  # (rows, columns, 3)
    valid: Image  # (rows, columns), 0 or 255
    radii: Array  # (ROWS,) half width in px
    shift: Array  # (ROWS,) px that the arm's middle lies beside the line from its start to the joint at its end
    normal: Array  # (2,) unit vector across the bone in the picture, towards the last column
    bare_from: float  # share of the bone from where on it is skin; 1 is sleeve to the end
    offset: Array  # (2,) px from the joint to the middle of the arm where it starts

    @property
    def share(self) -> float:
        """How much of it is seen."""
        return float((self.valid > 0).mean())

    def mirrored(self) -> Strip:
        """The same bone of the other arm."""
        texture, valid = np.ascontiguousarray(self.texture[:, ::-1]), np.ascontiguousarray(self.valid[:, ::-1])
        offset = self.offset * np.array([-1, 1], np.float32)
        return replace(self, texture=texture, valid=valid, shift=-self.shift, normal=-self.normal, offset=offset)


@dataclass(frozen=True, kw_only=True)
class _Axis:
    start: Array
    end: Array
    normal: Array
    usual: Array  # (ROWS,) usual half widths in px

    def grid(self, rows: int, across: Array, radii: Array, shift: Array) -> Array:
        """(rows, len(across), 2) places in the picture; across: -1..1 in half widths, or more."""
        u = np.linspace(0, 1, rows, dtype=np.float32)
        places = np.linspace(0, 1, ROWS)
        beside = np.interp(u, places, shift)[:, None] + across[None] * np.interp(u, places, radii)[:, None]
        along = self.start + u[:, None] * (self.end - self.start)
        return np.asarray(along[:, None] + self.normal * beside[..., None], np.float32)


def usual_radii(bone: str, unit: float) -> Array:
    """(ROWS,) half widths in px that the "upper" or "lower" bone usually has; unit: px between the shoulders."""
    widths = UPPER_WIDTHS if bone == "upper" else LOWER_WIDTHS
    places = np.linspace(0, 1, ROWS)
    return np.asarray(np.interp(places, np.linspace(0, 1, len(widths)), widths) * unit, np.float32)


def unroll(target: Target, cut: Cut, arm: OwnArm, bone: str, tones: Tones, *, bare_from: float | None = None) -> Strip:
    """Straighten the "upper" or "lower" bone of an arm. bare_from: where
    skin begins, if that is known already."""
    start, end = (arm.joints[i, :2] for i in ((0, 1) if bone == "upper" else (1, 2)))
    length = float(np.linalg.norm(end - start)) + 1e-3
    along = (end - start) / length
    usual = usual_radii(bone, cut.unit)
    axis = _Axis(start=start, end=end, normal=np.array([-along[1], along[0]], np.float32), usual=usual)
    near, shown = (_shown(target, cut, arm, margin) for margin in (2, max(2, round(0.05 * cut.unit))))
    radii, shift = (
        _upper_extents(target, cut, arm, axis) if bone == "upper" else _extents([arm.mask] * 2, arm.hand, axis)
    )
    rows, columns = max(8, round(0.9 * cut.unit)), max(8, round(2.2 * float(usual.max())))
    v = np.linspace(-_INSET, _INSET, columns, dtype=np.float32)
    # Where a sleeve ends is judged by all that is seen, what is kept by what is well away from the hand.
    texture, valid = _sampled(target.image, near, arm.mask, axis.grid(rows, v, radii, shift), bone)
    if bare_from is None:
        bare_from = _bare_from(_skin_rows(tones.skin(texture), valid))
    radii, shift = _narrowed(tones.skin(texture), valid, bare_from, radii, shift, usual)
    texture, valid = _sampled(target.image, shown, arm.mask, axis.grid(rows, v, radii, shift), bone)
    is_skin = tones.skin(texture) > 0
    below = np.arange(rows) >= bare_from * rows
    beside_skin = grown(mask_of(is_skin), max(1, round(0.015 * cut.unit))) > 0
    valid[np.where(below[:, None], ~is_skin, beside_skin)] = 0
    known = arm.seen[0] if bone == "upper" else all(arm.seen)
    if not known or length < _SHORT * cut.unit:
        valid[:] = 0
    return Strip(
        texture=texture,
        valid=valid,
        radii=radii,
        shift=shift - shift[0] * (1 - np.linspace(0, 1, ROWS, dtype=np.float32)),
        normal=axis.normal,
        bare_from=float(bare_from),
        offset=np.asarray(axis.normal * shift[0], np.float32),
    )


def _shown(target: Target, cut: Cut, arm: OwnArm, margin: int) -> Image:
    """(H, W) 255 where the picture shows neither background nor the hand, by a margin in px, nor the other arm."""
    solid = shrunk(mask_of(target.person > 0.9), 1)
    other = cut.arms["left" if arm is cut.arms["right"] else "right"].mask
    return np.asarray(solid & ~grown(arm.hand, margin) & ~other, np.uint8)


def _sampled(image: Image, shown: Image, mask: Image, grid: Array, bone: str) -> tuple[Image, Image]:
    texture = picture_at(image, grid)
    valid = mask_at(shown, grid)
    own = mask_at(shown & mask, grid)
    # Near the shoulder arm and torso are one piece of cloth.
    free = int(0.35 * len(grid)) if bone == "upper" else 0
    valid[free:] = own[free:]
    return texture, valid


def _skin_rows(skin: Array, valid: Image) -> Array:
    """(rows,) share of skin among what is seen in each row, nan where little is."""
    seen = valid > 0
    count = seen.sum(axis=1)
    share = (skin * seen).sum(axis=1) / np.maximum(count, 1)
    return np.asarray(np.where(count > 0.15 * seen.shape[1], share, np.nan), np.float32)


def _bare_from(share: Array) -> float:
    """Where along the bone sleeve ends and skin begins, so that the fewest rows contradict it."""
    vote = np.nan_to_num(np.clip((share - _SKIN_ROW) / _SKIN_ROW, -1, 1))
    before, after = np.concatenate([[0], np.cumsum(-vote)]), np.concatenate([np.cumsum(vote[::-1])[::-1], [0]])
    # Rows that are not seen vote for neither: a sleeve goes on until skin is seen.
    edge = (len(share) - int(np.argmax((before + after)[::-1]))) / len(share)
    # A few rows of skin at the very end are another limb's, and a few of cloth at the beginning a strap.
    if edge > 0.94:
        return 1.0
    return edge if edge > 0.15 else 0.0


def _narrowed(
    skin: Array, valid: Image, bare_from: float, radii: Array, shift: Array, usual: Array
) -> tuple[Array, Array]:
    """Width and middle where the arm is bare, by the band of skin: clothes and hair hang beside it."""
    rows, columns = valid.shape
    v = np.linspace(-_INSET, _INSET, columns)
    band = cv2.medianBlur(((skin > 0) & (valid > 0)).astype(np.uint8), 5) > 0
    low, high = np.full(rows, np.nan), np.full(rows, np.nan)
    for row in range(int(bare_from * rows), rows):
        run = _longest_run(band[row])
        if run is not None and run[1] - run[0] > 0.25 * columns:
            low[row], high[row] = v[run[0]] / _INSET, v[run[1] - 1] / _INSET
    if np.isfinite(low).sum() < 5:
        return radii, shift
    places = np.linspace(0, rows - 1, ROWS)
    bare = np.linspace(0, 1, ROWS) >= bare_from
    left, right = (np.interp(places, np.arange(rows), _steady(side, 1.0)) for side in (low, high))
    middle, half = np.where(bare, (left + right) / 2, 0), np.where(bare, np.maximum((right - left) / 2, 0.6), 1)
    half = np.where(bare, np.maximum(radii * half, 0.75 * usual), radii * half)
    half[bare] = smooth_line(half[bare], 4)
    return half.astype(np.float32), smooth_line(np.clip(shift + radii * middle, -0.4 * usual, 0.4 * usual), 4)


def _longest_run(row: NDArray[np.bool_]) -> tuple[int, int] | None:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
    if not len(edges):
        return None
    runs = edges.reshape(-1, 2)
    start, stop = runs[np.argmax(runs[:, 1] - runs[:, 0])]
    return int(start), int(stop)


def _upper_extents(target: Target, cut: Cut, arm: OwnArm, axis: _Axis) -> tuple[Array, Array]:
    """The same for an upper arm: where it leaves the shoulder, its outer edge is the person's."""
    outer = int(float(axis.normal[0]) * float(axis.start[0] - cut.figure.body[0, [11, 12], 0].mean()) > 0)
    person = mask_of(target.person > 0.5)
    masks = [arm.mask, arm.mask]
    masks[outer] = person | arm.mask
    return _extents(masks, arm.hand, axis, free=0.3, outer=outer)


def _extents(masks: list[Image], hand: Image, axis: _Axis, *, free: float = 0.0, outer: int = 0) -> tuple[Array, Array]:
    """Half width of the arm and how far its middle lies beside the bone, at ROWS places along it, in px.

    masks: where the arm is, seen from the bone towards -normal and +normal. free: share of the bone at its start
    where only the `outer` one says anything, because the torso goes on there. Nothing is measured through the own hand.
    """
    steps = np.linspace(0, _REACH, 60, dtype=np.float32)
    flat = np.zeros(ROWS, np.float32)
    reaches = []
    for number, (sign, mask) in enumerate(zip((-1, 1), masks, strict=True)):
        grid = axis.grid(ROWS, sign * steps, axis.usual, flat)
        inside = mask_at(mask, grid) > 0
        inside[:, : len(steps) // 10] = True  # small gaps at the bone itself
        edge = np.argmin(inside, axis=1)
        before_hand = np.argmax(mask_at(hand, grid) > 0, axis=1)
        blocked = inside.all(axis=1) | ((before_hand > 0) & (before_hand <= edge + 2))
        reach = np.where(blocked, np.nan, steps[edge])
        if number != outer:
            reach[: round(free * ROWS)] = np.nan
        reaches.append(np.where(reach < 0.22, np.nan, reach))
    low, high = (_steady(reach, 1.0) for reach in reaches)
    if free > 0:
        # Near the elbow the forearm lies beside the bone: an arm does not widen there.
        late = round(0.6 * ROWS)
        low[late:], high[late:] = (np.minimum(side[late:], side[late]) for side in (low, high))
    radii = np.clip((low + high) / 2, 0.45, 1.45) * axis.usual
    shift = np.clip((high - low) / 2, -0.5, 0.5) * axis.usual
    return radii.astype(np.float32), shift.astype(np.float32)


def _steady(reach: Array, default: float) -> Array:
    """Gaps filled, single errors taken out, smoothed along the bone."""
    good = np.isfinite(reach)
    if good.sum() < 5:
        return np.full(len(reach), default, np.float32)
    places = np.arange(len(reach))
    whole = np.interp(places, places[good], reach[good])
    reach_of = max(1, len(reach) // 16)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(whole, reach_of, mode="edge"), 2 * reach_of + 1)
    median = np.median(windows, axis=-1)
    kernel = np.ones(2 * reach_of + 1) / (2 * reach_of + 1)
    return np.convolve(np.pad(median, reach_of, mode="edge"), kernel, "valid").astype(np.float32)
