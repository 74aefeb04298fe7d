"""The page of an evaluation of a base action model: one HTML file that asks for nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from models.figures import Picture, in_page
from models.files import replacing
from models.pages import counted, document, number, share, table
from models.synthesis.evaluation_figures import TITLES
from models.synthesis.metrics import FID

_ORDER = ("own", "medoid", "barycentre", "other_signer", "other_word", "no_motion")
_COMPARED = ("real", "codec", "other_sample", "mean", "still")
_HEADS = ("Clips", "Taken for the word", "… for what it was told", "PSNR, dB", "SSIM", "Similarity", "Hands, palms")
_MEANING = (
    ("Taken for the word", "share of clips for which the judge of words says the word of the sample"),
    ("… for what it was told", "the same against the word whose motion the model was given"),
    ("PSNR, SSIM", "of the pictures to those of the sample, in floating point"),
    ("Similarity", "mean cosine of the encoder's embeddings to those of the same frame of the sample"),
    ("Hands, palms", "mean distance of a hand's landmarks to those of the sample, in palm widths"),
    ("Hands found", "share of the sample's hands that could be told in the clip"),
)


def write_page(made: Mapping[str, Any], figures: Sequence[Picture], path: Path) -> None:
    """Write the page of an evaluation, as `evaluate` gives it."""
    with replacing(path) as temporary:
        temporary.write_text(page(made, figures), encoding="utf-8")


def page(made: Mapping[str, Any], figures: Sequence[Picture]) -> str:
    """The page as text."""
    title = f"Evaluation of {made['model']['name']}"
    body = [
        *_about(made),
        "<h2>Does it sign the word?</h2>",
        *_headline(made),
        *_variants("What was generated", _ORDER, made["variants"]),
        *_variants("For comparison, nothing of it generated", _COMPARED, made["variants"]),
        *_meanings(),
        "<h2>Hands</h2>",
        *_hands(made),
        "<h2>Over time</h2>",
        *_temporal(made["temporal"]),
        "<h2>Features</h2>",
        *_frechet(made["frechet"]),
        *([] if made["fid"] is None else _frechet(made["fid"])),
        "<h2>By signer and word</h2>",
        *_groups("Signer", made["per_signer"]),
        *_groups("Word", made["per_word"]),
        "<h2>Pictures</h2>",
        *(in_page(one) for one in figures),
        "<h2>How this was made</h2>",
        *_how(made),
    ]
    return document(title, body)


def _about(made: Mapping[str, Any]) -> Iterable[str]:
    data = made["data"]
    trained = made["model"]["trained_on"]
    trained = f"{trained[:1].upper()}{trained[1:]}." if trained else "What it was trained on is not known."
    signers = f" of {counted(data['signers'], 'signer')}" if data["signers"] else ""
    yield (
        f"<p>{escape(trained)} Judged on {counted(data['samples'], 'sample')}{signers} and "
        f"{counted(data['words'], 'word')} (split “{escape(data['split'])}”, {data['frames']} frames of {data['size']} "
        "px).</p>"
    )
    known = data["signers_known_from_training"]
    if known:
        yield f'<p class="note">{counted(known, "signer")} of these also sign in training samples.</p>'
    if data["drawn"]:
        yield (
            '<p class="note"><strong>Trained and judged on drawn signers only.</strong> The studio drew everybody in '
            "these clips. The model has never seen a person, and nothing here says how it does on one.</p>"
        )


def _headline(made: Mapping[str, Any]) -> Iterable[str]:
    yield f'<p class="big">{share(made["right"])}</p>'
    between, who = made["right_interval_95"], "signers" if made["data"]["signers"] else "samples"
    likely = (
        f" With other {who} it would be {share(between[0])} to {share(between[1])} in 95 of 100 tests."
        if between
        else ""
    )
    met = "met" if made["aim_met"] else "not met"
    yield (
        "<p>of the clips that were generated of samples the model had not seen are taken for their word by a judge "
        f"that learned from real clips only. Of the real clips it gets {share(made['right_of_real'])} right."
        f"{likely} The aim, {share(made['aim'])}, is {met}.</p>"
    )


def _variants(title: str, names: Sequence[str], found: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    rows = [
        (
            TITLES[name],
            str(found[name]["clips"]),
            share(found[name]["right"]),
            share(found[name]["right_as_told"]),
            number(found[name]["psnr_db"], 1),
            number(found[name]["ssim"], 3),
            number(found[name]["similarity"], 3),
            number(found[name]["hand_distance_palms"], 2),
            share(found[name]["hands_found"]),
        )
        for name in names
        if name in found
    ]
    yield from table(title, ("Clip", *_HEADS, "Hands found"), rows)


def _meanings() -> Iterable[str]:
    yield "<dl>"
    yield from (f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>" for name, words in _MEANING)
    yield "</dl>"


def _hands(made: Mapping[str, Any]) -> Iterable[str]:
    own, real = made["variants"]["own"], made["variants"]["real"]
    yield (
        f"<p>Read by {escape(made['hands_read_by'])}, and compared with the landmarks of the sample. In generated "
        f"clips {share(own['hands_found'])} of the hands are found, "
        f"{number(own['hand_distance_palms'], 2)} palm widths from where they should be. In the real clips it is "
        f"{share(real['hands_found'])} and {number(real['hand_distance_palms'], 2)}: that much is the reader's own "
        "error.</p>"
    )


def _temporal(found: Mapping[str, float | None]) -> Iterable[str]:
    rows = (
        (
            "Warping error",
            number(found["warping_error"], 2),
            number(found["warping_error_real"], 2),
            "what optical flow does not explain of a change, grey levels of 255; a video that is smeared has little",
        ),
        (
            "Flicker",
            number(found["flicker"], 2),
            number(found["flicker_real"], 2),
            "change from frame to frame where the real clip is still, grey levels",
        ),
        (
            "Liveliness",
            number(found["liveliness"], 2),
            "1",
            "all change from frame to frame, as a multiple of the real clip's: less is smeared, more trembles",
        ),
    )
    yield from table("Generated beside real", ("Measure", "Generated", "Real", "What it means"), rows, words=(3,))


def _frechet(found: Mapping[str, Any]) -> Iterable[str]:
    what = (
        "With so few frames FID is larger than with the usual 50,000."
        if found["measure"] == FID
        else "This is not FID, which needs the Inception network's features, and compares with no other number but "
        "this one of other runs on the same data."
    )
    yield (
        f"<p>{escape(found['measure'])}: {number(found['distance'], 1)} between {found['real_frames']:,} real and "
        f"{found['generated_frames']:,} generated frames. {what}</p>"
    )
    if found["half_real_to_real"] is not None:
        yield (
            "<p>Signers in two halves: from the real clips of one half to those of the other it is "
            f"{number(found['half_real_to_real'], 1)}, and from generated clips of one half to real clips of the "
            f"other {number(found['half_generated_to_real'], 1)}.</p>"
        )


def _groups(title: str, groups: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    rows = [
        (
            name or "not known",
            str(one["clips"]),
            share(one["right"]),
            number(one["psnr_db"], 1),
            number(one["ssim"], 3),
            number(one["hand_distance_palms"], 2),
        )
        for name, one in groups.items()
    ]
    heads = (title, "Clips", "Taken for the word", "PSNR, dB", "SSIM", "Hands, palms")
    yield from table(f"Generated clips by {title.lower()}", heads, rows, tall=len(rows) > 20)


def _how(made: Mapping[str, Any]) -> Iterable[str]:
    model, data, sampling = made["model"], made["data"], made["sampling"]
    step = "" if model["step"] is None else f", weights of step {model['step']}"
    own = made["variants"]["own"]["seconds"]
    rows = (
        ("Command", made["command"]),
        ("Run", f"{model['run']}{step}"),
        ("Data", f"{data['folder']}, split {data['split']}" + (", drawn by the studio" if data["drawn"] else "")),
        ("Sampling", ", ".join(f"{name} {value}" for name, value in sampling.items())),
        ("Seconds per clip", f"{number(own, 1)} on {made['device']}"),
        ("Parameters", f"{model['parameters']:,}"),
        ("Made", made["timestamp"]),
        ("Versions", ", ".join(f"{name} {version}" for name, version in made["versions"].items())),
    )
    yield from table("What it was made with.", ("What", "Value"), rows, words=(1,))
    yield "<p>All numbers, of every clip, are in evaluation.json beside this page.</p>"
    settings = escape(json.dumps(made["config"], indent=1, ensure_ascii=False))
    yield f'<details><summary>Every setting of the training</summary><pre tabindex="0">{settings}</pre></details>'
