# make demo      a whole run on a drawn head: features, class, explanation
# make test      everything that must hold before a change is merged
# make quick     the tests that take no more than a few seconds each
# make lint      style and types
# make bench     how long the heavy steps take
# make web       open, outline and classify images in the browser; WEB="--port 8090" takes options of the command
# make screenshots  draw the pictures of the tutorial and of the Extension Index
# make package   lay out the extension in build/package as Slicer installs it
# make setup     prepare .venv (all targets do it themselves); PYTHON=python3.12 chooses the interpreter
# make clean     remove what was built, but not .venv

PYTHON ?=
RUN := .venv/bin/python

.PHONY: demo test quick lint bench web screenshots package setup setup-web clean

demo: setup
	@.venv/bin/tumorclassifier demo

test: lint
	-@python3 scripts/setup_web.py
	@$(RUN) -m pytest

quick: setup
	@$(RUN) -m pytest -m "not slow"

lint: setup
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy

bench: setup
	@for script in Testing/Benchmarks/*.py; do $(RUN) $$script || exit 1; done

web: setup-web
	@.venv-web/bin/python -m TumorClassifierLib web $(WEB)

screenshots: setup
	@$(RUN) Testing/Tools/screenshots.py

package: setup
	@$(RUN) Testing/Tools/package_extension.py

setup:
	@python3 scripts/setup.py $(PYTHON)

setup-web: setup
	@python3 scripts/setup_web.py

clean:
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find FeatureExtractor TumorClassifier Testing -name __pycache__ -prune -exec rm -rf {} +
