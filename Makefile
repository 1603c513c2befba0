# Every target does all of its own set-up; a second run starts in seconds.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
STORE  ?= demo-runs
ZIPS   ?= pizza_steak_sushi.zip pizza_steak_sushi_20_percent.zip
WEIGHTS ?= mobilenet_v2.pth
# One more than there are cores: tests often wait for a process or a disk.
WORKERS ?= $(shell expr $$(nproc) + 1)

.PHONY: demo test lint docs screenshots soak bench bench-training clean

demo: $(READY)  ## Eight tracked experiments on real images, the leaderboard, the winner's predictions.
	$(BIN)/runfolio series series/digits.yaml --store $(STORE)
	$(BIN)/runfolio plot val/acc --experiment digits --store $(STORE) --out $(STORE)/curves.png
	$(BIN)/runfolio predict best --sample 24 --store $(STORE) --out $(STORE)/predictions.png
	@echo 'Look at the runs in your browser: $(BIN)/runfolio board --store $(STORE)'

test: $(READY)  ## The whole test suite.
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not soak"

lint: $(READY)  ## Style, types, the one-way layers, and the first lines of docstrings.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python tools/check_docstrings.py

docs: $(READY)  ## The reference pages, written again from the commands and docstrings.
	$(BIN)/python -m docs.generators

screenshots: $(READY)  ## Every page of the board, from the runs of the demo, into the folder screenshots.
	$(BIN)/python tools/board_pictures.py --store $(STORE)

soak: $(READY)  ## Long runs: kill -9 in a loop, memory over ten million points.
	$(BIN)/python -m pytest -m soak -o faulthandler_timeout=0

bench: $(READY)  ## Measured figures beside other trackers, into docs/benchmarks.md; they are installed into .bench.
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.reading
	$(BIN)/python -m benchmarks.reading_peers
	$(BIN)/python -m benchmarks.board
	$(BIN)/python -m benchmarks.event_reading

bench-training: $(READY)  ## The usual loop beside runfolio's: its series, its accuracy, what tracking adds; about an hour.
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.series --data $(ZIPS) --weights $(WEIGHTS)
	$(BIN)/python -m benchmarks.series_cost --data $(lastword $(ZIPS)) --weights $(WEIGHTS)
	$(BIN)/python -m benchmarks.series_accuracy --data $(firstword $(ZIPS)) --weights $(WEIGHTS)

clean:
	rm -rf $(VENV) .bench screenshots $(STORE)

# torch first and by exact version, so that no other package pulls a different build; torchvision without
# its dependencies for the same reason.
$(READY): pyproject.toml constraints.txt Makefile
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps torchvision
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[vision]" --group dev
	@$(BIN)/python -c "import torchvision" 2> /dev/null || echo "note: torchvision is of another build than torch, so" \
	  "'import torchvision' fails in your own scripts; runfolio works. Install both from one index, in one command."
	touch $(READY)
