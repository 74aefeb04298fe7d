# The two commands of the README, and what developers use. Windows: see the README for the lines that replace them.

VENV := .venv
BIN := $(VENV)/bin
PORT ?= 7860

# The first interpreter that really runs and is one of the two versions that mediapipe 0.10.21 supports.
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$p && break; done)

.PHONY: studio test test-slow lint languages samples thumbnails bench screenshots clean
.DEFAULT_GOAL := studio

studio: $(VENV)/.installed
	$(BIN)/python app.py --port $(PORT)

# A process per core, four at most; then the tests that wait for a browser, one at a time.
test: $(VENV)/.installed-dev chromium
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not slow and not browser"
	$(BIN)/python -m pytest -m "browser and not slow"

test-slow: $(VENV)/.installed-dev chromium
	$(BIN)/python -m pytest -m slow --override-ini addopts=-ra

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The list of all texts of the page, and every translation brought up to it: docs/languages.md.
languages: $(VENV)/.installed
	$(BIN)/python tests/languages.py

thumbnails: $(VENV)/.installed
	$(BIN)/signstudio lexicon thumbnails

samples: $(VENV)/.installed
	$(BIN)/signstudio samples

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/pose.py

screenshots: $(VENV)/.installed-dev chromium
	$(BIN)/python tests/screenshots.py

# Every reader of uploads against made-up files, so many seconds each; what breaks one is kept in FUZZ_KEEP.
FUZZ_SECONDS ?= 60
FUZZ_KEEP ?= /tmp/sign-studio-fuzz
.PHONY: fuzz
fuzz: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --disable-pip-version-check -q -e ".[fuzz]"
	@mkdir -p $(FUZZ_KEEP)
	@for target in video picture pose tables values weights words; do \
		CORPUS=$(FUZZ_KEEP)/$$target $(BIN)/python tests/fuzz/targets.py $$target \
			-max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(FUZZ_KEEP)/$$target- || exit 1; done

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Sign Studio needs Python 3.11 or 3.12 (mediapipe has no build for others). Install one, or: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Could not make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

# The wheels of opencv share one folder. Where the desktop build cannot load (a server without libGL), the
# headless build, which has all we use, takes its place.
$(VENV)/.installed: $(VENV)/bin/python requirements.txt pyproject.toml
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt -e .
	$(BIN)/python -c "import cv2" 2>/dev/null || \
		$(BIN)/python -m pip install --force-reinstall --no-deps "$$(grep opencv-python-headless requirements.txt)"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[dev]"
	@touch $@

# Browser tests use Debian's Chromium; without it they are skipped by name, with the reason.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || ! command -v apt-get >/dev/null || \
		{ apt-get install -y -q chromium || { apt-get update -q && apt-get install -y -q chromium; }; } || \
		echo "chromium could not be installed; the browser tests will be skipped"

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
