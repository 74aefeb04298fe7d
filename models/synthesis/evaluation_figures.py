"""The figures of an evaluation of a base action model: strips of clips, what the motion is worth, what was confused.

Everything is said by text, place or number as well as by colour.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.figures import BLUE, INK, PALE, PAPER, Picture, picture, plain, style, tally, write
from models.pages import number
from models.synthesis.evaluated_clips import THUMBNAIL_PX, Measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    "own": "Own motion",
    "other_word": "Motion of another word",
    "no_motion": "No motion",
    "other_signer": "Begun at another signer's frame",
    "medoid": "Word's medoid",
    "barycentre": "Word's barycentre",
    "real": "Real clip",
    "codec": "Real, through the VAE",
    "still": "First frame, still",
    "mean": "Mean of the word",
    "other_sample": "Another sample of the word",
}
_STRIPS = 8
_MOST_WORDS = 24  # in the table of confusions
_GAP, _LABEL = 4, 16  # pixels of a strip


def draw_figures(made: Mapping[str, Any], found: Mapping[str, Sequence[Measured]], folder: Path) -> list[Picture]:
    """Draw and write every figure. made: what `evaluate` measured; found: the clips by variant."""
    real = {one.row["sample"]: one for one in found["real"]}
    figures = [strip(one, real[one.row["sample"]]) for one in _shown(found["own"])]
    figures += [worth(made["variants"]), confusion(made["confusions"])]
    write(figures, folder)
    return figures


def strip(made: Measured, real: Measured) -> Picture:
    """Eight frames of a sample, above, and of what was generated of it, below."""
    from PIL import Image, ImageDraw, ImageFont

    count, side = len(made.thumbnails), THUMBNAIL_PX
    page = Image.new("RGB", (count * (side + _GAP) - _GAP, 2 * (side + _LABEL + _GAP)), PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for row, (label, one) in enumerate((("real", real), ("generated", made))):
        top = row * (side + _LABEL + _GAP)
        pen.text((0, top), label, INK, font)
        for column, thumbnail in enumerate(one.thumbnails):
            enlarged = Image.fromarray(thumbnail).resize((side, side), Image.Resampling.BICUBIC)
            page.paste(enlarged, (column * (side + _GAP), top + _LABEL))
    buffer = io.BytesIO()
    page.save(buffer, "PNG", optimize=True)
    row_ = made.row
    told = "taken for it" if row_["said"] == row_["word"] else f"taken for {row_['said']}"
    name = str(row_["sample"])
    return Picture(
        name="strip-" + "".join(one if one.isascii() and one.isalnum() else "-" for one in name),
        title=name,
        alt=f"{count} frames of {name} in two rows: the real clip above, and the generated one below, {told}.",
        caption=f"{row_['word']} by {row_['signer'] or 'an unnamed signer'}; the generated clip was {told}. "
        f"PSNR {number(row_.get('psnr_db'), 1)} dB, SSIM {number(row_.get('ssim'), 2)}.",
        kind="png",
        data=buffer.getvalue(),
    )


def worth(variants: Mapping[str, Mapping[str, Any]]) -> Picture:
    """The share taken for the sample's word, and PSNR, by what the model was told."""
    names = [name for name in TITLES if name in variants]

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        _bars(
            left, names, [100 * variants[name]["right"] for name in names], "Taken for the sample's word, %", "{:.0f}"
        )
        _bars(right, names, [variants[name].get("psnr_db") for name in names], "PSNR to the sample, dB", "{:.1f}")

    told = "; ".join(
        f"{TITLES[name]}: {100 * variants[name]['right']:.0f} %, {number(variants[name].get('psnr_db'), 1)} dB"
        for name in names
    )
    return picture(
        "variants",
        "What the motion is worth",
        draw,
        alt=f"Bars. {told}.",
        caption="If the embeddings say what is signed, their own motion is far above that of another word and above no "
        "motion. What stands still has a fair PSNR, too: the share that is taken for the word says more.",
        size=(9.5, 0.6 + 0.42 * len(names)),
    )


def confusion(counts: Sequence[Mapping[str, Any]]) -> Picture:
    """What was to be signed (rows) and what it was taken for (columns), of the words with most errors."""
    errors: dict[str, int] = {}
    for one in counts:
        for word in (one["word"], one["said"]):
            errors[word] = errors.get(word, 0) + (one["count"] if one["word"] != one["said"] else 0)
    words = sorted(sorted(errors, key=lambda word: (-errors[word], word))[:_MOST_WORDS])
    table = np.zeros((len(words), len(words)), int)
    for one in counts:
        if one["word"] in words and one["said"] in words:
            table[words.index(one["word"]), words.index(one["said"])] += one["count"]
    wrong = [f"{one['word']} taken for {one['said']}: {one['count']}" for one in counts if one["word"] != one["said"]]
    left = len(errors) - len(words)
    side = 2.4 + 0.36 * len(words)
    return picture(
        "confusion",
        "What was taken for what",
        lambda figure: _table(figure.subplots(), table, words),
        alt=f"A table of numbers. {'; '.join(wrong[:8])}." if wrong else "Every clip was taken for its word.",
        caption="Generated clips by their word (rows) and the word they were taken for (columns); framed: right."
        + (f" {left} words with fewer errors are left out." if left else ""),
        size=(side + 0.8, side),
    )


def _shown(own: Sequence[Measured]) -> list[Measured]:
    """A sample of each word, as far as they go; those that were taken for another word first."""
    wrong = [one for one in own if one.row["said"] != one.row["word"]]
    firsts = {one.row["word"]: one for one in reversed(own)}
    chosen = {
        id(one): one for one in (*wrong[: _STRIPS // 2], *sorted(firsts.values(), key=lambda one: one.row["word"]))
    }
    return list(chosen.values())[:_STRIPS]


def _bars(axes: Axes, names: Sequence[str], values: Sequence[float | None], title: str, form: str) -> None:
    places = np.arange(len(names))
    colours = [BLUE if name == "own" else PALE for name in names]
    axes.barh(places, [value or 0 for value in values], color=colours, edgecolor=INK, linewidth=0.5)
    for place, value in zip(places, values, strict=True):
        words = "not measured" if value is None else form.format(value)
        axes.annotate(words, (value or 0, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(places, [TITLES[name] for name in names])
    axes.margins(x=0.2)
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
    style(axes, title, grid=False)


def _table(axes: Axes, table: NDArray[np.int_], words: Sequence[str]) -> None:
    short = [plain(word, 16) for word in words]
    tally(axes, table, table.sum(axis=1), short, short)
    axes.set_xlabel("taken for")
    axes.set_ylabel("to be signed")
