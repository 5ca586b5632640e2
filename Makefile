# Each target installs what it needs: a fresh machine needs only Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/

.PHONY: demo reference test check docs coverage bench reliability clean

demo: $(VENV)/installed
	$(RUN)finesight demo

# The reference report again, from the course's p1_data and p2_data: make reference DATA=DIR [SCALE=small]
SCALE ?= full
reference: $(VENV)/installed
	$(RUN)python benchmarks/reference.py "$(DATA)" --scale $(SCALE) $(ARGUMENTS)

test: $(VENV)/tested
	$(RUN)pytest --numprocesses auto --maxprocesses 8 --dist loadfile

check: $(VENV)/tested
	$(RUN)ruff format --check .
	$(RUN)ruff check --no-cache .
	$(RUN)mypy
	$(RUN)lint-imports

# The documentation, in build/docs. Warnings are errors.
docs: $(VENV)/documented
	$(RUN)sphinx-build --quiet --fail-on-warning docs build/docs

# Lines that the default tests run, in percent.
coverage: $(VENV)/tested
	$(RUN)pytest --numprocesses auto --maxprocesses 8 --dist loadfile --cov finesight --cov-report term:skip-covered

# With your own images: make bench PEERS="--images FOLDER --pairs FOLDER"
bench: $(VENV)/installed
	$(RUN)python benchmarks/peers --minutes 20 $(PEERS)
	$(RUN)python benchmarks/comparison.py

# Every fault and kill, and 10,000 fuzzed inputs per reader: hours. Writes the table in docs/reliability.md.
reliability: $(VENV)/tested
	$(RUN)pytest tests -m "not gpu" --reliability docs/reliability.md

# One environment for all targets, updated when pyproject.toml changes.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)python -m pip install --quiet --editable .
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(RUN)python -m pip install --quiet --editable '.[test,check]'
	touch $@

$(VENV)/documented: $(VENV)/tested
	$(RUN)python -m pip install --quiet --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) runs
