"""The container, as far as it can be tested without a container engine: what its files promise, and its steps run.

The slow test carries out every step of the Dockerfile, in order, with paths of a temporary folder in place of those of
an image, and then starts the command and asks it for its health. What would change this computer (packages of Debian,
a user) is stood in for; the stand-ins check what they are asked.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from serving import ROOT, checkout, wait_until_up

from studio import hosting

Step = tuple[str, str]
MOUNTS = re.compile(r"^--mount=(\S+)\s+")


def steps() -> list[Step]:
    """The instructions of the Dockerfile: (name, the rest on one line)."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [(name.upper(), rest.strip()) for name, rest in (line.split(None, 1) for line in joined)]


def of(name: str) -> list[str]:
    return [rest for step, rest in steps() if step == name]


def mounts_and_command(run: str) -> tuple[list[str], str]:
    """The mounts of a RUN, and what it runs."""
    mounts = []
    while match := MOUNTS.match(run):
        mounts.append(match.group(1))
        run = run[match.end() :]
    return mounts, run


def variables() -> dict[str, str]:
    """What ENV sets."""
    return dict(part.split("=", 1) for rest in of("ENV") for part in shlex.split(rest))


def health() -> list[str]:
    """The command of the HEALTHCHECK, in exec form."""
    (check,) = of("HEALTHCHECK")
    return json.loads(check.split("CMD", 1)[1])


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def test_it_runs_as_an_ordinary_user_with_the_exec_form() -> None:
    names = [name for name, _ in steps()]
    assert of("USER") == ["1000:1000"]
    assert any("useradd --uid 1000" in run for run in of("RUN"))
    assert "RUN" not in names[names.index("USER") :], "no step needs that user, and none runs as root after it"
    (command,) = of("CMD")
    assert json.loads(command) == ["python", "app.py"]


def test_the_program_belongs_to_root_and_only_the_data_to_the_user() -> None:
    assert not [rest for rest in of("COPY") + of("ADD") if "--chown" in rest]
    owned = [run for run in of("RUN") if re.search(r"\bch(own|mod)\b", run)]
    assert not owned
    assert any("install -d -o studio -g studio /data" in run for run in of("RUN"))
    assert [json.loads(rest) for rest in of("VOLUME")] == [["/data"]]


def test_what_is_fetched_is_cached_outside_of_the_image() -> None:
    for run in of("RUN"):
        mounts, command = mounts_and_command(run)
        caches = {dict(part.split("=", 1) for part in mount.split(","))["target"] for mount in mounts}
        if "apt-get" in command:
            assert {"/var/cache/apt", "/var/lib/apt"} <= caches
            assert "packages.txt" in command and "--no-install-recommends" in command
        if "pip install" in command:
            assert "/root/.cache/pip" in caches and "--no-cache-dir" not in command


def test_everything_that_is_copied_is_there_and_reaches_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*", "nothing goes to the builder unless it is named"
    copied = [source for rest in of("COPY") for source in rest.split()[:-1]]
    assert sorted(copied) == sorted(rule.removeprefix("!") for rule in rules if rule.startswith("!"))
    assert [source for source in copied if not (ROOT / source).exists()] == []


def test_nothing_secret_is_written_into_the_image() -> None:
    text = (ROOT / "Dockerfile").read_text() + (ROOT / "compose.yaml").read_text()
    named = set(variables()) | {rest.split("=")[0] for rest in of("ARG")}
    assert not [name for name in named if re.search(r"TOKEN|SECRET|PASSWORD|KEY|AUTH", name)]
    assert not re.search(r"hf_[A-Za-z0-9]{20,}|://[^/\s]+:[^/\s]+@", text)
    assert "**/.*" in (ROOT / ".dockerignore").read_text().splitlines()


def test_the_device_is_an_argument_and_cpu_takes_both_torches_from_one_index() -> None:
    arguments = dict(rest.split("=", 1) for rest in of("ARG"))
    assert (arguments["DEVICE"], arguments["PYTHON"]) == ("cpu", "3.11")
    (run,) = [run for run in of("RUN") if "CPU_INDEX" in run]
    pattern = re.search(r"grep -E '(.+?)'", run)
    assert pattern
    taken = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if re.search(pattern.group(1), line)]
    assert [re.split("[>=<]", line)[0] for line in taken] == ["torch", "torchvision"]


def test_what_is_kept_goes_to_the_volume_as_the_studio_would_choose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = variables()
    where = hosting.read(found)
    assert where.hosted and where.data == Path(found["SIGN_STUDIO_DATA"]) == Path("/data")
    for name in ("SIGN_STUDIO_RUNS", "HF_HOME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nowhere")
    hosting.prepare(where)
    assert {name: os.environ[name] for name in ("SIGN_STUDIO_RUNS", "HF_HOME")} == {
        name: found[name] for name in ("SIGN_STUDIO_RUNS", "HF_HOME")
    }


