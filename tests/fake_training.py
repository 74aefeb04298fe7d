"""What `signstudio train run --run FOLDER --wait` does, without a model: steps that take a moment, and faults on order.

The config says: steps, pause (seconds), deaf (does not stop when asked), fault (the step in which it dies).
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from models.progress import Cancelled
from models.training.run import Best, Run, Status
from studio import jobs


def main() -> None:
    run = Run(sys.argv[sys.argv.index("--run") + 1])
    config = run.config()["config"]
    if config.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with jobs.claimed(run):
        try:
            with jobs.turn(run):
                train(run, config)
        except Cancelled:
            run.say(state="stopped")  # while its process is still that of the run


def train(run: Run, config: dict) -> None:
    steps, checkpoint = config["steps"], run.folder / "checkpoint"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    print(f"going from {done}", flush=True)
    for step in range(done + 1, steps + 1):
        if run.should_stop() and not config.get("deaf"):
            raise Cancelled
        time.sleep(config["pause"])
        if step == config.get("fault"):
            print(f"\rstep 1\rthe last words \x1b[31min step {step}", flush=True)
            raise SystemExit(3)
        run.append({"kind": "train", "step": step, "loss": 1 / step})
        checkpoint.write_text(str(step))
        run.tell(Status(state="training", step=step, steps=steps, best=Best(metric="wer", value=0.5, step=1)))
    run.model.mkdir(exist_ok=True)
    (run.folder / "ended").write_text(Path(run.folder).name)
    run.say(state="finished")


if __name__ == "__main__":
    main()
