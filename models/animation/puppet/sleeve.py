"""Complete textures for both arms, made of what the picture shows of them.

What is not seen is taken from what is: the rest of the same bone, the other arm mirrored, the torso's cloth, or plain
skin, in this order. A forearm always ends in skin of the hands' colour, below the cuff where there is a sleeve.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np

from models.animation.puppet.cut import LOWER_WIDTHS, SHOULDER_CAP, Cut
from models.animation.puppet.fill import spread
from models.animation.puppet.pixels import smooth_line
from models.animation.puppet.tones import Tones
from models.animation.puppet.unroll import ROWS, Strip, unroll, usual_radii
from models.animation.target import Image, Target
from models.lexicon.avatar_canvas import Array, disc
from models.lexicon.avatar_figure import SIDES

_ENOUGH = 0.25  # share of a bone that must be seen for its texture to be its own
_WHOLE = 0.85  # share of a bare arm that must be seen for its details to be kept
_CLEAR = 0.75  # share of a row of sleeve that must be seen for it to be trusted
_BARE_ELBOW = 0.93  # a sleeve that ends before this share of the upper arm leaves the forearm bare
_CUFF = 0.90  # share of the forearm that a long sleeve covers at most, so that hands have wrists

_Key = tuple[str, str]  # side, "upper" or "lower"


@dataclass(frozen=True, kw_only=True)
class Bone:
    """One bone ready to be drawn."""

    texture: Image  # (rows along, columns across, 3)
    radii: Array  # (ROWS,) half width in px along the bone
    shift: Array  # (ROWS,) how far the arm's middle lies beside the line of the bone, towards the last column, in px
    normal: Array | None  # (2,) across the bone in the picture, towards the last column; None: evenly lit
    bare_from: float  # share of the bone from where on it is skin; 1 is sleeve to the end
    offset: Array  # (2,) px from the joint to the middle of the arm where it starts


def sleeves(target: Target, cut: Cut, tone: tuple[int, int, int]) -> dict[_Key, Bone]:
    """Both bones of both arms, keyed by (side, "upper" or "lower"). `tone` is the hands' colour."""
    tones = Tones(target, cut, tone)
    strips = _strips(target, cut, tones)
    bones = {key: _bone(key, strips, cut, tones) for key in strips}
    for side in SIDES:
        bones[(side, "upper")] = _with_shoulder(bones[(side, "upper")], side, cut, tones)
        lower = _with_wrist(bones[(side, "lower")], cut, tones.tone)
        bones[(side, "upper")], bones[(side, "lower")] = _joined(bones[(side, "upper")], lower)
    return bones


def _strips(target: Target, cut: Cut, tones: Tones) -> dict[_Key, Strip]:
    """All bones unrolled, with sleeves that end once: above the elbow, and the forearm is bare, or below it."""
    uppers = {side: unroll(target, cut, cut.arms[side], "upper", tones) for side in SIDES}
    ends = [strip.bare_from for strip in uppers.values() if strip.share >= _ENOUGH]
    bare = bool(ends) and min(ends) < _BARE_ELBOW
    forearms = [share for share in map(tones.bare_forearm, cut.arms.values()) if share is not None]
    if bare and min(ends) > 0.6 and forearms and float(np.mean(forearms)) < 0.4:
        # What looked bare is a hand held before the elbow of a sleeve.
        bare = False
        uppers = {side: unroll(target, cut, cut.arms[side], "upper", tones, bare_from=1.0) for side in SIDES}
    known = 0.0 if bare else None
    lowers = {side: unroll(target, cut, cut.arms[side], "lower", tones, bare_from=known) for side in SIDES}
    return {(side, name): strips[side] for name, strips in (("upper", uppers), ("lower", lowers)) for side in SIDES}


def _bone(key: _Key, strips: Mapping[_Key, Strip], cut: Cut, tones: Tones) -> Bone:
    """The complete bone: its own strip, the other side's mirrored, or made of plain cloth and skin."""
    side, name = key
    own, other = strips[key], strips[("left" if side == "right" else "right", name)]
    # Clothes and hair before a bare arm look like a sleeve; nothing makes a sleeve look bare.
    hidden = own.bare_from > other.bare_from + 0.1 and other.share > 0.5
    if other.share >= _ENOUGH and (own.share < _ENOUGH or hidden):
        own, other = other.mirrored(), own
    if other.share >= _ENOUGH and abs(own.bare_from - other.bare_from) < 0.2:
        # Where a mask misses part of an arm it is too thin; both arms are alike.
        places, ends = np.linspace(0, 1, ROWS), sorted((own.bare_from, other.bare_from))
        alike = (places < ends[0]) | (places > ends[1])
        radii = np.where(alike, np.maximum(own.radii, 0.92 * other.radii), own.radii)
        own = replace(own, radii=radii.astype(np.float32))
    if own.share >= _ENOUGH:
        return Bone(
            texture=_completed(own),
            radii=own.radii,
            shift=own.shift,
            normal=own.normal,
            bare_from=own.bare_from,
            offset=own.offset,
        )
    bare_from = _guess(name, strips, cut, tones)
    upper = max((strips[(other_side, "upper")] for other_side in SIDES), key=lambda strip: strip.share)
    if name == "lower" and bare_from > 0.5 and upper.share >= _ENOUGH and upper.bare_from >= _BARE_ELBOW:
        # The sleeve goes on below the elbow as it came, seen in a mirror.
        above = _completed(upper)[::-1]
        texture = np.asarray(cv2.resize(above, own.texture.shape[1::-1], interpolation=cv2.INTER_AREA), np.uint8)
    else:
        texture = _plain(own.texture.shape, bare_from, cut, tones)
    radii = usual_radii(name, cut.unit)
    return Bone(texture=texture, radii=radii, shift=radii * 0, normal=None, bare_from=bare_from, offset=radii[:2] * 0)


