"""The language of the interface.

English stands in the code, inside `text(...)`; assets/languages/studio.pot lists all of it in one place, and a file
`<language>.po` beside that is a whole translation. What is not translated is shown in English. One studio speaks one
language, chosen when it starts; the core (models/) speaks English.
"""

from __future__ import annotations

import gettext
from io import BytesIO
from pathlib import Path

from models.errors import SignError

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "languages"
ENGLISH = "en"

_spoken: gettext.NullTranslations = gettext.NullTranslations()


def text(english: str, **values: object) -> str:
    """The sentence in the language of the studio, with {values} filled in."""
    said = _spoken.gettext(english) if english else ""  # gettext keeps the file's head under the empty text
    return said.format(**values) if values else said


def texts(one: str, many: str, number: int, **values: object) -> str:
    """The sentence that fits the number, which it may name as {number}."""
    return _spoken.ngettext(one, many, number).format(number=number, **values)


def later(english: str) -> str:
    """Marks a text that is kept as it is and goes through `text` when it is shown, as constants do."""
    return english


def languages() -> dict[str, str]:
    """What the interface can speak: code to the language's own name."""
    from babel import Locale

    found = [ENGLISH, *sorted(path.stem for path in FOLDER.glob("*.po"))]
    return {code: str(Locale.parse(code).get_display_name(code)).capitalize() for code in found}


def use(language: str) -> None:
    """Speak this language from now on. Raises SignError when there is no translation into it."""
    global _spoken
    if language == ENGLISH:
        _spoken = gettext.NullTranslations()
        return
    if language not in languages():
        known = ", ".join(f"{code} ({name})" for code, name in languages().items())
        raise SignError(f"There is no translation into {language!r}; there are {known}.")
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with (FOLDER / f"{language}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language, abort_invalid=True))
    compiled.seek(0)
    _spoken = gettext.GNUTranslations(compiled)
