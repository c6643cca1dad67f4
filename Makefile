# `make paper` and `make test` do everything on a bare machine; the rest is for daily work. ARGS go to the command below.
PYTHON := .venv/bin/python

.PHONY: test-pythons setup paper test lint coverage soak fuzz mutants bench clean security scan-secrets scan-code scan-dependencies actionlint

setup:
	@deploy/bootstrap.sh

paper: setup
	@.venv/bin/cdb paper $(ARGS)

test: setup
	@$(PYTHON) -m pytest -q $(ARGS)

# The golden sessions by every Python found here, against the committed digests.
test-pythons: setup
	@$(PYTHON) -m tests.golden.pythons

lint: setup
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports

# Every branch of the domain is taken by a test, or this fails and names it.
coverage: setup
	$(PYTHON) -m coverage run -m pytest -q -p tests.proofs.inside tests/domain tests/contract/test_rules.py $(ARGS)
	$(PYTHON) -m coverage report

# Longer proofs: kills, properties, wrong changes; SEED= starts where a run of yesterday failed, COUNT= bounds them.
soak fuzz mutants: setup
	@$(PYTHON) -m tests.proofs $@ $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(ARGS)

bench: setup
	@$(PYTHON) -m tests.bench $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(ARGS)

# The scans of the workflow: secrets in every commit, what code does, known faults of what is installed. Go builds the first.
GO_TOOLS := $(CURDIR)/.stack/tools-go

security: scan-secrets scan-code scan-dependencies

scan-secrets: $(GO_TOOLS)/gitleaks
	$(GO_TOOLS)/gitleaks git --no-banner --redact .

scan-code: setup
	$(PYTHON) -m bandit -q -r streams schemas -c pyproject.toml

scan-dependencies: setup
	$(PYTHON) -m pip_audit --strict --require-hashes --disable-pip -r requirements.lock

actionlint: $(GO_TOOLS)/actionlint
	$(GO_TOOLS)/actionlint

$(GO_TOOLS)/gitleaks:
	GOBIN=$(GO_TOOLS) go install github.com/zricethezav/gitleaks/v8@v8.24.3

$(GO_TOOLS)/actionlint:
	GOBIN=$(GO_TOOLS) go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.7

# Removes what setup made, except the data of the stack: `cdb down --delete-data` does that.
clean:
	rm -rf .venv .stack/parts .stack/parts.new