def _guess(name: str, strips: Mapping[_Key, Strip], cut: Cut, tones: Tones) -> float:
    """Where skin begins on a bone that is hardly seen: by what shows of it, or a bare forearm below a short sleeve."""
    if name == "upper":
        return 1.0
    seen = [share for share in map(tones.bare_forearm, cut.arms.values()) if share is not None]
    if seen:
        return 0.0 if float(np.mean(seen)) > 0.5 else 1.0
    return 0.0 if any(strips[(side, "upper")].bare_from < _BARE_ELBOW for side in SIDES) else 1.0


def _completed(strip: Strip) -> Image:
    """The texture with its unseen parts filled, sleeve from sleeve and skin from skin."""
    texture = strip.texture.copy()
    edge = round(strip.bare_from * len(texture))
    sleeve, skin = slice(0, edge), slice(edge, len(texture))
    if strip.valid[sleeve].any():
        texture[sleeve] = _filled(texture[sleeve], strip.valid[sleeve])
        if strip.bare_from == 1:
            texture = _mirrored_end(texture, (strip.valid > 0).mean(axis=1))
    if strip.valid[skin].any():
        texture[skin] = _even_skin(texture[skin], strip.valid[skin])
    return texture


def _mirrored_end(texture: Image, seen: Array) -> Image:
    """A sleeve whose end is mostly hidden, often by the own hand, goes on as it came, mirrored."""
    good = np.flatnonzero(seen > _CLEAR)
    if not len(good) or good[-1] < len(seen) // 3:
        return texture
    last = int(good[-1])
    rows = np.arange(len(seen))
    return texture[np.where(rows <= last, rows, np.maximum(2 * last - rows, 0))]


def _filled(texture: Image, valid: Image) -> Image:
    """Holes filled with what is around them, softly."""
    result = np.where(valid[..., None] > 0, texture, spread(texture, valid))
    soft = cv2.GaussianBlur(result, (0, 0), 2)
    return np.ascontiguousarray(np.where(valid[..., None] > 0, result, soft))


def _even_skin(texture: Image, valid: Image) -> Image:
    """Skin as it is seen, or, where much of it is hidden, its colours along and across the arm without detail."""
    pixels = texture[valid > 0].astype(np.float32)
    middle = np.median(pixels, axis=0)
    off = np.abs(texture.astype(np.float32) - middle).max(axis=-1)
    typical = max(30.0, 3 * float(np.median(np.abs(pixels - middle).max(axis=-1))))
    valid = np.where(off < typical, valid, 0).astype(np.uint8)
    if (valid > 0).mean() > _WHOLE:
        return _filled(texture, valid)
    known = np.where(valid[..., None] > 0, texture, np.nan).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows and columns of which nothing is seen
        along, across = np.nanmedian(known, axis=1), np.nanmedian(known, axis=0)
    along, across = (np.where(np.isfinite(line), line, middle) for line in (along, across))
    along, across = (smooth_line(np.asarray(line, np.float32), len(line) / 8) for line in (along, across))
    model = along[:, None] * across[None] / np.maximum(middle, 8)
    noise = np.random.default_rng(0).normal(0, 1.2, texture.shape[:2])[..., None]
    return np.clip(model + noise, 0, 255).astype(np.uint8)


