"""What all report pages share: a page that asks for nothing else, its style, tables, and numbers in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

NOTHING = "–"
"""In place of a number that there is not."""
# Every pair of colours of words and ground keeps 4.5 : 1 at least.
STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1f2328; --soft: #57606a; --line: #d0d7de; --card: #f6f8fa;
  --note: #fff3cd; --note-ink: #4d3800; --link: #0550ae; }
@media (prefers-color-scheme: dark) { :root { --paper: #0d1117; --ink: #e6edf3; --soft: #9da7b3; --line: #3d444d;
  --card: #161b22; --note: #3a2e0a; --note-ink: #f8e3a1; --link: #79b8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p { margin: .4rem 0; max-width: 46rem; } a { color: var(--link); }
.big { font-size: 2.4rem; font-weight: 700; line-height: 1.2; }
.note { background: var(--note); color: var(--note-ink); border-left: .3rem solid currentColor; padding: .7rem 1rem;
  margin: 1rem 0; }
.wide { overflow-x: auto; } .tall { max-height: 40rem; overflow: auto; border: 1px solid var(--line); }
.tall table { margin: 0 .8rem; } .tall caption { padding-top: .5rem; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.tall thead { position: sticky; top: 0; background: var(--paper); }
table { border-collapse: collapse; margin: .5rem 0; min-width: min(100%, 26rem); font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); font-size: .92rem; padding-bottom: .3rem; }
th, td { padding: .35rem .8rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; white-space: nowrap; }
tbody th { font-weight: 600; } .meaning, figcaption { color: var(--soft); font-size: .92rem; }
th[scope=colgroup] { text-align: center; border-left: 1px solid var(--line); padding-left: .8rem; }
.first { border-left: 1px solid var(--line); padding-left: .8rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; max-width: 46rem; }
dt { font-weight: 600; } dd { margin: 0; color: var(--soft); }
figure { margin: 1rem 0; } figcaption { margin-top: .3rem; max-width: 46rem; }
figure > h3 + img { display: block; max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); gap: 1rem; padding: 0;
  list-style: none; }
.clips figure { margin: 0; overflow-wrap: anywhere; }
.clips img, .bare { display: block; width: 100%; aspect-ratio: 1; background: var(--card); }
.bare { padding: 1rem; border: 1px dashed var(--soft); color: var(--soft); font-size: .92rem; }
details { margin: .5rem 0; } summary { cursor: pointer; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
@media print { h2, figure, table { break-inside: avoid; } .tall { max-height: none; } }
"""


def document(title: str, body: Iterable[str], *, style: str = STYLE, images: str = "data:") -> str:
    """A page as one file that asks for nothing else. images: where pictures may come from, as browsers are told."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src {images}; '
        "style-src 'unsafe-inline'\">",
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>",
        f"<h1>{escape(title)}</h1>",
        *body,
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    words: Sequence[int] = (),
    tall: bool = False,
) -> Iterable[str]:
    """A table whose first column names its rows. Texts are escaped here; words: columns that are no numbers."""
    kinds = ["" if at == 0 or at in words else ' class="number"' for at in range(len(heads))]
    name = escape(caption.split(".")[0])
    yield f'<div class="{"tall" if tall else "wide"}" role="group" tabindex="0" aria-label="{name}"><table>'
    yield f"<caption>{escape(caption)}</caption><thead><tr>"
    yield "".join(f'<th scope="col"{kind}>{escape(head)}</th>' for kind, head in zip(kinds, heads, strict=True))
    yield "</tr></thead><tbody>"
    for first, *rest in rows:
        cells = (f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds[1:], rest, strict=True))
        yield f'<tr><th scope="row">{escape(first)}</th>{"".join(cells)}</tr>'
    yield "</tbody></table></div>"


def percent(count: int, of: int) -> str:
    """Rounded down, so that 100 % means all."""
    return f"{1000 * count // of / 10:.1f} %" if of else NOTHING


def share(value: float | None) -> str:
    """A share of 0 to 1 in per cent; a dash for none."""
    return NOTHING if value is None else f"{100 * value:.1f} %"


def number(value: float | None, digits: int) -> str:
    """With so many digits behind the point; a dash for none."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def counted(count: int, one: str, more: str | None = None) -> str:
    """A number of things in words."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"
