# Everything that CI gates is a word here, and CI runs the same words.
GO ?= go
FUZZTIME ?= 10s
.PHONY: all build scanner test lint fmt generate check cover generated ignored controlplane e2e exhaustive worlds browser record siege bench bench-cluster bench-lint bench-posture bench-secrets bench-image bench-registry bench-lateral bench-detect bench-ingest fuzz clean

all: build

build: ## the one binary, without cgo, and without tables for debuggers: tracebacks have their own
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o dist/scantling ./cmd/scantling

scanner: ## the edition for Dockerfiles and images alone
	CGO_ENABLED=0 $(GO) build -tags scanner -trimpath -ldflags "-s -w" -o dist/scanner/scantling ./cmd/scantling

test: ## quick, needs only Go
	$(GO) test ./...

lint: ## formatting, vet, staticcheck
	@out=$$($(GO) tool gofumpt -l .); test -z "$$out" || { echo "not formatted (make fmt):"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags scanner -tests=false -checks inherit,-U1000 ./... # an edition uses less
	cd test/peer && $(GO) vet ./...

fmt:
	$(GO) tool gofumpt -l -w .

generate: ## the example's images, the pages of the rules
	$(GO) run ./internal/gen/shop
	$(GO) run ./cmd/scantling rules docs --out docs/rules

check: lint build test cover generated ignored ## everything that needs only Go
# The packages that the ranking rests on are covered to 85 %.
cover:
	@for p in model graph rule risk estate ladder; do \
	  $(GO) test -cover ./$$p | awk -v p=$$p '{ for (i = 1; i <= NF; i++) if ($$i ~ /%$$/) { c = $$i + 0; print p, $$i; if (c < 85) exit 1 } }' || { echo "$$p: below 85 %"; exit 1; }; \
	done
generated: generate
	git add -N docs/rules && git diff --exit-code --stat -- examples docs/rules
ignored: # many global ignore files hide build/, which is a stage here
	@! git check-ignore -q --no-index build/lint/judge.go || { echo "build/ is ignored by Git"; exit 1; }

# With real parts. What is absent is installed from Debian, and from npm for the browser. The API server and its like
# are built once into a cache folder: about 20 CPU minutes cold, nothing after that.
DEBIAN = install() { for p in $$1; do command -v $$p >/dev/null || { apt-get update -qq && apt-get install -y -qq $$2; return; }; done; }; install
E2E = cd test/e2e && SCANTLING=$(CURDIR)/dist/scantling CONTROLPLANE=$$(controlplane/build.sh) $(GO) test -count=1
controlplane:
	@$(DEBIAN) etcd etcd-server
	test/e2e/controlplane/build.sh
e2e: build controlplane browser ## a Debian root, registries, a Kubernetes control plane, a browser, PostgreSQL
	@$(DEBIAN) "mmdebstrap skopeo docker-registry" "mmdebstrap skopeo docker-registry"
	$(E2E) -timeout 30m $$($(GO) list ./... | grep -v /siege$$)
	$(E2E) -timeout 30m -v ./siege
	@$(DEBIAN) pg_createcluster postgresql
	SCANTLING_POSTGRES=required $(GO) test -count=1 -run Postgres ./store ./registry/index
exhaustive: build ## what make test takes a sample of: every range of the mirror; 10,000 clusters of roles; 200 kills each of scans and syncs of the program, its watch, the library, the index, the store, the log
	SCANTLING_WHOLE=1 SCANTLING_KILLS=200 SCANTLING=$(CURDIR)/dist/scantling $(GO) test -count=1 -timeout 30m \
	  -run '^(TestRangesAgainstNaive|TestTouchedAgainstAlone|TestKill|TestKillWatch|TestCanAgreesWithNaiveEvaluator|TestTrustAgreesWithNaiveEvaluator)$$' \
	  ./cli ./infrastructure/cloud ./infrastructure/identity ./registry/advisory ./registry/index ./store ./bus
worlds: ## 10,000 clusters each with policies of Kubernetes, Cilium, Calico, Istio, and of changes, against naive evaluators: 10 minutes, of which make test takes a sample
	SCANTLING_WHOLE=1 $(GO) test -count=1 -timeout 60m -run '^(TestPoliciesAgainstNaive|TestWithAgainstBuild|TestAgreesWithOracle|TestWorlds.*)$$' -v ./infrastructure/network/...
browser: build ## the report in Debian's chromium; needs node and npm
	@$(DEBIAN) chromium chromium
	cd test/browser && npm ci --silent && SCANTLING=$(CURDIR)/dist/scantling GO=$(GO) npm test --silent
record: build controlplane ## the example's audit log, from a real API server
	$(E2E) -run '^TestRecording' ./record -update
siege: build controlplane ## ten attacks among the work of a company, 20 minutes against a real API server: recall, precision, false alerts an hour
	$(E2E) -timeout 60m -run '^TestSiege$$' -v ./siege -duration 20m

bench: build ## assess time and peak memory: the shop, and 1,000 workloads
	$(GO) run ./internal/gen/bench
bench-cluster: ## heap and peak memory of reading 20,000 pods
	SCANTLING_PODS=20000 $(GO) test -count=1 -run '^TestMemory$$' -v ./infrastructure/kube
bench-lint: ## the build stage beside BuildKit's linter: agreement, time and their ratio
	cd test/peer && $(GO) test -count=1 -run . -bench Lint -benchtime 3x -v .
bench-posture: ## processor time of all infrastructure rules for an object, beside one YAML parse; at most 100 µs
	$(GO) test ./infrastructure/posture -run '^$$' -bench '^BenchmarkRules$$' -benchtime 3x
bench-secrets: ## processor time of the search for secrets, beside gunzip and sha256 of the same text; at most 0.3
	$(GO) test ./registry/secret -run '^$$' -bench '^BenchmarkScan$$' -benchtime 3x
bench-image: ## an image that nothing is known of, beside decompressing and hashing it; one whose layers are known
	$(GO) test ./registry/image -run '^$$' -bench '^Benchmark(Cold|Known)$$'
bench-registry: build scanner ## the mirror loaded; 1,000,000 images and advisories; beside osv-scanner: verdicts, 1,000 SBOMs, cold images
	$(GO) test -count=1 -run '^TestLoadMirror$$' -v ./registry/advisory
	$(GO) run ./internal/gen/registry
	@$(DEBIAN) mmdebstrap mmdebstrap
	cd test/peer && OSV_SCANNER=$$(./osv-scanner.sh) SCANTLING=$(CURDIR)/dist/scantling SCANTLING_SCANNER=$(CURDIR)/dist/scanner/scantling $(GO) test -count=1 -timeout 60m -run '^(TestRematch|TestColdScan|TestSameAdvisories)$$' -v .
bench-lateral: ## network, RBAC, attack graph and blast radii of 100 to 10,000 workloads: time, memory, growth; beside netpol-analyzer
	$(GO) run ./internal/gen/lateral
bench-detect: ## reading logs and asking 470 and 3,100 rules: events a second of one core, beside parsing alone and decoding into maps
	$(GO) run ./internal/gen/detect

bench-ingest: ## real audit events until they are durable, read again, and from standard input to recorded alerts, beside the bare log server; durable at half of its rate at least
	$(GO) test ./bus -run '^$$' -bench '^BenchmarkIngest$$' -benchtime 1x

FUZZ = ./build/dockerfile ./bus ./config ./graph ./infrastructure/cloud ./infrastructure/kube ./infrastructure/network/calico ./infrastructure/network/cilium ./infrastructure/network/istio \
  ./infrastructure/network/kubernetes ./registry/image ./registry/image/rpmdb ./registry/advisory ./registry/feed ./registry/index ./registry/secret ./registry/sbom ./registry/vex ./notify/format ./notify/sink ./oci ./rule ./splice ./report \
  ./runtime/ingest ./runtime/detect ./runtime/trial ./runtime/signal ./runtime/receive
fuzz: ## every parser of foreign bytes, FUZZTIME each
	@for p in $(FUZZ); do for f in $$($(GO) test -list '^Fuzz' $$p | grep ^Fuzz); do \
	  $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$p || exit 1; done; done

clean:
	rm -rf dist
