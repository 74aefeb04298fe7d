"""What became of every item of a data set, in one SQLite file: the memory that an interrupted run goes on from.

One row per item and phase. Only the process that leads a run writes; it holds a lock meanwhile. Workers, here or on
other machines, hand their results to it. A row is written after the files that it speaks of.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from filelock import FileLock, Timeout

from models.errors import SignError

State = Literal["done", "rejected", "failed", "dead"]
STATES: tuple[State, ...] = ("done", "rejected", "failed", "dead")
FILE, LOCK = "manifest.sqlite", ".manifest.lock"

_TABLES = """
CREATE TABLE IF NOT EXISTS rows (
  phase TEXT NOT NULL, item TEXT NOT NULL, state TEXT NOT NULL, made_from TEXT NOT NULL, output TEXT NOT NULL,
  words TEXT NOT NULL, info TEXT NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (phase, item)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one phase made of one item."""

    phase: str
    item: str
    state: State
    """done; rejected: it works, and is not good enough; failed: try again; dead: a link that leads nowhere."""
    made_from: str = ""
    """Whatever the result depends on; another value means that the work is to be done again."""
    output: str = ""
    """The file that was made, a name in the store."""
    words: str = ""
    """Why it was rejected or failed, one sentence."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """What was measured, as JSON."""
    seconds: float = 0.0


class Manifest:
    """The rows of a data set's folder. Use it in a `with` block; writing=True waits for nobody, and lets nobody else
    write. Raises SignError when somebody else is writing, or when the file is none of ours."""

    def __init__(self, folder: str | Path, *, writing: bool = False) -> None:
        self.folder = Path(folder)
        self._writing = writing
        self._lock = FileLock(self.folder / LOCK, timeout=3)
        self._base: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        path = self.folder / FILE
        if self._writing:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire()
            except Timeout as error:
                raise SignError(f"{self.folder.name} is being worked on already, by another process.") from error
        elif not path.is_file():
            raise SignError(f"{self.folder.name} holds no data set yet: there is no {FILE} in it.")
        try:
            self._base = sqlite3.connect(path, timeout=30, isolation_level=None)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")  # survives kill -9; a power cut may cost the last rows
            self._base.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            self.__exit__()
            raise SignError(f"{self.folder.name}/{FILE} cannot be read ({error}); move it away.") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._base is not None:
            self._base.close()
            self._base = None
        if self._writing:
            self._lock.release()

    def put(self, row: Row) -> None:
        """Write a row, in place of the one of the same phase and item."""
        values = (row.phase, row.item, row.state, row.made_from, row.output, row.words)
        self._run(
            "INSERT OR REPLACE INTO rows VALUES (?,?,?,?,?,?,?,?)",
            (*values, json.dumps(row.info, sort_keys=True), round(row.seconds, 3)),
        )

    def get(self, phase: str, item: str) -> Row | None:
        """The row of an item, or None."""
        return next(self._rows("WHERE phase=? AND item=?", (phase, item)), None)

    def rows(self, phase: str, state: State | None = None) -> Iterator[Row]:
        """The rows of a phase in the order of their items, one at a time."""
        if state is None:
            return self._rows("WHERE phase=? ORDER BY item", (phase,))
        return self._rows("WHERE phase=? AND state=? ORDER BY item", (phase, state))

    def counts(self, phase: str) -> dict[State, int]:
        """How many rows of a phase are in each state."""
        found = dict(self._run("SELECT state, COUNT(*) FROM rows WHERE phase=? GROUP BY state", (phase,)))
        return {state: int(found.get(state, 0)) for state in STATES}

    def forget(self, phase: str, item: str) -> None:
        """Take a row away."""
        self._run("DELETE FROM rows WHERE phase=? AND item=?", (phase, item))

    def note(self, name: str, value: Any) -> None:
        """Keep something about the whole data set, such as the options it is made with."""
        self._run("INSERT OR REPLACE INTO notes VALUES (?,?)", (name, json.dumps(value, sort_keys=True)))

    def noted(self, name: str) -> Any:
        """What was kept by `note`, or None."""
        found = self._run("SELECT value FROM notes WHERE name=?", (name,))
        return json.loads(found[0][0]) if found else None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Rows written in the block appear together; much faster for thousands."""
        self._run("BEGIN")
        try:
            yield
        except BaseException:
            self._run("ROLLBACK")
            raise
        self._run("COMMIT")

    def _rows(self, where: str, values: tuple[str, ...]) -> Iterator[Row]:
        assert self._base is not None
        sql = f"SELECT phase, item, state, made_from, output, words, info, seconds FROM rows {where}"
        with closing(self._base.execute(sql, values)) as cursor:
            for phase, item, state, made_from, output, words, info, seconds in cursor:
                yield Row(
                    phase=phase,
                    item=item,
                    state=state,
                    made_from=made_from,
                    output=output,
                    words=words,
                    info=json.loads(info),
                    seconds=seconds,
                )

    def _run(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        assert self._base is not None
        return self._base.execute(sql, values).fetchall()
