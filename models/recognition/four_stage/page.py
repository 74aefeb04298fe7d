"""The page of an evaluation: one HTML file that asks for nothing else, for light and dark screens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from models.figures import Picture, in_page
from models.files import replacing
from models.pages import document
from models.recognition.evaluation_report import NOT_MEASURED, counted
from models.recognition.four_stage.pictures import examples
from models.training.ablation import percent

_EXAMPLES = 4
# Name in the evaluation, what it is called, what it means.
_STAGES: tuple[tuple[str, str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "stage1",
        "Stage 1: frames and glosses",
        (
            ("mean_similarity", "Mean similarity", "Cosine of the frames of a sign to its gloss; 1 is the same."),
            (
                "similarity_to_others",
                "Similarity to other glosses",
                "The same to all other glosses; it should be lower.",
            ),
            ("alignment", "Alignment", "Share of aligned frames that are nearer to their gloss than to any other."),
            ("chance", "Alignment by chance", "What frames that know nothing would reach."),
        ),
    ),
    (
        "stage2",
        "Stage 2: keyframes",
        (
            ("selection_ratio", "Selection ratio", "Share of the frames that is kept."),
            (
                "entropy",
                "Entropy",
                "How even the scores of a clip's frames are; 1 is wholly even, 0 is all on one frame.",
            ),
            (
                "balanced_accuracy",
                "Balanced accuracy against motion",
                "How far the kept frames are those with most motion, of the same number; 0.5 is chance.",
            ),
        ),
    ),
    (
        "stage3",
        "Stage 3: sequence",
        (
            ("frame_accuracy", "Frame accuracy", "Share of aligned frames that are taken for the right gloss."),
            (
                "temporal_consistency",
                "Temporal consistency",
                "Of two keyframes that follow each other, how often both are taken for the same gloss.",
            ),
            (
                "temporal_consistency_within_signs",
                "… within signs",
                "The same for two keyframes of one sign, where a change is always an error.",
            ),
        ),
    ),
    (
        "stage4",
        "Stage 4: decoding",
        (
            ("sequence_accuracy", "Sequence accuracy", "Share of clips of which every gloss is right."),
            (
                "mean_posterior",
                "Mean posterior on the forced path",
                "Probability that CTC gives to what it should say, averaged over keyframes.",
            ),
            ("blank_rate", "Blank rate", "Share of keyframes in which CTC says nothing; near 1 it has collapsed."),
        ),
    ),
)
_KINDS = {"right": "right", "substitution": "taken for", "deletion": "left out", "insertion": "put in"}
# Every pair of colours of words and ground keeps 4.5 : 1 at least.
_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1f2328; --soft: #57606a; --line: #d0d7de; --card: #f6f8fa;
  --note: #fff3cd; --note-ink: #4d3800; --wrong: #ffe0db; --wrong-ink: #82180d; --link: #0550ae; }
@media (prefers-color-scheme: dark) { :root { --paper: #0d1117; --ink: #e6edf3; --soft: #9da7b3; --line: #3d444d;
  --card: #161b22; --note: #3a2e0a; --note-ink: #f8e3a1; --wrong: #4a1712; --wrong-ink: #ffc9c2; --link: #79b8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p { margin: .4rem 0; } a { color: var(--link); }
.note { background: var(--note); color: var(--note-ink); border-left: .3rem solid currentColor; padding: .7rem 1rem;
  margin: 1rem 0; }
.soft, figcaption { color: var(--soft); font-size: .92rem; }
.big { font-size: 2.4rem; font-weight: 700; line-height: 1.2; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; white-space: nowrap; }
.meaning { color: var(--soft); }
.words th { color: var(--soft); font-weight: 400; font-size: .85rem; }
.words td { padding: .35rem .6rem; border: 1px solid var(--line); text-align: center; }
.words td.wrong { background: var(--wrong); color: var(--wrong-ink); font-weight: 700; }
figure { margin: 1rem 0 2rem; } figcaption { margin-top: .3rem; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); }
code, pre { font-family: ui-monospace, monospace; font-size: .9rem; background: var(--card); }
code { padding: .1rem .3rem; } pre { padding: .8rem; overflow-x: auto; border: 1px solid var(--line); }
@media print { h2, figure, table { break-inside: avoid; } }
"""


def write_page(made: Mapping[str, Any], pictures: Sequence[Picture], path: Path) -> None:
    """Write the page of an evaluation, as `evaluate` gives it."""
    with replacing(path) as temporary:
        temporary.write_text(page(made, pictures), encoding="utf-8")


def page(made: Mapping[str, Any], pictures: Sequence[Picture]) -> str:
    """The page as text."""
    title = f"Evaluation of {made['model']['name']}"
    body = [
        *_about(made),
        "<h2>Word error rate</h2>",
        *_rates(made),
        "<h2>What each stage does</h2>",
        *_stages(made["stage_metrics"]),
        "<h2>Sentences</h2>",
        *_sentences(made["sentences"]),
        "<h2>Pictures</h2>",
        *(in_page(one) for one in pictures),
        "<h2>How this was made</h2>",
        *_how(made),
    ]
    return document(title, body, style=_STYLE)


def _about(made: Mapping[str, Any]) -> Iterable[str]:
    data = made["data"]
    clips, signers = counted(data["clips"], "clip"), counted(data["signers"], "signer")
    yield (
        f"<p>{escape(made['model']['trained_on'])} Judged on {clips} of {signers} "
        f"(split “{escape(data['split'])}”, {data['seconds']:.0f} s of video).</p>"
    )
    if data["drawn"]:
        yield (
            '<p class="note"><strong>Trained and judged on drawn signers only.</strong> The studio drew everybody in '
            "these clips. The model has never seen a person, and nothing here says how it does on one.</p>"
        )
    if made["model"]["start"] == "scratch":
        yield "<p>Trained from scratch: no published weights of ResNet or BERT, and learned gloss vectors.</p>"


