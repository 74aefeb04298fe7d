"""The texts of the interface as gettext keeps them: `make languages` lists them in studio.pot and updates each .po.

Babel reads and writes the files. What is in the code is found in its syntax tree, because Babel's own search does not
look into f-strings. With pairs of English and another language in a JSON file, `python tests/languages.py LANGUAGE
FILE ...` fills them in: {"Stop": "Stopp", "{number} clip": ["{number} Video", "{number} Videos"]}.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from studio.texts import FOLDER

ROOT = Path(__file__).parents[1]
POT = FOLDER / "studio.pot"
SAID_BY = {"text": 1, "later": 1, "texts": 2}
"""The functions that mark a text, and how many of their first arguments are one."""


def said(path: Path) -> list[tuple[str | tuple[str, ...], int]]:
    """The texts that a file marks, each with its line; two where a number decides."""
    found: list[tuple[str | tuple[str, ...], int]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAID_BY):
            continue
        words = [one.value if isinstance(one, ast.Constant) else None for one in node.args[: SAID_BY[node.func.id]]]
        if all(isinstance(one, str) and one for one in words):
            found.append((str(words[0]) if len(words) == 1 else tuple(map(str, words)), node.lineno))
    return sorted(found, key=lambda one: one[1])


def template() -> Catalog:
    """Every text of the code, in the order of the files."""
    catalog = Catalog()
    for path in sorted((ROOT / "studio").rglob("*.py")):
        for words, line in said(path):
            catalog.add(words, locations=[(path.relative_to(ROOT).as_posix(), line)])
    return catalog


def write(catalog: Catalog, path: Path) -> None:
    """Write a catalog without what would differ from run to run: dates, and the lines that a text is on."""
    head = ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"]
    if catalog.locale_identifier:
        head += [f"Language: {catalog.locale_identifier}", f"Plural-Forms: {catalog.plural_forms}"]
    with path.open("wb") as file:
        file.write("".join(['msgid ""\nmsgstr ""\n', *(f'"{line}\\n"\n' for line in head), "\n"]).encode())
        write_po(file, catalog, width=120, omit_header=True, include_lineno=False, ignore_obsolete=True)


def read(path: Path) -> Catalog:
    """A translation. Raises PoFileError when it is none."""
    with path.open("rb") as file:
        return read_po(file, locale=path.stem if path.suffix == ".po" else None, abort_invalid=True)


def update(path: Path, texts: Catalog) -> None:
    """Give a translation the texts of today; what is new is empty, what is gone is left out."""
    catalog = read(path)
    catalog.update(texts, no_fuzzy_matching=True)
    write(catalog, path)


def fill(path: Path, pairs: dict[str, str | list[str]]) -> None:
    """Put translations in, by their English."""
    catalog = read(path)
    for english, translated in pairs.items():
        message = catalog.get(english)
        if message is None:
            print(f"{path.name}: nothing says {english!r} any more")
        else:
            message.string = translated if isinstance(translated, str) else tuple(translated)
    write(catalog, path)


def main() -> None:
    """Write studio.pot and update every translation; fill in those that are named."""
    texts = template()
    write(texts, POT)
    for path in sorted(FOLDER.glob("*.po")):
        update(path, texts)
    if len(sys.argv) > 2:
        for pairs in sys.argv[2:]:
            fill(FOLDER / f"{sys.argv[1]}.po", json.loads(Path(pairs).read_text(encoding="utf-8")))
    for path in sorted(FOLDER.glob("*.po")):
        empty = sum(not (all(one.string) if one.pluralizable else one.string) for one in read(path) if one.id)
        print(f"{path.name}: {len(texts)} texts, {empty} not translated")


if __name__ == "__main__":
    main()