def _plain(shape: tuple[int, ...], bare_from: float, cut: Cut, tones: Tones) -> Image:
    """A texture of the torso's cloth or of plain skin."""
    if bare_from < 0.5 or not len(tones.cloth):
        noise = np.random.default_rng(0).normal(0, 1.5, shape[:2])[..., None]
        return np.clip(tones.tone + noise, 0, 255).astype(np.uint8)
    patch = _cloth_patch(cut)
    repeats = [-(-wanted // (2 * had)) for wanted, had in zip(shape[:2], patch.shape[:2], strict=True)]
    doubled = np.concatenate([patch, patch[::-1]])
    doubled = np.concatenate([doubled, doubled[:, ::-1]], axis=1)
    return np.ascontiguousarray(np.tile(doubled, (*repeats, 1))[: shape[0], : shape[1]])


def _cloth_patch(cut: Cut) -> Image:
    """The largest square of plain torso cloth."""
    framed = cv2.copyMakeBorder(cut.cloth, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distance = cv2.distanceTransform(framed, cv2.DIST_C, 3)[1:-1, 1:-1]
    y, x = (int(v) for v in np.unravel_index(int(distance.argmax()), distance.shape))
    reach = max(2, int(min(float(distance[y, x]) - 1, 0.2 * cut.unit)))
    return np.ascontiguousarray(cut.torso[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach, :3])


def _with_shoulder(bone: Bone, side: str, cut: Cut, tones: Tones) -> Bone:
    """A bare upper arm that starts in the colour of the shoulder, which stays with the torso."""
    if bone.bare_from > 0.3:
        return bone
    zone = np.zeros(cut.cloth.shape, np.uint8)
    disc(zone, cut.arms[side].joints[0, :2], SHOULDER_CAP * cut.unit)
    pixels = cut.torso[(zone > 127) & (cut.torso[..., 3] > 200)][:, :3]
    skin = pixels[tones.skin(pixels[None])[0] > 0] if len(pixels) else pixels
    if len(skin) < 20:
        return bone
    start = np.maximum(np.median(bone.texture[: len(bone.texture) // 8].reshape(-1, 3), axis=0), 4)
    toned = _toned(bone.texture[::-1], np.median(skin, axis=0) / start, 0.5)[::-1]
    return replace(bone, texture=np.ascontiguousarray(toned))


def _with_wrist(bone: Bone, cut: Cut, tone: Array) -> Bone:
    """A forearm that ends in skin of the hand's colour, below the cuff of a sleeve or changing slowly along the arm."""
    rows = len(bone.texture)
    u = np.linspace(0, 1, rows, dtype=np.float32)
    places = np.linspace(0, 1, ROWS)
    texture, bare_from = bone.texture.astype(np.float32), bone.bare_from
    wrist = LOWER_WIDTHS[-1] * cut.unit
    if bare_from > 0.8:
        bare_from = min(bare_from, _CUFF)
        radii = np.where(places > bare_from, 0.86 * wrist, np.maximum(bone.radii, 1.12 * wrist))
        skin = u > bare_from
        # The cuff throws a shadow on the wrist.
        shade = 1 - 0.35 * np.clip(1 - (u[skin] - bare_from) / 0.05, 0, 1)
        texture[skin] = tone * shade[:, None, None]
    else:
        # The hand's own wrist has to fit on, whatever the mask says where hand and forearm meet.
        near = np.clip((places - 0.6) / 0.4, 0, 1)
        radii = bone.radii * (1 - near) + 0.95 * wrist * near
        last = np.median(texture[int(0.85 * rows) :].reshape(-1, 3), axis=0)
        ramp = np.clip((u - bare_from) / max(1 - bare_from, 0.1), 0, 1) ** 1.5
        texture *= np.clip(tone / np.maximum(last, 8), 0.6, 1.6) ** ramp[:, None, None]
    rounded = np.clip(texture, 0, 255).astype(np.uint8)
    return replace(bone, texture=rounded, radii=radii.astype(np.float32), bare_from=bare_from)


def _joined(upper: Bone, lower: Bone) -> tuple[Bone, Bone]:
    """Both bones as thick as each other at the elbow, and of one colour there when both are skin or both are cloth."""
    elbow = (upper.radii[-1] + lower.radii[0]) / 2
    near = np.clip(1 - (1 - np.linspace(0, 1, ROWS, dtype=np.float32)) / 0.4, 0, 1)
    upper_radii = upper.radii * (elbow / upper.radii[-1]) ** near
    lower_radii = lower.radii * (elbow / lower.radii[0]) ** near[::-1]
    above, below = upper.texture, lower.texture
    if 0.75 < upper.bare_from < 0.97 and lower.bare_from < 0.05:
        # A hem at the elbow: the little skin above is the forearm's.
        above = above.copy()
        edge = round(upper.bare_from * len(above)) + 1
        above[edge:] = np.median(below[: len(below) // 8].reshape(-1, 3), axis=0).astype(np.uint8)
    elif (upper.bare_from < 0.95) == (lower.bare_from < 0.05):
        depth = max(2, len(above) // 16)
        if upper.bare_from < 0.95:
            depth = max(1, min(depth, int((1 - upper.bare_from) * len(above)) - 2))
        end, start = (np.maximum(np.median(part.reshape(-1, 3), axis=0), 4) for part in (above[-depth:], below[:depth]))
        middle = np.sqrt(end * start)
        above = _toned(above, middle / end, max(0.5, upper.bare_from % 1))
        below = np.ascontiguousarray(_toned(below[::-1], middle / start, 0.5)[::-1])
    return (
        replace(upper, radii=upper_radii.astype(np.float32), shift=upper.shift * (1 - near), texture=above),
        replace(
            lower, radii=lower_radii.astype(np.float32), shift=lower.shift * 0, offset=lower.offset * 0, texture=below
        ),
    )


def _toned(texture: Image, gain: Array, start: float) -> Image:
    """The texture with its colours multiplied by `gain` (3,) at its end, by less and less back to the share `start`."""
    ramp = np.clip((np.linspace(0, 1, len(texture), dtype=np.float32) - start) / max(1 - start, 0.02), 0, 1)
    return np.clip(texture * np.clip(gain, 0.5, 2.0) ** ramp[:, None, None], 0, 255).astype(np.uint8)
