# setup, demo and test need nothing but Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test faults lint types unit generate check-generated image lock clean

setup: $(STAMP)

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "spark-deploy needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Call make PYTHON=/path/to/a/newer/python.")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	$(BIN)/python -m tools.demo

test: lint types check-generated unit

unit: setup
	$(BIN)/pytest -n 2 --dist loadfile

# Every call meets every fault, runs die at any moment, journals and locks are forged; `make test` has a slice.
faults: setup
	SPARK_DEPLOY_FAULTS=all $(BIN)/pytest -n 4 --dist worksteal tests/reliability

generate: setup
	$(BIN)/python -m tools.generate

check-generated: setup
	$(BIN)/python -m tools.generate --check

# Builds the action's image with docker, podman or buildah, tries it out and measures it (docs/image.md).
image: setup
	$(BIN)/python -m tools.image

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url requirements/runtime.in -o requirements/runtime.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url requirements/dev.in -o requirements/dev.txt

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
