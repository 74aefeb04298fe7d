"""The page of an evaluation of a multi-stream model: one HTML file that asks for nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from models.figures import Picture, in_page
from models.files import replacing
from models.pages import counted, document, table
from models.recognition.multistream.evaluation_figures import WITHOUT
from models.recognition.multistream.judging import FULL, combined
from models.training.ablation import percent

_LISTED = 60  # wrong clips that are named
_TALL = 20  # rows, from which a table scrolls


def write_page(made: Mapping[str, Any], pictures: Sequence[Picture], path: Path) -> None:
    """Write the page of an evaluation.

    made: timestamp, command, device, versions {name: version}; data {folder, split, clips, labels (how many), drawn,
    without_boxes (clips), hands_found (share, or None)}; model {run, name, parameters, streams, trained_on, config};
    result and compositional (as `judging.measured` gives them, the second may be None); streams_masked {stream: {top1,
    top5}}, which may be empty or None; config, if there, is every setting of the training.
    """
    with replacing(path) as temporary:
        temporary.write_text(page(made, pictures), encoding="utf-8")


def page(made: Mapping[str, Any], pictures: Sequence[Picture]) -> str:
    """The page as text."""
    title = f"Evaluation of {made['model']['name']}"
    result = made["result"]
    body = [
        *_about(made),
        "<h2>Does it know what happens?</h2>",
        *_headline(result),
        "<h2>Known actions with other objects</h2>",
        *_compositional(made),
        "<h2>What each stream is worth</h2>",
        *_streams(made),
        "<h2>Labels</h2>",
        *_labels(result),
        "<h2>Clips that are wrong</h2>",
        *_wrong(result),
        "<h2>How sure it is</h2>",
        *_calibration(result),
        "<h2>Pictures</h2>",
        *(in_page(one) for one in pictures),
        "<h2>How this was made</h2>",
        *_how(made),
    ]
    return document(title, body)


def _about(made: Mapping[str, Any]) -> Iterable[str]:
    data = made["data"]
    if data["drawn"]:
        yield (
            '<p class="note"><strong>Trained and judged on drawn clips; says nothing of filmed ones.</strong> The '
            "studio drew the hands, the objects and the scenes. The model has never seen a filmed hand.</p>"
        )
    trained = _sentence(made["model"]["trained_on"]) or "What it was trained on is not known."
    yield (
        f"<p>{escape(trained)} Judged on {counted(data['clips'], 'clip')} of {counted(data['labels'], 'label')} "
        f"(split “{escape(data['split'])}”). Streams: {escape(', '.join(made['model']['streams']))}.</p>"
    )
    if data.get("hands_found") is not None:
        yield (
            f"<p>Of the frames with an annotated hand, its joints were found in {percent(data['hands_found'])}; in "
            "the others the stream of hands is masked.</p>"
        )
    if data.get("without_boxes"):
        yield (
            f'<p class="note">{counted(data["without_boxes"], "clip")} of {data["clips"]:,} have no boxes: the model '
            "judged them without objects.</p>"
        )


def _headline(result: Mapping[str, Any]) -> Iterable[str]:
    if result["unlabelled"]:
        yield (
            f'<p class="note">{counted(result["unlabelled"], "clip")} without a known label '
            f"{'is' if result['unlabelled'] == 1 else 'are'} left out of all numbers.</p>"
        )
    if not result["clips"]:
        yield "<p>Nothing was measured: no clip of the split has a label that the model knows.</p>"
        return
    clips, labels = result["clips"], result["labels"]
    yield f'<p class="big">{percent(result["top1"])}</p>'
    yield (
        f"<p>of {counted(clips, 'clip')} are right (top-1). With other clips of this kind it would be "
        f"{_between(result['top1_interval_95'])} in 95 of 100 tests; another training of the same model may differ by "
        f"more. Guessing among {counted(labels, 'label')} gets {percent(1 / labels)}.</p>"
    )
    rows = (
        ("Top-1", percent(result["top1"]), _between(result["top1_interval_95"]), "the likeliest label is right"),
        (
            f"Top-{result['k']}",
            percent(result["top5"]),
            _between(result["top5_interval_95"]),
            f"the right one is among the {result['k']} likeliest"
            + (": with so few labels it always is" if result["k"] >= labels else ""),
        ),
        (
            "Mean class accuracy",
            percent(result["mean_class_accuracy"]),
            "",
            f"the mean over the {len(result['per_class'])} labels that have clips, whatever their number of clips",
        ),
    )
    yield from table("All clips of the split.", ("Measure", "Share", "95 %", "What it means"), rows, words=(3,))


def _compositional(made: Mapping[str, Any]) -> Iterable[str]:
    found, result = made.get("compositional"), made["result"]
    if made["data"]["split"] == "compositional":
        yield "<p>The split above is the compositional one: every action is done with objects that are new to it.</p>"
        return
    if not found or not found["clips"]:
        yield (
            "<p>Not measured: the data has no compositional split, in which known actions are done with objects that "
            "were never seen in them.</p>"
        )
        return
    rows = [
        (
            name,
            f"{one['clips']:,}",
            percent(one["top1"]),
            _between(one["top1_interval_95"]),
            percent(one["top5"]),
            percent(one["mean_class_accuracy"]),
        )
        for name, one in (("The split above", result), ("Compositional", found))
    ]
    heads = ("Clips", "How many", "Top-1", "95 %", f"Top-{found['k']}", "Mean class accuracy")
    yield "<p>Actions that were trained, done with objects that were not seen in them.</p>"
    yield from table("The split above, and the compositional one.", heads, rows)


def _streams(made: Mapping[str, Any]) -> Iterable[str]:
    rows = combined({FULL: made["result"], **(made.get("streams_masked") or {})})
    if len(rows) < 2 or not made["result"]["clips"]:
        yield "<p>Not measured: no stream was masked.</p>"
        return
    k = made["result"]["k"]
    cells = [
        (
            WITHOUT[one["variant"]].capitalize(),
            percent(one["top1"]),
            "" if one["lost"] is None else f"{-100 * one['lost']:+.1f}",
            percent(one["top5"]),
        )
        for one in rows
    ]
    yield from table(
        "The same trained model, with one stream hidden from it in judging.",
        ("Streams", "Top-1", "Points", f"Top-{k}"),
        cells,
    )
    yield (
        "<p>A stream that costs much when it is hidden is one that this model relies on. A model that is trained "
        "without it might find another way.</p>"
    )


def _labels(result: Mapping[str, Any]) -> Iterable[str]:
    rows = [
        (
            f"{one['label']}  {one['name']}",
            f"{one['clips']:,}",
            f"{one['right']:,}",
            percent(one["top1"]),
            _between(one["top1_interval_95"]),
            "–" if one["taken_for"] is None else f"{one['taken_for']} ({one['taken_for_clips']:,})",
        )
        for one in sorted(result["per_class"], key=lambda one: (one["top1"], -one["clips"], one["label"]))
    ]
    missing = result["labels"] - len(rows)
    heads = ("Label", "Clips", "Right", "Top-1", "95 %", "Most often taken for")
    yield from table("The weakest first.", heads, rows, words=(5,), tall=len(rows) > _TALL)
    if missing:
        yield f"<p>{counted(missing, 'label')} more {'has' if missing == 1 else 'have'} no clip in this split.</p>"


def _wrong(result: Mapping[str, Any]) -> Iterable[str]:
    wrong = result["wrong"]
    if not wrong:
        yield "<p>None.</p>" if result["clips"] else "<p>No clip was judged.</p>"
        return
    rows = [(one["id"], one["label"], one["answer"], percent(one["confidence"])) for one in wrong[:_LISTED]]
    which = f"the {_LISTED} surest of {len(wrong):,}" if len(wrong) > _LISTED else "the surest first"
    heads = ("Clip", "What happens", "Taken for", "Confidence")
    yield from table(f"Clips that are wrong, {which}.", heads, rows, words=(1, 2), tall=len(rows) > _TALL)


def _calibration(result: Mapping[str, Any]) -> Iterable[str]:
    found = result["calibration"]
    error = found["expected_calibration_error"]
    if error is None:
        yield "<p>Not measured: no clip was judged.</p>"
        return
    yield (
        f"<p>Its confidence is {100 * error:.1f} points off the share that is right, on average (expected calibration "
        "error). Smoothed labels make a model less sure than it could be.</p>"
    )
    rows = [
        (
            f"{100 * one['from']:.0f} to {100 * one['to']:.0f} %",
            f"{one['clips']:,}",
            percent(one["confidence"]),
            percent(one["accuracy"]),
        )
        for one in found["bins"]
        if one["clips"]
    ]
    yield from table("By confidence.", ("Confidence", "Clips", "Mean confidence", "Right"), rows)


def _how(made: Mapping[str, Any]) -> Iterable[str]:
    model, data = made["model"], made["data"]
    step = "" if model.get("step") is None else f", weights of step {model['step']}"
    rows = (
        ("Command", made["command"]),
        ("Run", f"{model['run']}{step}"),
        ("Data", f"{data['folder']}, split {data['split']}" + (", drawn by the studio" if data["drawn"] else "")),
        ("Parameters", f"{model['parameters']:,}"),
        ("Made", f"{made['timestamp']}, on {made['device']}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in made["versions"].items())),
    )
    yield from table("", ("", "Value"), rows, words=(1,))
    yield "<p>All numbers, of every clip that is wrong, are in evaluation.json beside this page.</p>"
    settings = escape(json.dumps(made.get("config") or model["config"], indent=1, ensure_ascii=False))
    yield f'<details><summary>Every setting</summary><pre tabindex="0">{settings}</pre></details>'


def _sentence(words: str) -> str:
    """With a capital, and a full stop."""
    return f"{words[:1].upper()}{words[1:].removesuffix('.')}." if words else ""


def _between(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f} %"
