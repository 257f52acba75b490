# make setup      .venv with all but Spark in it, and Pango for the PDF reports
# make release    setup, the synthetic national data where missing, and the month's release
# make learn      setup, and the walk-through of the method: a page, and a notebook in JupyterLab
# make test       setup, what the tests need, and the tests
# make spark      setup, and Apache Spark for --engine spark
# make site       the pages for the working statistician: how to run a month, methods, glossary
# make example    the release that docs/ keeps, and the README's pictures of it
# make lint       ruff and mypy            make lock     pin the dependencies again
# make clean      remove .venv and caches; data/ and outputs/ stay

PYTHON ?= python3
RELEASE ?= 2014-03
OFFENDERS ?= 200000
UV ?= uv
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo -n)
unexport PYTHONPATH PYTHONHOME

# $(call debian,PACKAGES): true when apt-get could install them.
debian = { command -v apt-get >/dev/null && $(SUDO) true 2>/dev/null \
	&& echo "Installing $(1) with apt-get." \
	&& { $(SUDO) apt-get -qq update; $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -qq install \
	-y --no-install-recommends -o DPkg::Lock::Timeout=300 $(1); } >/dev/null 2>&1; }

.PHONY: setup spark release learn test site example lint lock clean

setup: .venv/.installed .venv/.pango
	@echo "Ready: .venv/bin/jdl --help"

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "Python 3.11, 3.12 or 3.13 is needed: name it with make PYTHON=python3.13."; exit 1; }
	@$(BIN)/python -c 'import pip' 2>/dev/null || $(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| $(call debian,python3-venv) || { \
		echo "Python's venv module is missing: install the Debian package python3-venv."; exit 1; }
	@$(BIN)/python -c 'import pip' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@echo "Installing the locked packages into .venv (a few minutes the first time)."
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# WeasyPrint loads Pango as it is imported. Without it the run goes on, and says so each time.
.venv/.pango: .venv/.installed
	@if $(BIN)/python -c 'import weasyprint' >/dev/null 2>&1 \
		|| { $(call debian,libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0) \
		&& $(BIN)/python -c 'import weasyprint' >/dev/null 2>&1; }; then touch $@; \
	else echo "Pango is missing, so PDFs cannot be made: install the Debian packages" \
		"libpango-1.0-0, libpangoft2-1.0-0 and libharfbuzz-subset0."; fi

spark: setup .venv/.spark

# pyspark comes as source with 280 libraries of Java in it, and is only unpacked.
.venv/.spark: .venv/.installed requirements-spark.lock
	@command -v java >/dev/null || $(call debian,openjdk-17-jre-headless) \
		|| echo "Java is missing: install the Debian package openjdk-17-jre-headless."
	@echo "Installing Apache Spark into .venv (456 MB, the first time)."
	@$(PIP) install --require-hashes --no-deps --no-build-isolation -r requirements-spark.lock
	@touch $@

# Requests that have not changed are not run again. The uploads in requests/ belong to the default
# size; data of another size bring their own.
release: setup
	@ls data/vintage.toml data/*/vintage.toml 2>/dev/null | grep -q . \
		|| $(BIN)/jdl synth --offenders $(OFFENDERS) --out data
	@$(BIN)/jdl release $(RELEASE) --replace $(if $(filter-out 200000,$(OFFENDERS)),--data data)

learn: setup
	@$(BIN)/jdl learn

test: setup
	@command -v chromium >/dev/null && command -v pdftotext >/dev/null \
		|| $(call debian,chromium poppler-utils) \
		|| echo "Chromium or poppler-utils is missing, so the tests that look at pages are" \
		"skipped: install the Debian packages chromium and poppler-utils."
	@command -v ssh-keygen >/dev/null || $(call debian,openssh-client) \
		|| echo "ssh-keygen is missing, so the tests of signatures are skipped: install the" \
		"Debian package openssh-client."
	@command -v sbatch >/dev/null || $(call debian,slurm-wlm) \
		|| echo "Slurm is missing, so its test is skipped: install the Debian package slurm-wlm."
	@$(MAKE) --no-print-directory spark >/dev/null 2>&1 \
		|| echo "Apache Spark cannot be installed, so its tests are skipped: see make spark."
	@$(BIN)/pytest
	@[ -n "$$CI" ] || echo "Done. All tests passed."

site: setup
	@$(BIN)/python docs/site.py

example: setup
	@command -v chromium >/dev/null || $(call debian,chromium) || true
	@ls data/vintage.toml data/*/vintage.toml 2>/dev/null | grep -q . \
		|| $(BIN)/jdl synth --offenders $(OFFENDERS) --out data
	@$(BIN)/python docs/example.py

lint: setup
	@status=0; \
	$(BIN)/ruff check || status=1; \
	$(BIN)/ruff format --check || status=1; \
	$(BIN)/mypy || status=1; \
	exit $$status

# Keeps the pins it can; `make lock UPGRADE=--upgrade` takes the newest. Then proves that each
# Python finds a wheel for every pin.
lock:
	@command -v $(UV) >/dev/null || { echo "uv is needed to pin: pip install uv"; exit 1; }
	@$(UV) pip compile -q pyproject.toml --extra docs --extra test --universal --python-version 3.11 \
		--generate-hashes --custom-compile-command 'make lock' $(UPGRADE) -o requirements.lock
	@for version in 3.11 3.12 3.13; do \
		$(UV) pip install -q --dry-run --require-hashes --only-binary :all: \
			--python-version $$version --target build/lock -r requirements.lock || exit 1; \
	done
	@sed -n 's/^spark = \["\(.*\)"\]/\1/p' pyproject.toml | $(UV) pip compile -q - --universal \
		--python-version 3.11 --generate-hashes --custom-compile-command 'make lock' $(UPGRADE) \
		-o requirements-spark.lock
	@echo "Done. requirements.lock resolves on Python 3.11, 3.12 and 3.13."

clean:
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info build
	@find jdl tests -name __pycache__ -type d -prune -exec rm -rf {} +
