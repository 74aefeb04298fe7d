"""Sign Studio's entry, locally (`python app.py`, `make studio`) and on a Hugging Face Space."""

import typer

from studio.cli.app import serve

if __name__ == "__main__":
    typer.run(serve)
