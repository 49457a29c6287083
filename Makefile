# make app     set up and open the app in the browser
# make test    set up and run all tests, with a real browser where one can be had
# make check   format, lint, types, and which room may import which
# make bench   ratios: film to score and map against the bare forward pass
# make fuzz    bytes that nobody meant into every reader, ten minutes in all; the corpus is kept in runs/fuzz
# make uploads a thousand films in a row through the page in a browser: the server's memory, film by hundred films
# make figures train/results and the cards, measured anew

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A Linux machine without an NVIDIA GPU saves several GB with
#   make app TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=

# Each takes about 3 GB, the pages it serves included; 0 runs the tests in one process.
TEST_PROCESSES ?= 2

.PHONY: app test check format venv venv-dev chromium bench fuzz uploads figures clean

app: venv
	$(BIN)/streamlit run app.py

venv: $(VENV)/.installed

venv-dev: $(VENV)/.installed-dev

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "cxrtriage needs Python 3.11 or newer; set PYTHON=..."'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	$(if $(TORCH_INDEX),$(BIN)/pip install --quiet --index-url $(TORCH_INDEX) $$(grep -E '^torch(vision)?==' requirements.txt))
	$(BIN)/pip install --quiet -r requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(BIN)/pip install --quiet -r requirements-dev.txt
	touch $@

# The system's Chromium, or one from the package manager as root, or playwright's own.
chromium: venv-dev
	@sh tests/browser/get_chromium.sh $(BIN)/playwright

# Two processes share the test files, each on one thread, or their threads would wait for each other.
test: venv-dev chromium
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile

check: venv-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: venv-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: venv-dev
	$(BIN)/python -m tests.bench_reading

FUZZ_SECONDS ?= 195

fuzz: venv-dev
	mkdir -p runs/fuzz
	set -e; for target in film series words; do \
	  $(BIN)/python -m tests.fuzz.fuzz_readers $$target runs/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) \
	    -timeout=20 -rss_limit_mb=3000 -max_len=20000 -print_final_stats=1; \
	done

FILMS ?= 1000

uploads: venv-dev chromium
	$(BIN)/python -m tests.faults.many_uploads $(FILMS)

# The tables of train/results and the cards, from the weights that are here and the films in CXRTRIAGE_DATA.
figures: venv
	$(BIN)/python -m train evaluate --all

clean:
	rm -rf $(VENV) runs/cache .pytest_cache .ruff_cache .mypy_cache .hypothesis
