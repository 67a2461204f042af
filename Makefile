# Every target is a thin line over a real tool; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test lint fuzz faults soak endure bench client messages train-help clean

help: ## List these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{ printf "make %-12s %s\n", $$1, $$2 }'

run: .venv/serving ## Bring the site up on http://127.0.0.1:8000/ (PORT=8001 for another port)
	@$(BIN)/python -m emotionsite.run --end-with-parent

test: .venv/testing ## Run the tests (T=tests/api for some of them, ARGS="-k upload" for more of pytest's options)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(T) $(ARGS)

lint: .venv/testing ## Check style, the deployment settings and that no migration is missing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	SITE_TLS=true TRUSTED_PROXIES=1 SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') $(BIN)/python manage.py check --deploy --fail-level WARNING
	DEBUG=true DATABASE_URL=sqlite://:memory: $(BIN)/python manage.py makemigrations --check --dry-run

fuzz: .venv/testing ## Try the API with right and wrong requests, then damaged pictures (FUZZ_MINUTES=30, or until Ctrl-C)
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-100} $(BIN)/python -m pytest tests/api/test_fuzz.py
	FUZZ_MINUTES=$${FUZZ_MINUTES:-inf} $(BIN)/python -m pytest tests/predictions/test_picture_fuzz.py

faults: .venv/testing ## Break everything in a running site, in rounds (ROUNDS=5 SEED=1 DATABASE=sqlite FAULT='redis|disk')
	@$(BIN)/python -m tests.faults.rounds

soak: .venv/testing ## Kill a process every 20 s while four clients send photos (MINUTES=30)
	@$(BIN)/python -m tests.faults.soak

endure: .venv/testing ## Let the folder client send 500 photos and be killed twice
	CLIENT_PHOTOS=500 $(BIN)/python -m pytest tests/client/test_upload.py

client: .venv/testing ## Generate a typed Python client of the API into var/client
	DEBUG=true $(BIN)/python manage.py spectacular --file var/openapi.yaml --validate
	$(BIN)/openapi-python-client generate --config predictions/api/generator.yaml --path var/openapi.yaml --output-path var/client --overwrite

messages: .venv/testing ## Write what is to be translated into locale/ (LOCALE=fr; needs GNU gettext)
	@mkdir -p locale
	DEBUG=true $(BIN)/python manage.py makemessages --locale $${LOCALE:-de} --ignore .venv --ignore var --ignore tests --no-wrap

bench: .venv/testing ## Measure the front page, how long people wait, a long history, isolation, and turns
	$(BIN)/python -m tests.benchmarks.front_page
	$(BIN)/python -m tests.benchmarks.first_answer
	$(BIN)/python -m tests.benchmarks.long_history
	$(BIN)/python -m tests.benchmarks.isolation
	$(BIN)/python -m tests.benchmarks.queue_cost
	$(BIN)/python -m tests.benchmarks.fair_turns

train-help: .venv/testing ## Show how a network is trained
	@$(BIN)/python -m training.train --help

clean: ## Remove the environment and caches; var/ and media/ stay
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Two stamps, so that going from `run` to `test` and back installs nothing again.
.venv/serving: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed and $(PYTHON) is %d.%d: name a newer one with PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) comes without its venv module: on Debian and Ubuntu, install the package python3-venv" >&2; exit 1; }
	@echo "Installing what the site needs into .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/testing: .venv/serving tests/constraints.txt
	@echo "Installing what the tests need into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,deploy]' --constraint tests/constraints.txt
	@touch $@
