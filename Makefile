# Everything that CI gates is a word here, and CI runs the same words.
GO ?= go
FUZZTIME ?= 10s

.PHONY: all build test lint fmt generate record check controlplane e2e bench fuzz clean
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

generate: ## the example's images
	$(GO) run ./internal/gen/shop

check: lint build test cover generated ignored ## everything that CI gates

# Installs etcd where it is absent, and builds the API server and the rest once
# into a cache folder: about 20 CPU minutes cold, nothing after that.
controlplane: ## a Kubernetes control plane for the end-to-end tests
	@command -v etcd >/dev/null || { apt-get update -qq && apt-get install -y -qq etcd-server; }
	test/e2e/controlplane/build.sh

E2E = cd test/e2e && SCANTLING=$(CURDIR)/dist/scantling CONTROLPLANE=$$(controlplane/build.sh) $(GO) test -count=1

e2e: build controlplane ## with real parts: a Debian root, a control plane (installs from Debian what is absent)
	@command -v mmdebstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq mmdebstrap; }
	$(E2E) -timeout 30m ./...

record: build controlplane ## the example's audit log, from a real API server
	$(E2E) -run '^TestRecording' ./record -update

.PHONY: cover generated ignored
# The packages that the ranking rests on are covered to 85 %.
cover:
	@for p in model graph rule risk estate ladder; do \
	  $(GO) test -cover ./$$p | awk -v p=$$p '{ for (i = 1; i <= NF; i++) if ($$i ~ /%$$/) { c = $$i + 0; print p, $$i; if (c < 85) exit 1 } }' || { echo "$$p: below 85 %"; exit 1; }; \
	done

generated: generate
	git diff --exit-code --stat -- examples

# Many global ignore files hide build/, which is a stage here.
ignored:
	@! git check-ignore -q --no-index build/lint/judge.go || { echo "build/ is ignored by Git"; exit 1; }

bench: build ## assess time and peak memory: the shop, and 1,000 workloads
	$(GO) run ./internal/gen/bench

.PHONY: bench-cluster
bench-cluster: ## heap and peak memory of reading 20,000 pods
	SCANTLING_PODS=20000 $(GO) test -count=1 -run '^TestMemory$$' -v ./infrastructure/kube

FUZZ = ./build/dockerfile ./config ./graph ./infrastructure/kube ./registry/image ./registry/advisory ./oci ./rule ./runtime/ingest ./runtime/detect
fuzz: ## every parser of foreign bytes, FUZZTIME each
	@for p in $(FUZZ); do for f in $$($(GO) test -list '^Fuzz' $$p | grep ^Fuzz); do \
	  $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done

clean:
	rm -rf dist
