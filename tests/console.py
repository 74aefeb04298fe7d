"""The command line as a test calls it: in this process, which has imported what is heavy already."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from studio import cli


def console(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`signstudio` with these words, and what it printed."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    code, out, err = 0, io.StringIO(), io.StringIO()
    args = ["signstudio", *map(str, words)]
    with pytest.MonkeyPatch.context() as patch, chdir(cwd or Path.cwd()), redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", args)
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    for number, handler in kept.items():
        signal.signal(number, handler)
    return subprocess.CompletedProcess(args, code, out.getvalue(), err.getvalue())
