# Everything that CI gates is a word here, and CI runs the same words.
GO ?= go
FUZZTIME ?= 10s

.PHONY: all build test lint fmt generate check e2e bench bench-lint fuzz clean
all: build

build: ## the one binary, without cgo
	CGO_ENABLED=0 $(GO) build -trimpath -o dist/scantling ./cmd/scantling

test: ## quick, needs only Go
	$(GO) test ./...

lint: ## formatting, vet, staticcheck
	@out=$$($(GO) tool gofumpt -l .); test -z "$$out" || { echo "not formatted (make fmt):"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

fmt:
	$(GO) tool gofumpt -l -w .

generate: ## the example's images and audit log, the pages of the rules
	$(GO) run ./internal/gen/shop
	$(GO) run ./cmd/scantling rules docs --out docs/rules

check: lint build test cover generated ignored ## everything that CI gates

e2e: build browser ## with real parts: a Debian root (installs mmdebstrap where it is absent), a browser
	@command -v mmdebstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq mmdebstrap; }
	@command -v skopeo >/dev/null && command -v docker-registry >/dev/null || { apt-get update -qq && apt-get install -y -qq skopeo docker-registry; }
	cd test/e2e && SCANTLING=$(CURDIR)/dist/scantling $(GO) test -count=1 ./...

.PHONY: browser
browser: build ## the report in Debian's chromium (installed where it is absent); needs node and npm
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium; }
	cd test/browser && npm ci --silent && SCANTLING=$(CURDIR)/dist/scantling GO=$(GO) npm test --silent

.PHONY: cover generated ignored
# The packages that the ranking rests on are covered to 85 %.
cover:
	@for p in model graph rule risk estate ladder; do \
	  $(GO) test -cover ./$$p | awk -v p=$$p '{ for (i = 1; i <= NF; i++) if ($$i ~ /%$$/) { c = $$i + 0; print p, $$i; if (c < 85) exit 1 } }' || { echo "$$p: below 85 %"; exit 1; }; \
	done

generated: generate
	git add -N docs/rules && git diff --exit-code --stat -- examples docs/rules

# Many global ignore files hide build/, which is a stage here.
ignored:
	@! git check-ignore -q --no-index build/lint/judge.go || { echo "build/ is ignored by Git"; exit 1; }

bench: build ## assess time and peak memory: the shop, and 1,000 workloads
	$(GO) run ./internal/gen/bench

.PHONY: bench-cluster
bench-cluster: ## heap and peak memory of reading 20,000 pods
	SCANTLING_PODS=20000 $(GO) test -count=1 -run '^TestMemory$$' -v ./infrastructure/kube

.PHONY: bench-lint
bench-lint: ## the build stage beside BuildKit's linter: agreement, time and their ratio
	cd test/peer && $(GO) test -count=1 -run . -bench Lint -benchtime 3x -v .

.PHONY: bench-posture
bench-posture: ## processor time of all infrastructure rules for an object, beside one YAML parse; at most 100 µs
	$(GO) test ./infrastructure/posture -run '^$$' -bench '^BenchmarkRules$$' -benchtime 3x

FUZZ = ./build/dockerfile ./config ./graph ./infrastructure/kube ./registry/image ./registry/advisory ./registry/sbom ./oci ./rule ./splice ./report \
  ./runtime/ingest ./runtime/detect
fuzz: ## every parser of foreign bytes, FUZZTIME each
	@for p in $(FUZZ); do for f in $$($(GO) test -list '^Fuzz' $$p | grep ^Fuzz); do \
	  $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$p || exit 1; done; done

clean:
	rm -rf dist
