# The verbs of this repository: `make help` lists them. CI runs `make ci` by way of .ci/run.

# A test binary that hangs prints its goroutines instead of being killed from outside.
TEST_TIMEOUT  ?= 5m
KAFKA_TIMEOUT ?= 15m
CHAOS_TIMEOUT ?= 60m
FUZZTIME      ?= 20s
GO            ?= go

# Modules beside the product's own, so that what they need stays out of it.
MODULES         = bench bench/peers/pipe/tools deploy/image deploy/helm/test deploy/k8s tools

# Modules of programs that are only built and run, for test-k8s. They have sums to hold to and no code: nothing to lint, and nothing
# that tidy could go by.
BUILD_MODULES  := $(patsubst %/go.mod,%,$(wildcard deploy/k8s/build/*/go.mod))

# bench-micro: which benchmarks of which packages, how long each, and how often. benchstat wants
# a COUNT of six or more to tell a change from noise.
BENCH          ?= .
BENCH_PACKAGES ?= ./...
BENCHTIME      ?= 1s
COUNT          ?= 1
BENCH_TEST      = $(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -count $(COUNT) -timeout 0

# The linter is a program of minutes to build, so its binary is kept, by version, where other
# checkouts find it too.
CACHE_DIR     := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/callstream-enricher
LINT_VERSION  := $(shell awk '$$1 == "github.com/golangci/golangci-lint/v2" {print $$2}' tools/go.mod)
LINT          := $(CACHE_DIR)/golangci-lint-$(LINT_VERSION)-$(shell $(GO) env GOVERSION)

# promtool is in Debian's package prometheus, which starts a server as well: .ci/run takes the one file out of it.
PROMTOOL      ?= $(firstword $(shell command -v promtool 2>/dev/null) $(wildcard $(CACHE_DIR)/promtool))

# axe-core finds what is wrong with a page for people who cannot see it, or use no mouse. It comes from the npm registry; the
# sum is that of the archive, as the registry has it under dist.integrity.
AXE_VERSION   := 4.14.1
AXE_SHA512    := 1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5
AXE           := $(CACHE_DIR)/axe-core-$(AXE_VERSION).min.js

.DEFAULT_GOAL := help

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/enricher
	$(GO) build -trimpath -o bin/enricher ./cmd/enricher

.PHONY: test
test: ## Run the tests that need nothing but Go
	$(GO) test -timeout $(TEST_TIMEOUT) ./...

.PHONY: test-race
test-race: ## Run all of these under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout $(KAFKA_TIMEOUT) ./...

# RACE=-race has test-page, test-kafka and test-chaos-short do so too, as .ci/run does; not the benchmark's tests.
RACE ?=

.PHONY: test-rules
test-rules: ## Check and test the Prometheus rules (needs promtool)
	@test -n "$(PROMTOOL)" || { echo "promtool is missing: put it into the path, or name it with PROMTOOL=FILE. Debian has it in the package" \
		"prometheus; without the server that it starts: apt-get download prometheus && mkdir -p $(CACHE_DIR) &&" \
		"dpkg --fsys-tarfile prometheus_*.deb | tar -xO ./usr/bin/promtool >$(CACHE_DIR)/promtool && chmod +x $(CACHE_DIR)/promtool" >&2; exit 1; }
	$(PROMTOOL) check rules deploy/observability/rules.yaml
	$(PROMTOOL) test rules deploy/observability/rules_test.yaml

.PHONY: test-protections
test-protections: ## Take each protection out, one at a time, and see its test fail (WORDS="one two" chooses some)
	$(GO) -C tools run ./protections $(CURDIR) $(WORDS)

# PAGE_FLAGS=-update makes the pictures in docs/ anew.
.PHONY: test-page
test-page: $(AXE) ## Run the tests of the status page in a real browser (needs Chromium; npm the first time)
	AXE=$(AXE) $(GO) test $(RACE) -tags browser -count 1 -timeout $(KAFKA_TIMEOUT) -run TestBrowser ./internal/app $(PAGE_FLAGS)

$(AXE):
	@mkdir -p $(CACHE_DIR)
	@dir=$$(mktemp -d) && trap 'rm -r "$$dir"' EXIT && cd "$$dir" && npm pack --silent axe-core@$(AXE_VERSION) >/dev/null && \
		echo "$(AXE_SHA512)  axe-core-$(AXE_VERSION).tgz" | sha512sum --check --quiet && \
		tar -xzf axe-core-$(AXE_VERSION).tgz package/axe.min.js && mv package/axe.min.js $@

.PHONY: test-kafka
test-kafka: ## Run the tests on a real Apache Kafka (needs Java 17; Maven and a network the first time)
	@! grep -rl --include='*_test.go' --exclude-dir=bench --exclude-dir=chaos '^//go:build kafka' . | xargs grep -H '^func Test' | grep -v '(t \*testing.T, \|func Test[A-Za-z]*Kafka' || \
		{ echo "these would not be run: tests with the tag kafka have Kafka in their names" >&2; exit 1; }
	$(GO) test $(RACE) -tags kafka -run Kafka -count 1 -p 1 -timeout $(KAFKA_TIMEOUT) $$($(MAKE) -s kafka-packages)
	$(GO) -C bench test -tags kafka -count 1 -p 1 -timeout $(KAFKA_TIMEOUT) ./internal/... ./peers/...

.PHONY: test-chaos
test-chaos: ## Break a real cluster and the program for half an hour; prints reports (CHAOS_SEED=n repeats a run)
	CHAOS=long $(GO) test -tags kafka -count 1 -v -timeout $(CHAOS_TIMEOUT) -run 'TestChaosLong|TestRecovery|TestMutants' ./internal/chaos

.PHONY: test-chaos-short
test-chaos-short: ## The same for some minutes: 100,000 events, a few kills, in both deliveries
	$(GO) test $(RACE) -tags kafka -count 1 -v -timeout $(CHAOS_TIMEOUT) -run TestChaosShort ./internal/chaos

# SOAK=10m is shorter; SOAK_RATE=n is a rate in events a second instead of half of what comes through at the beginning.
SOAK ?= 60m
.PHONY: test-soak
test-soak: ## Work for an hour under rebalances and reloads and see that nothing grows; draws docs/soak.svg
	SOAK=$(SOAK) SOAK_PLOT=$(CURDIR)/docs/soak.svg $(GO) test -tags kafka -count 1 -v -timeout 0 -run 'TestSoak$$' ./internal/chaos

# Packages that have tests with the tag, so that the others are not run a second time; the tests
# that break a cluster have verbs of their own.
.PHONY: kafka-packages
kafka-packages:
	@grep -rl --include='*_test.go' --exclude-dir=bench '^//go:build kafka' . | xargs -n1 dirname | grep -v internal/chaos | sort -u

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (20s)
	@.ci/fuzz $(FUZZTIME)

# BENCH_FLAGS go to the program: -only throughput,latency -who 'enricher-*,franz-*' -rounds 3 -docs DIR and others; see
# bin/bench -help.
.PHONY: bench
bench: bench-build ## Measure beside other programs on a real Kafka, in 40 minutes; writes docs/benchmarks.md and docs/scaling.md
	bin/bench -root . $(BENCH_FLAGS)

.PHONY: bench-smoke
bench-smoke: bench-build ## The same once and small, to see that it works (needs Java 17 and Maven)
	bin/bench -root . -smoke $(BENCH_FLAGS)

.PHONY: bench-build
bench-build:
	$(GO) -C bench build -o ../bin/bench ./cmd/bench

.PHONY: test-bench
test-bench: ## Run the tests of the benchmark and of the peers in it
	$(GO) -C bench test -timeout $(TEST_TIMEOUT) ./...

.PHONY: bench-micro
bench-micro: SHELL := bash
bench-micro: .SHELLFLAGS := -o pipefail -c
bench-micro: ## Run the micro-benchmarks (COUNT=n; BASE=old.txt compares by benchstat)
	@mkdir -p bin
	$(BENCH_TEST) $(BENCH_PACKAGES) | tee bin/bench-micro.new
	$(if $(filter ./...,$(BENCH_PACKAGES)),cd bench && $(BENCH_TEST) ./micro | tee -a ../bin/bench-micro.new)
	$(if $(BASE),$(GO) -C tools tool benchstat $(abspath $(BASE)) $(abspath bin/bench-micro.new))
	@mv bin/bench-micro.new bin/bench-micro.txt
	@echo "kept in bin/bench-micro.txt"

# PUSH=registry.example/team/enricher sends it to a registry as well, with the login of the user's configuration.
.PHONY: image
image: ## Build the container image for amd64 and arm64 into dist/image (PUSH=name also pushes it)
	$(GO) -C deploy/image run . image $(if $(PUSH),-push $(PUSH))

.PHONY: dist
dist: ## Build archives, checksums and SBOMs for linux, darwin and windows into dist/release
	$(GO) -C deploy/image run . dist

.PHONY: test-image
test-image: ## Build image and archives twice, compare them, and start the image (under runc where there is one)
	$(GO) -C deploy/image test -tags image -count 1 -v -timeout $(KAFKA_TIMEOUT) ./...

.PHONY: test-helm
test-helm: ## Lint the Helm chart, render it over a matrix of values, decode what comes out, and compare
	$(GO) -C deploy/helm/test test -count 1 -timeout $(KAFKA_TIMEOUT) ./...

# The programs are kept by their versions, as the linter is.
K8S_BIN = $(CACHE_DIR)/k8s-$(shell cat deploy/k8s/build/*/go.mod | cksum | cut -d ' ' -f 1)-$(shell $(GO) env GOVERSION)

# The ports 8080 and 8081 of 127.0.0.1 have to be free: docs/kubernetes.md forwards them.
.PHONY: test-k8s
test-k8s: ## Install, upgrade, scale and remove the chart on a real control plane (Java; half an hour the first time; UPDATE=1 writes docs)
	deploy/k8s/build/build.sh $(K8S_BIN)
	ENRICHER_K8S_BIN=$(K8S_BIN) ENRICHER_KEDA_CRDS=$$($(GO) -C deploy/k8s/build/keda list -m -f '{{.Dir}}' github.com/kedacore/keda/v2)/config/crd/bases \
		$(GO) -C deploy/k8s test -tags k8s -count 1 -v -timeout 40m . $(if $(UPDATE),-update)

# It needs another version of a library than the linter, so it is not in tools/go.mod.
ACTIONLINT_VERSION = v1.7.12

.PHONY: lint
lint: $(LINT) ## Run the linters
	$(LINT) run ./...
	@for m in $(MODULES); do (cd $$m && echo "$(LINT) run ./... # $$m" && $(LINT) run ./...) || exit 1; done
	$(GO) run github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION) .github/workflows/*.yaml

.PHONY: fmt
fmt: $(LINT) ## Format the code
	$(LINT) fmt ./...
	@for m in $(MODULES); do (cd $$m && $(LINT) fmt ./...) || exit 1; done

.PHONY: lint-path
lint-path: $(LINT) # Print where the linter is
	@echo $(LINT)

$(CACHE_DIR)/golangci-lint-%:
	@mkdir -p $(CACHE_DIR)
	$(GO) -C tools build -o $@.new github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@mv $@.new $@

.PHONY: tidy-check
tidy-check: ## Fail if a go.mod is not tidy
	$(GO) mod tidy -diff
	@for m in $(MODULES); do $(GO) -C $$m mod tidy -diff || exit 1; done

.PHONY: verify
verify: ## Hold what was downloaded to the sums in each go.sum
	$(GO) mod verify
	@for m in $(MODULES) $(BUILD_MODULES); do echo "$$m:" && $(GO) -C $$m mod verify || exit 1; done

# The tags of tests, as the linter has them.
TAGS = $(shell sed -n 's/^ *build-tags: \[\(.*\)\].*/\1/p' .golangci.yaml | tr -d ' ')

.PHONY: licences
licences: ## Fail on a licence that is not allowed, or if docs/licences.md is out of date (UPDATE=1 writes it)
	$(GO) -C tools test ./licences
	$(GO) -C tools run ./licences -root $(CURDIR) -tags $(TAGS) $(if $(UPDATE),-update)

# VULN_FLAGS=-required fails where the database cannot be reached; -db URL takes another.
.PHONY: vuln
vuln: ## Look for known vulnerabilities by govulncheck; says SKIPPED where its database cannot be reached
	$(GO) -C tools test ./vulncheck
	$(GO) -C tools run ./vulncheck $(VULN_FLAGS) $(CURDIR) $(addprefix $(CURDIR)/,$(MODULES))

# What CI runs, from quick to slow. .ci/run asks for this list, so that the two cannot differ.
CI_STEPS = verify licences vuln test test-rules test-page test-bench test-helm lint tidy-check test-image test-race fuzz test-kafka bench-smoke test-chaos-short

.PHONY: ci
ci: $(CI_STEPS) ## Everything that CI does

.PHONY: ci-steps
ci-steps:
	@echo $(CI_STEPS)
