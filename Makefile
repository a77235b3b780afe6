# make demo, test, bench: all they need is make, Python 3.11 or later, and util-linux.

VENV = .venv
LINT = $(VENV)-lint
DOCS = $(VENV)-docs
RELEASE = $(VENV)-release
# Without bytecode each start of pyinit takes twice as long.
unexport PYTHONDONTWRITEBYTECODE
# Empty: this tree is what is tested. Else the built wheel that is installed in its place.
WHEEL =
# Empty: the newest that works of those below.
PYTHON =
PYTHONS = python3.14 python3.13 python3.12 python3.11 python3

BIN = $(VENV)/bin
BENCH = build/bench
PROGRAMS = build/programs
QUIETLY = --quiet --disable-pip-version-check

help:
	@echo 'make demo   see pyinit at work in a PID namespace of its own'
	@echo 'make test   run the tests; ARGS="-k relay" goes to pytest, see tests/README.md'
	@echo 'make test-long  run the loads and the long ones'
	@echo 'make test-runtimes  run pyinit under docker, podman and others, and in images; as root'
	@echo 'make programs  install Celery, gunicorn and others, which some of the long ones need'
	@echo 'make lint   ruff, mypy, import-linter, and the words of the pages'
	@echo 'make check  lint and test, before a commit'
	@echo 'make bench  measure pyinit beside other inits; ARGS="--quick" for a look'
	@echo 'make fuzz   random process trees; ARGS="--trees 2000"; make faults: system calls that fail;'
	@echo '            make soak MINUTES=10: all at once, for long; see docs/reliability.md'
	@echo 'make pyz    write dist/pyinit.pyz: one file that needs Python and nothing else, see'
	@echo '            docs/single-file.md; PYTHON_IN_IMAGE=/usr/local/bin/python3 is where that is'
	@echo 'make manual make docs/cli.md, the tables of docs/events.md and others anew, after a change of the'
	@echo '            options or the events'
	@echo 'make figures, make screens, make sessions   what the pages show of runs, anew'
	@echo 'make docs   make the site in build/site; warnings, as of a broken link, are errors'
	@echo 'make release-check  build a release twice, compare, check and install it; into dist/release'
	@echo 'make clean  remove what the others made'
	@echo
	@echo 'PYTHON=/path/to/python3.12 chooses the interpreter, VENV=DIR the place of the'
	@echo 'virtual environment (default: $(VENV)).'

demo: $(VENV)/.installed
	@sh examples/demo.sh '$(abspath $(BIN))/pyinit'

test: $(VENV)/.installed-test
	'$(BIN)/python' -m pytest $(ARGS)

test-long: $(VENV)/.installed-test
	'$(BIN)/python' -m pytest -m long $(ARGS)

# A Debian for the images is made once, in build/runtimes; that and the wheels for it come from the network.
test-runtimes: $(VENV)/.installed-test
	PYINIT_WHEEL='$(WHEEL)' '$(BIN)/python' -m tests.runtimes.prepare
	'$(BIN)/python' -m pytest -m runtimes tests/runtimes $(ARGS)

# Programs that the long tests stop; those of Debian (nginx, PostgreSQL) are in .ci/run.
programs: $(PROGRAMS)/.installed

$(PROGRAMS)/.installed: $(VENV)/pyvenv.cfg
	'$(BIN)/python' -m venv --clear '$(PROGRAMS)'
	'$(PROGRAMS)/bin/python' -m pip install $(QUIETLY) 'celery[redis]' gunicorn uvicorn supervisor
	@touch '$@'

check: lint test

lint: $(LINT)/.installed
	'$(LINT)/bin/ruff' check .
	'$(LINT)/bin/ruff' format --check .
	'$(LINT)/bin/mypy'
	'$(LINT)/bin/python' -m tools.snippets
	'$(LINT)/bin/lint-imports' --no-logo
	'$(LINT)/bin/python' -m tools.prose
	'$(LINT)/bin/python' -m tools.sizes
	'$(LINT)/bin/python' -m tools.figures --check

# Bytecode is put in for the interpreters on PATH, and for those in BYTECODE.
PYTHON_IN_IMAGE = /usr/bin/python3
BYTECODE =

pyz: $(VENV)/.installed
	@mkdir -p dist
	@'$(BIN)/python' -m pyinit.ctl pyz dist/pyinit.pyz --python '$(PYTHON_IN_IMAGE)' $(BYTECODE:%=--bytecode '%')

fuzz: $(VENV)/.installed
	'$(BIN)/python' -m fuzz trees $(ARGS)

faults: $(VENV)/.installed
	'$(BIN)/python' -m fuzz faults $(ARGS)

MINUTES = 10
soak: $(VENV)/.installed
	'$(BIN)/python' -m fuzz soak --minutes $(MINUTES) $(ARGS)

# Clean environments of its own: whatever else is installed slows the interpreter's start.
bench: $(BENCH)/venv/pyvenv.cfg $(BENCH)/peers/pyvenv.cfg FORCE
	'$(BENCH)/venv/bin/python' -m pip install $(QUIETLY) .
	'$(BENCH)/venv/bin/python' -m bench $(ARGS)

$(BENCH)/venv/pyvenv.cfg: $(VENV)/pyvenv.cfg
	'$(BIN)/python' -m venv --clear '$(BENCH)/venv'

