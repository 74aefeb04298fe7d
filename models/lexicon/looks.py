"""How the avatar looks: skin, hair, clothes, background.

Interpreters wear plain clothes that contrast with their skin, so that the hands read clearly; so do these signers.
Colours are RGB 0..255.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from models.errors import LexiconError

Colour = tuple[int, int, int]
HairStyle = Literal["crop", "side", "bob", "long", "bun", "curls", "buzz"]
Neckline = Literal["crew", "v", "collar", "turtle"]
Sleeve = Literal["short", "elbow", "long"]

_MIN_CONTRAST = 1.9  # luminance ratio of skin and cloth below which hands drown in the shirt


@dataclass(frozen=True, kw_only=True)
class Look:
    """One signer's appearance.

    build scales the width of torso and limbs (1 is average, 0.85..1.2); the landmarks themselves never move.
    """

    skin: Colour
    hair: Colour
    hair_style: HairStyle
    shirt: Colour
    neckline: Neckline = "crew"
    sleeve: Sleeve = "long"
    background: tuple[Colour, Colour] = ((214, 219, 224), (168, 176, 184))
    """Top and bottom of the backdrop's gradient."""
    iris: Colour = (84, 58, 40)
    lips: Colour | None = None
    """None: a shade of the skin."""
    build: float = 1.0

    def __post_init__(self) -> None:
        if not 0.7 <= self.build <= 1.4:
            raise ValueError(f"build is {self.build}; give 0.7 to 1.4")
        for name, styles in (("hair_style", HairStyle), ("neckline", Neckline), ("sleeve", Sleeve)):
            if getattr(self, name) not in get_args(styles):
                raise ValueError(f"{name} is {getattr(self, name)!r}; give one of {', '.join(get_args(styles))}")

    @property
    def contrast(self) -> float:
        """Luminance ratio (WCAG 2) of skin and shirt, 1..21."""
        return _contrast(self.skin, self.shirt)

    @staticmethod
    def random(seed: int) -> Look:
        """A plausible look for this seed, always with hands that stand out against the shirt."""
        rng = np.random.default_rng(seed)
        skin = _varied(rng, _SKINS[rng.integers(len(_SKINS))], 9)
        shirts = [shirt for shirt in _SHIRTS if _contrast(skin, shirt) >= _MIN_CONTRAST + 0.4]
        tone = _varied(rng, _BACKDROPS[rng.integers(len(_BACKDROPS))], 12)
        shirt = _varied(rng, shirts[rng.integers(len(shirts))], 6)
        dark_eyes = sum(skin) < 480 or rng.random() < 0.5
        return Look(
            skin=skin,
            hair=_varied(rng, _HAIRS[rng.integers(3 if dark_eyes else len(_HAIRS))], 8),
            hair_style=get_args(HairStyle)[rng.integers(len(get_args(HairStyle)))],
            shirt=shirt,
            neckline=get_args(Neckline)[rng.integers(len(get_args(Neckline)))],
            sleeve=get_args(Sleeve)[rng.integers(len(get_args(Sleeve)))],
            background=(tone, _scaled(tone, float(rng.uniform(0.72, 0.9)))),
            iris=(72, 48, 34) if dark_eyes else ((92, 116, 136), (96, 108, 72), (104, 76, 48))[rng.integers(3)],
            build=float(rng.uniform(0.88, 1.15)),
        )


def _luminance(colour: Colour) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(first: Colour, second: Colour) -> float:
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _scaled(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, max(0, round(v * factor))) for v in colour)
    return red, green, blue


def _varied(rng: np.random.Generator, colour: Colour, spread: int) -> Colour:
    shift = rng.integers(-spread, spread + 1) + rng.integers(-spread // 3, spread // 3 + 1, 3)
    red, green, blue = (int(min(255, max(0, v + d))) for v, d in zip(colour, shift, strict=True))
    return red, green, blue


_SKINS: tuple[Colour, ...] = (
    (230, 196, 172), (221, 180, 150), (206, 158, 124), (190, 138, 102), (158, 108, 76), (122, 80, 56), (92, 60, 44),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (30, 24, 22), (52, 38, 30), (74, 50, 36), (112, 76, 48), (164, 126, 80), (138, 66, 38), (150, 148, 146),
)  # fmt: skip
_SHIRTS: tuple[Colour, ...] = (
    (38, 46, 62), (30, 32, 36), (44, 66, 92), (40, 74, 70), (84, 42, 58), (60, 52, 84),
    (222, 224, 226), (206, 214, 224), (196, 206, 190), (232, 224, 208),
)  # fmt: skip
_BACKDROPS: tuple[Colour, ...] = (
    (216, 220, 225), (206, 216, 224), (226, 220, 210), (200, 210, 200), (212, 206, 218), (150, 168, 184),
)  # fmt: skip

LOOKS: dict[str, Look] = {
    "alex": Look(
        skin=(216, 171, 138), hair=(64, 44, 32), hair_style="side", shirt=(38, 58, 84), neckline="crew",
        sleeve="long", iris=(92, 112, 128),
    ),
    "amara": Look(
        skin=(104, 68, 50), hair=(26, 21, 20), hair_style="curls", shirt=(220, 216, 206), neckline="v",
        sleeve="elbow", background=((206, 216, 214), (150, 168, 170)), build=0.97,
    ),
    "mei": Look(
        skin=(226, 188, 158), hair=(28, 25, 28), hair_style="bob", shirt=(44, 46, 54), neckline="collar",
        sleeve="long", background=((226, 222, 214), (186, 180, 170)), build=0.92,
    ),
    "ravi": Look(
        skin=(172, 122, 88), hair=(26, 23, 22), hair_style="crop", shirt=(32, 46, 50), neckline="collar",
        sleeve="elbow", background=((222, 226, 230), (176, 186, 196)), build=1.06,
    ),
    "sofia": Look(
        skin=(208, 162, 128), hair=(92, 58, 38), hair_style="long", shirt=(74, 36, 54), neckline="v",
        sleeve="elbow", background=((222, 214, 208), (180, 170, 164)), iris=(96, 84, 48), build=0.93,
    ),
    "kofi": Look(
        skin=(82, 54, 42), hair=(22, 19, 19), hair_style="buzz", shirt=(206, 212, 220), neckline="crew",
        sleeve="short", background=((170, 188, 204), (122, 142, 162)), build=1.12,
    ),
    "ingrid": Look(
        skin=(231, 199, 178), hair=(176, 142, 98), hair_style="bun", shirt=(34, 74, 76), neckline="turtle",
        sleeve="long", background=((212, 218, 222), (166, 176, 184)), iris=(104, 132, 152), build=0.95,
    ),
    "walter": Look(
        skin=(222, 181, 156), hair=(168, 166, 164), hair_style="crop", shirt=(46, 48, 62), neckline="collar",
        sleeve="long", background=((204, 212, 204), (158, 168, 160)), iris=(88, 104, 116), build=1.08,
    ),
}  # fmt: skip
"""Ready-made signers by name."""


def find_look(name: str) -> Look:
    """A ready-made look by its name, or one of chance by a number. Raises LexiconError for anything else."""
    wanted = name.strip().lower()
    if re.fullmatch("[0-9]{1,18}", wanted):
        return Look.random(int(wanted))
    if wanted not in LOOKS:
        raise LexiconError(f"There is no look {name[:40]!r}; choose {', '.join(LOOKS)}, or a number for one of chance.")
    return LOOKS[wanted]
