"""The command line: one file per verb. Heavy imports happen inside the commands, so that `--help` is instant."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from models.errors import SignError
from studio.cli import actions, animate, base, data, lexicon, pose, recognize, train, weights
from studio.cli import app as app_command
from studio.cli.synthesize import synthesize

cli = typer.Typer(
    name="signstudio",
    help="Sign Studio: work with sign language on video.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.add_typer(pose.cli, name="pose")
cli.add_typer(lexicon.cli, name="lexicon")
cli.add_typer(animate.cli, name="animate")
cli.add_typer(recognize.cli, name="recognize")
cli.add_typer(actions.cli, name="actions")
cli.add_typer(base.cli, name="base")
cli.add_typer(data.cli, name="data")
cli.add_typer(train.cli, name="train")
cli.add_typer(weights.cli, name="weights")
cli.command("synthesize")(synthesize)
cli.command("app")(app_command.serve)
cli.command("app-password")(app_command.app_password)
cli.command("samples")(app_command.samples)


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit code 2."""
    told(cli)


def told(command: Callable[[], object]) -> None:
    """Run a command; a SignError is told in one line."""
    try:
        command()
    except SignError as error:
        print(f"signstudio: {error}", file=sys.stderr)
        sys.exit(2)
