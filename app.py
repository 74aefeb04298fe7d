"""Sign Studio's entry, locally (`python app.py`, `make studio`) and on a Hugging Face Space."""

import functools

import typer

from studio.cli import told
from studio.cli.app import serve

if __name__ == "__main__":
    told(functools.partial(typer.run, serve))