def test_compose_builds_this_file_and_fits_it() -> None:
    found, port = compose(), variables()["GRADIO_SERVER_PORT"]
    services = found["services"]
    assert of("EXPOSE") == [port]
    arguments = {"studio": {"DEVICE": "cpu", "CPU_INDEX": "${CPU_INDEX:-}"}, "studio-gpu": {"DEVICE": "cuda"}}
    for name, given in arguments.items():
        one = services[name]
        assert one["build"] == {"context": ".", "args": given}
        assert one["ports"] == [f"127.0.0.1:7860:{port}"], "other computers come through a proxy"
        (volume,) = one["volumes"]
        assert volume.split(":") == ["studio-data", "/data"] and "studio-data" in found["volumes"]
        assert "no-new-privileges:true" in one["security_opt"] and one["cap_drop"] == ["ALL"]
    assert "profiles" not in services["studio"] and services["studio-gpu"]["profiles"] == ["gpu"]
    (card,) = services["studio-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert (card["driver"], card["capabilities"]) == ("nvidia", ["gpu"])


STAND_INS = {
    # Whether Debian has the packages is asked, nothing is installed.
    "apt-get": '[ "$1" = update ] && exit 0\nexec {apt} --simulate "$@"',
    "useradd": '[ "$*" = "--uid 1000 --create-home studio" ]',
    "install": '[ "$*" = "-d -o studio -g studio {root}/data" ] && mkdir "{root}/data"',
}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="not a Debian")
def test_every_step_works_and_the_container_is_healthy(tmp_path: Path) -> None:
    source, root, shims = checkout(tmp_path / "source"), tmp_path / "root", tmp_path / "shims"
    for folder in (root / "etc" / "apt" / "apt.conf.d", root / "tmp", root / "app", shims):
        folder.mkdir(parents=True)
    for name, script in STAND_INS.items():
        (shims / name).write_text(f"#!/bin/sh\n{script.format(apt=shutil.which('apt-get'), root=root)}\n")
        (shims / name).chmod(0o755)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    environment = os.environ | {"PATH": f"{shims}:{tmp_path}/env/bin:{os.environ['PATH']}", "HOME": str(tmp_path)}
    environment.pop("PYTHONPATH", None)
    workdir = root
    try:
        for name, rest in steps():
            if name == "ARG":
                key, value = rest.split("=", 1)
                environment[key] = value
            elif name == "ENV":
                environment |= {key: _inside(value, root) for key, value in _pairs(rest)}
            elif name == "COPY":
                *sources, target = rest.split()
                _copy(source, sources, root / target.lstrip("/"))
            elif name == "WORKDIR":
                workdir = root / rest.lstrip("/")
            elif name == "RUN":
                command = _inside(mounts_and_command(rest)[1], root)
                print(f"{command}\nwith {environment['DEVICE']}")
                subprocess.run(["sh", "-euc", command], cwd=workdir, env=environment, check=True)
        _serve_and_ask(environment, workdir, tmp_path)
        assert (root / "data").is_dir()
    finally:
        shutil.rmtree(tmp_path / "env", ignore_errors=True)  # 7 GB


def _pairs(rest: str) -> list[tuple[str, str]]:
    return [(part.split("=", 1)[0], part.split("=", 1)[1]) for part in shlex.split(rest)]


def _inside(text: str, root: Path) -> str:
    """The text with every absolute path of the image below `root`; fails for one that nobody has thought of."""
    changed = re.sub(r"(?<![\w./:])/(?=(app|data|etc|tmp)\b)", f"{root}/", text)
    others = [path for path in re.findall(r"(?<![\w./:])/[a-z]\S*", changed) if not path.startswith(str(root))]
    assert not others, f"{others} are outside of {root}"
    return changed


def _copy(source: Path, names: list[str], target: Path) -> None:
    for name in names:
        if (source / name).is_dir():
            shutil.copytree(source / name, target)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, target)


def _serve_and_ask(environment: dict[str, str], workdir: Path, folder: Path) -> None:
    """Start the CMD, and run the HEALTHCHECK against it, and against a port where nobody answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    served, log = environment | {"GRADIO_SERVER_PORT": port}, folder / "log.txt"
    before = {path for path in workdir.rglob("*") if "__pycache__" not in path.parts}
    with log.open("w") as output:
        server = subprocess.Popen(
            json.loads(of("CMD")[0]), cwd=workdir, env=served, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            wait_until_up(f"http://127.0.0.1:{port}", server, log)
            subprocess.run(health(), env=served, check=True, timeout=30)
        finally:
            server.terminate()
            server.wait(timeout=30)
    sick = subprocess.run(health(), env=served, capture_output=True, check=False, timeout=30)
    assert sick.returncode != 0
    assert {path for path in workdir.rglob("*") if "__pycache__" not in path.parts} == before, (
        "the program is read-only"
    )