# Supervisors in Python to compare with; the bench names those that are not to be had.
$(BENCH)/peers/pyvenv.cfg: $(VENV)/pyvenv.cfg
	'$(BIN)/python' -m venv --clear '$(BENCH)/peers'
	for each in supervisor circus honcho; do \
		'$(BENCH)/peers/bin/python' -m pip install $(QUIETLY) $$each || echo "make: without $$each"; \
	done

# Rendered into the tree, where packagers and readers find it; a test sees that it is as new as the table.
manual: $(VENV)/.installed
	@'$(BIN)/python' -m tools.options
	'$(BIN)/python' -m tools.events
	@'$(BIN)/python' -m tests.runtimes.matrix

# Of a real container, as root.
screens: $(VENV)/.installed
	'$(BIN)/python' -m tools.screens

docs: $(DOCS)/.installed
	'$(DOCS)/bin/sphinx-build' --fail-on-warning --keep-going --nitpicky --quiet -b html docs build/site
	@echo 'make docs: build/site/index.html'

# pip, pipx and uv install it, so an index has to be there. The wheel that .ci/run tests is this one.
RELEASE_DIR = dist/release
release-check: $(RELEASE)/.installed
	'$(RELEASE)/bin/python' -m tools.release '$(RELEASE_DIR)' $(ARGS)

# After `make bench`: the figures in the text of pages. The tables are those of `bench --write-docs`.
figures: $(VENV)/.installed
	'$(BIN)/python' -m tools.figures

# Terminal sessions for README.md, from real runs; tini has to be there.
sessions: $(VENV)/.installed
	PATH="$(abspath $(BIN)):$$PATH" '$(BIN)/python' -m tools.sessions

clean:
	rm -rf '$(VENV)' '$(LINT)' '$(DOCS)' '$(RELEASE)' build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# Its prerequisites' dates tell whether an installation is older than what it was made from.
$(VENV)/.installed: $(VENV)/pyvenv.cfg pyproject.toml
	$(INSTALL) -e .
	@touch '$@'

$(VENV)/.installed-%: $(VENV)/pyvenv.cfg pyproject.toml
	$(INSTALL) $(if $(WHEEL),'$(WHEEL)[$*]',-e '.[$*]')
	@touch '$@'

# Environments of their own. lint: import-linter brings rich, and structlog loads rich wherever it
# is, which makes each log of the tests slower; mypy follows what the tests import.
$(LINT)/.installed: EXTRAS = test,lint
$(DOCS)/.installed: EXTRAS = docs
$(RELEASE)/.installed: EXTRAS = release
$(VENV)-%/.installed: $(VENV)/pyvenv.cfg pyproject.toml
	'$(BIN)/python' -m venv --clear '$(VENV)-$*'
	@'$(VENV)-$*/bin/python' -m pip install $(QUIETLY) -e '.[$(EXTRAS)]' || { \
		echo 'make: cannot install what [$(EXTRAS)] in pyproject.toml names; pip needs a package index for that' >&2; exit 1; }
	@touch '$@'

INSTALL = '$(BIN)/python' -m pip install $(QUIETLY)

# Made anew when it does not work, was moved, or is of another interpreter than PYTHON.
$(VENV)/pyvenv.cfg: FORCE
	@$(if $(findstring $(SPACE),$(abspath $(VENV))),$(error $(SPACE_IN_PATH)))
	@identity='import sys; print(sys.base_prefix, sys.version)'; \
	now=$$('$(BIN)/python' -c "$$identity" 2>/dev/null) || now=; \
	grep -qsF ' $(abspath $(VENV))' '$@' || now=; \
	if [ -n '$(PYTHON)' ]; then \
		asked=$$('$(PYTHON)' -c "$$identity") || { echo "make: PYTHON=$(PYTHON) does not work" >&2; exit 1; }; \
	else \
		asked=$$now; \
	fi; \
	if [ -n "$$now" ] && [ "$$now" = "$$asked" ]; then exit 0; fi; \
	python=; unfit=; \
	for each in $(if $(PYTHON),'$(PYTHON)',$(PYTHONS)); do \
		"$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		unfit=$$each; \
		"$$each" -c 'import ensurepip, venv' 2>/dev/null || continue; \
		python=$$each; break; \
	done; \
	if [ -z "$$python" ] && [ -n "$$unfit" ]; then \
		echo "make: $$unfit cannot make virtual environments: on Debian and Ubuntu install python3-venv" >&2; exit 1; \
	elif [ -z "$$python" ]; then \
		echo 'make: no Python of 3.11 or later among $(or $(PYTHON),$(PYTHONS)): say make PYTHON=/path/to/it' >&2; exit 1; \
	fi; \
	echo "$$python -m venv $(VENV)  ($$("$$python" --version))"; \
	"$$python" -m venv --clear '$(VENV)'

FORCE:

EMPTY =
SPACE = $(EMPTY) $(EMPTY)
define SPACE_IN_PATH
'$(abspath $(VENV))' has a space in it, and the kernel takes none in the path of a
script's interpreter (execve(2)): choose another place, as in make VENV=/tmp/pyinit-venv
endef

.PHONY: help demo test test-long test-runtimes programs lint check bench fuzz faults soak pyz manual docs figures screens sessions release-check clean FORCE
