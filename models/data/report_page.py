"""The page of a run's report: one HTML file for light and dark screens that asks for nothing but its thumbnails.

Every text that comes from the data is escaped. It needs no scripts, and says nothing by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from models.data import report_sections as sections
from models.data.report_figures import TabledPicture, pictures
from models.data.wlasl import SPLITS
from models.figures import in_page
from models.files import replacing
from models.pages import counted, document, percent, table

_STEPS = ("asked", "found", "extracted", "kept")
# Name in the report, head of the column, what it means.
_COUNTS = (
    ("asked", "Asked", "Instances that the data set lists for the chosen glosses and limits."),
    ("found", "Found", "Their video is here, downloaded or brought along."),
    ("extracted", "Extracted", "Their pose was made from the video; it may still be rejected."),
    ("kept", "Kept", "Their pose passed the limits. These make up the lexicons."),
    ("excluded", "Taken out", "Their pose passed, and you took them out by hand."),
    ("rejected", "Rejected", "The pose was made, or tried, and is not good enough; the reasons are below."),
    ("failed", "Failed", "An error, of the network or of a file; the next run tries them again."),
    ("dead", "Dead", "The link leads nowhere any more; it is not tried again unless you ask for it."),
    ("waiting", "Waiting", "Still to do: their video is not here, or a phase has not been run."),
)
_NEAR = (
    ("kept", "Kept, with the fewest hands seen", "Look at these first: they are the weakest of what was kept."),
    ("rejected", "Rejected, with the most hands seen", "If these look good to you, the limits are too strict."),
)
_LIMITS = (
    ("min_frames", 1, "its signing lasts at least {:g} frames"),
    ("min_hands", 100, "the leading hand is seen in at least {:g} % of the frames in which it signs"),
    ("min_body", 100, "the upper body is seen in at least {:g} % of the signing"),
)
_PROBLEMS_SHOWN = 200


def write_page(report: Mapping[str, Any], path: Path) -> None:
    """Write the page of a report, as `models.data.report` makes it."""
    with replacing(path) as temporary:
        temporary.write_text(page(report), encoding="utf-8")


def page(report: Mapping[str, Any]) -> str:
    """The page as text."""
    title = "WLASL: what became of every clip"
    body = [
        *_summary(report),
        '<h2 id="through">What came through</h2>',
        *_through(report),
        '<h2 id="lost">What was lost, and why</h2>',
        *sections.reasons(report),
        '<h2 id="training">Glosses and training examples</h2>',
        *sections.training(report),
        '<h2 id="shared">Signers, and what stands in several splits</h2>',
        *sections.signers(report),
        *sections.shared(report),
        '<h2 id="figures">Hands and durations</h2>',
        *(_figure(one) for one in pictures(report)),
        *sections.durations(report),
        '<h2 id="near">Clips near the limit</h2>',
        *_near(report),
        '<h2 id="glosses">Every gloss</h2>',
        *_glosses(report),
        '<h2 id="made">How this was made</h2>',
        *_made(report),
    ]
    return document(title, body, images="'self' data: file:")


def _summary(report: Mapping[str, Any]) -> Iterable[str]:
    found = report["all"]
    yield f'<p class="big">{found["kept"]:,} of {counted(found["asked"], "instance")} kept</p>'
    yield (
        f"<p>That is {percent(found['kept'], found['asked'])} of what was asked for, and "
        f"{percent(found['kept'], found['found'])} of the {counted(found['found'], 'instance')} of which there is a "
        f"video. They cover {found['kept_glosses']:,} of {counted(found['glosses'], 'gloss', 'glosses')} and "
        f"{found['kept_signers']:,} of {counted(found['signers'], 'known signer')}.</p>"
    )
    if found["waiting"]:
        waiting = counted(found["waiting"], "instance is", "instances are")
        yield _note(f"{waiting} still to do: the video is not here, or a phase has not been run. Run what is left.")
    if report["no_training"]:
        none = counted(len(report["no_training"]), "gloss has", "glosses have")
        yield _note(f'{none} <a href="#training">no training example</a>.')
    if report["shared"]["signers"]:
        both = counted(len(report["shared"]["signers"]), "signer stands", "signers stand")
        yield _note(f'{both} <a href="#shared">in several splits</a>: a test on them is not signer-independent.')


def _through(report: Mapping[str, Any]) -> Iterable[str]:
    rows = [(split, report["splits"][split]) for split in SPLITS] + [("all", report["all"])]
    yield from table(
        "Instances of each split. Kept, taken out, rejected, failed, dead and waiting add up to asked.",
        ("Split", *(head for _, head, _ in _COUNTS), "Kept of asked"),
        ((name, *(f"{one[key]:,}" for key, _, _ in _COUNTS), percent(one["kept"], one["asked"])) for name, one in rows),
    )
    yield "<dl>"
    yield from (f"<dt>{head}</dt><dd>{meaning}</dd>" for _, head, meaning in _COUNTS)
    yield "</dl>"


def _figure(one: TabledPicture) -> str:
    title = one.picture.title
    rows = "\n".join(table(title, one.heads, one.rows))
    return f"{in_page(one.picture)}<details><summary>{escape(title)}, as a table</summary>{rows}</details>"


def _near(report: Mapping[str, Any]) -> Iterable[str]:
    options = report["options"]
    limits = [words.format(unit * options[key]) for key, unit, words in _LIMITS if options.get(key) is not None]
    if limits:
        yield f"<p>A clip is kept when {', '.join(limits)}.</p>"
    if options.get("anonymize"):
        yield "<p>There are no pictures of these clips, because the run makes its signers anonymous.</p>"
    for fate, title, words in _NEAR:
        if report["examples"][fate]:
            yield f'<h3>{title}</h3><p>{words}</p><ul class="clips">'
            yield from (_clip(one) for one in report["examples"][fate])
            yield "</ul>"
    if not any(report["examples"].values()):
        yield "<p>No clip has a pose yet.</p>"


def _clip(one: Mapping[str, Any]) -> str:
    signer = f"signer {one['signer']}" if one["signer"] else "an unknown signer"
    picture = ""
    if one["thumb"]:
        alt = f"{one['gloss']} by {signer}, in the middle of the signing"
        picture = f'<img alt="{escape(alt)}" src="{escape(one["thumb"])}" width="192" height="192" loading="lazy">'
    elif one.get("no_thumb"):
        picture = f'<div class="bare">No picture: {escape(one["no_thumb"])}</div>'
    why = f"<br>{escape(one['why'])}" if one["why"] else ""
    return (
        f"<li><figure>{picture}<figcaption><strong>{escape(one['item'])}</strong>, {escape(one['split'])}, "
        f"{escape(signer)}<br>hands {100 * one['hands']:.0f} %, body {100 * one['body']:.0f} %{why}"
        "</figcaption></figure></li>"
    )


def _glosses(report: Mapping[str, Any]) -> Iterable[str]:
    words = (
        "How many instances of each gloss were asked for, found, extracted and kept in each split; signers of the kept."
    )
    yield f'<div class="tall" role="group" tabindex="0" aria-label="Every gloss"><table><caption>{words}</caption>'
    yield '<thead><tr><th scope="col" rowspan="2">Gloss</th>'
    yield "".join(f'<th scope="colgroup" colspan="5">{split}</th>' for split in SPLITS)
    yield '<th scope="col" rowspan="2" class="number">Signers</th></tr><tr>'
    heads = [head for key, head, _ in _COUNTS if key in _STEPS] + ["Signers"]
    for _ in SPLITS:
        yield "".join(f'<th scope="col" class="number{_at(at)}">{head}</th>' for at, head in enumerate(heads))
    yield "</tr></thead><tbody>"
    for row in report["glosses"]:
        cells = [
            f'<td class="number{_at(at)}">{row["splits"][split][key]}</td>'
            for split in SPLITS
            for at, key in enumerate((*_STEPS, "kept_signers"))
        ]
        gloss = escape(row["gloss"])
        yield f'<tr><th scope="row">{gloss}</th>{"".join(cells)}<td class="number">{row["kept_signers"]}</td></tr>'
    yield "</tbody></table></div>"


def _made(report: Mapping[str, Any]) -> Iterable[str]:
    if report["options"]:
        yield from table(
            "Settings that decide what is asked for and kept.",
            ("Setting", "Value"),
            ((name.replace("_", " "), _shown(value)) for name, value in report["options"].items()),
            words=(1,),
        )
    if report["problems"]:
        yield "<h3>What was wrong with the list, and left out</h3><ul>"
        yield from (f"<li>{escape(one)}</li>" for one in report["problems"][:_PROBLEMS_SHOWN])
        yield "</ul>"
    yield "<p>All numbers are in report.json beside this page.</p>"


def _note(html: str) -> str:
    return f'<p class="note">{html}</p>'


def _at(column: int) -> str:
    return "" if column else " first"


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
