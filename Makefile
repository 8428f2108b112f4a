.DEFAULT_GOAL := help
.PHONY: help demo test test-clients lint format bench bench-gate bench-gate-selftest soak soak-ib sanitize fuzz vault-program \
  fuzz-vault mutate-vault vault-costs docs wheel lock clean

PYTHON_ENV := .venv/bin/python
SEED ?= 7
CALLS ?= 100000
MESSAGES ?= 100000000
MINUTES ?= 5
VAULT_CALLS ?= 1000000
SPEED ?= max
WORKERS ?= 2

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'
	@echo
	@echo "  make demo TAPE=<folder>   play a recorded day in LEAN's layout (trains on the day before)"
	@echo "  make demo SEED=8 SPEED=60 another simulated day, an hour a minute"

demo: ## paper trading session on a simulated day, or on a recorded one with TAPE=<folder>
	@scripts/setup.sh $(if $(TAPE),train,demo)
	@.venv/bin/optionsib demo --seed $(SEED) --speed $(SPEED) $(if $(TAPE),--tape "$(TAPE)")

test: ## everything tested: C++, Python, types, style, import rules
	@scripts/setup.sh test
	@scripts/test.sh $(WORKERS)

test-clients: ## ib_async, ib_insync and IB's own clients, each in its environment, against the paper exchange
	@scripts/setup.sh test
	@scripts/clients.sh
	@$(PYTHON_ENV) -m pytest -q tests/clients

lint: ## style, types and import rules only
	@scripts/setup.sh test
	@scripts/lint.sh

format: ## rewrite Python and C++ in the house style
	@scripts/setup.sh test
	@.venv/bin/ruff check -q --fix . && .venv/bin/ruff format -q .
	@find cpp bindings benchmarks -name '*.[ch]pp' | xargs .venv/bin/clang-format -i

bench: ## speed against peers and floors, as ratios of one run
	@scripts/setup.sh bench
	@$(PYTHON_ENV) -m benchmarks.run

bench-gate: ## fail when a pricing kernel is slower than its stored baseline
	@scripts/setup.sh bench
	@$(PYTHON_ENV) scripts/bench_gate.py

bench-gate-selftest: ## show that the gate catches 20 % more work
	@scripts/setup.sh bench
	@$(PYTHON_ENV) scripts/bench_gate.py --selftest

soak: ## order book: memory stays where it is over MESSAGES=100000000
	@scripts/setup.sh bench
	@$(PYTHON_ENV) -c 'import subprocess; from benchmarks.native import build; raise SystemExit(subprocess.call([build() / "book_benchmark", "soak", "$(MESSAGES)"]))'

soak-ib: ## IB gateway against a paper exchange full of faults, for MINUTES=5 (SEED=); a minute of farm flaps first
	@scripts/setup.sh test
	@OPTIONSIB_FLAP_SECONDS=60 $(PYTHON_ENV) -m pytest -q -k twenty_farm_flaps tests/integration/test_ib_gateway_streams.py
	@$(PYTHON_ENV) scripts/soak_ib.py --seed $(SEED) --minutes $(MINUTES)

sanitize: ## C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/setup.sh test
	@scripts/test.sh $(WORKERS) sanitize

fuzz: ## pricing functions, order book (under sanitizers), paper exchange and all properties with whatever may go wrong (SEED=, CALLS=)
	@scripts/setup.sh test
	@scripts/fuzz.sh $(SEED) $(CALLS) $(WORKERS)

vault-program: ## build the on-chain program of the Vault and its SHA-256 with the pinned compiler
	@scripts/setup.sh test
	@scripts/vault_env.sh
	@$(PYTHON_ENV) vault/generate_header.py
	@$(PYTHON_ENV) vault/build.py

fuzz-vault: ## a million random calls into the Vault program, every invariant checked (SEED=, VAULT_CALLS=)
	@scripts/setup.sh test
	@$(PYTHON_ENV) scripts/fuzz_vault.py --seed $(SEED) --calls $(VAULT_CALLS) --workers $(WORKERS)

mutate-vault: ## break each rule of the Vault program and see which test notices
	@scripts/setup.sh test
	@scripts/vault_env.sh
	@$(PYTHON_ENV) scripts/mutate_vault.py --workers $(WORKERS)

vault-costs: ## write compute units and rent of every Vault instruction into docs/vault-program.md
	@scripts/setup.sh test
	@$(PYTHON_ENV) scripts/vault_costs.py

docs: ## run every code block of README and docs/
	@scripts/setup.sh test
	@$(PYTHON_ENV) -m pytest -q tests/unit/test_documentation.py

wheel: ## build a wheel into dist/
	@scripts/setup.sh test
	@.venv/bin/uv build --wheel -q --out-dir dist

lock: ## bring requirements.lock in step with pyproject.toml (UPGRADE=1: newest versions)
	@scripts/setup.sh lock
	@.venv/bin/uv pip compile -q --universal --fork-strategy fewest --python-version 3.11 --all-extras \
	  --group build --group dev --group bench $(if $(UPGRADE),--upgrade) --generate-hashes --no-header pyproject.toml -o requirements.lock

clean: ## remove what was built and written (var/ with journals and reports too)
	rm -rf build dist var .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