def _rates(made: Mapping[str, Any]) -> Iterable[str]:
    rate = made["word_error_rate"]
    yield f'<p class="big">{percent(rate["wer"])}</p>'
    between = made.get("wer_interval_95")
    if between:
        errors, signs = counted(rate["total_errors"], "error"), counted(rate["total_words"], "sign")
        yield (
            f"<p>{errors} in {signs}. With other sentences of this kind it would lie between "
            f"{percent(between[0])} and {percent(between[1])} in 95 of 100 tests; another training of the same model "
            "may differ by more.</p>"
        )
    yield from _infeasible(made["infeasible"])
    rows = [("All", made["data"]["clips"], rate)]
    rows += [(name, one["clips"], one) for name, one in made["per_signer"].items()]
    heads = ("Clips", "Signs", "WER", "Accuracy", "Taken for another", "Left out", "Put in")
    yield '<div class="wide"><table><thead><tr><th scope="col">Signer</th>'
    yield "".join(f'<th scope="col" class="number">{one}</th>' for one in heads) + "</tr></thead><tbody>"
    for name, clips, one in rows:
        kinds = one["error_types"]
        cells = (clips, one["total_words"], percent(one["wer"]), percent(one["accuracy"]), *kinds.values())
        yield f'<tr><th scope="row">{escape(name)}</th>'
        yield "".join(f'<td class="number">{cell}</td>' for cell in cells) + "</tr>"
    yield "</tbody></table></div>"


def _infeasible(found: Mapping[str, Any]) -> Iterable[str]:
    count = found["of_keyframes"]
    if not count:
        yield "<p>Every clip has keyframes enough for its glosses.</p>"
        return
    names = ", ".join(map(escape, found["names"][:8])) + (" …" if count > 8 else "")
    yield (
        f'<p class="note">{count} of {found["clips"]} clips have fewer keyframes than their glosses need '
        f"({found['of_frames']} of them also fewer frames), so that they cannot be recognized whole. They count in "
        f"WER, and not where a figure needs an alignment: {names}</p>"
    )


def _stages(found: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    for key, title, rows in _STAGES:
        yield f"<h3>{title}</h3>"
        if all(found[key].get(name) is None for name, _, _ in rows):
            yield "<p>This model does not have it.</p>"
            continue
        yield '<div class="wide"><table><thead><tr><th scope="col">Measure</th>'
        yield '<th scope="col" class="number">Value</th>'
        yield '<th scope="col">What it means</th></tr></thead><tbody>'
        for name, words, meaning in rows:
            value = found[key].get(name)
            shown = NOT_MEASURED if value is None else f"{value:.3f}"
            yield f'<tr><th scope="row">{words}</th><td class="number">{shown}</td>'
            yield f'<td class="meaning">{meaning}</td></tr>'
        yield "</tbody></table></div>"


def _sentences(sentences: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    best, worst = examples(sentences, _EXAMPLES)
    right = sum(not one["errors"] for one in sentences)
    yield f"<p>{right} of {len(sentences)} are right from beginning to end.</p>"
    yield "<h3>The best</h3>"
    yield from (_sentence(sentences[one]) for one in best)
    if worst:
        yield "<h3>The worst</h3>"
        yield from (_sentence(sentences[one]) for one in worst)


def _sentence(one: Mapping[str, Any]) -> str:
    steps = one["steps"]
    errors = counted(one["errors"], "error") if one["errors"] else "no errors"
    return "".join(
        (
            f'<p class="soft">{escape(one["clip"])}, {escape(one["signer"])}: {errors}, {one["keyframes"]} of '
            f"{one['frames']} frames kept</p>",
            '<div class="wide"><table class="words">',
            _row("Signed", steps, [step["reference"] or "—" for step in steps]),
            _row("Recognized", steps, [step["hypothesis"] or "—" for step in steps]),
            _row("That is", steps, [_KINDS[step["kind"]] for step in steps]),
            "</table></div>",
        )
    )


def _row(name: str, steps: Sequence[Mapping[str, Any]], words: Sequence[str]) -> str:
    marks = ("" if step["kind"] == "right" else ' class="wrong"' for step in steps)
    cells = "".join(f"<td{mark}>{escape(word)}</td>" for mark, word in zip(marks, words, strict=True))
    return f'<tr><th scope="row">{name}</th>{cells}</tr>'


def _how(made: Mapping[str, Any]) -> Iterable[str]:
    model, data = made["model"], made["data"]
    step = "" if model["step"] is None else f", weights of step {model['step']}"
    rows = (
        ("Command", f"<code>{escape(made['command'])}</code>"),
        ("Run", escape(model["run"]) + step),
        (
            "Data",
            escape(f"{data['folder']}, split {data['split']}") + (", drawn by the studio" if data["drawn"] else ""),
        ),
        ("Parameters", f"{model['parameters']:,}"),
        ("Made", f"{escape(made['timestamp'])}, on {escape(made['device'])}"),
        ("Versions", escape(", ".join(f"{name} {version}" for name, version in made["versions"].items()))),
    )
    yield '<div class="wide"><table>'
    yield from (f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in rows)
    yield "</table></div>"
    yield "<p>All numbers are in evaluation.json beside this page.</p>"
    settings = escape(json.dumps(made["config"], indent=1, ensure_ascii=False))
    yield f'<details><summary>Every setting of the training</summary><pre tabindex="0">{settings}</pre></details>'
