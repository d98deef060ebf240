# What there is to do with this tree. "make" alone builds the server.
#
#   make build          bin/larder
#   make run            builds and serves; ARGS='--port 7000' are the server's
#   make test           all tests that need nothing but Go
#   make lint           formatting, go vet for Linux and macOS, staticcheck
#   make race           all tests again, under the race detector and with inner checks on
#   make fuzz           every fuzz target for FUZZTIME (10s)
#   make test-compat    larder next to a real redis-server, which is installed if it is missing (Debian, root)
#   make bench          the load generator, next to every server of the kind that is on the PATH
#   make pgo            cmd/larder/default.pgo anew: which parts of the program are hot, for the compiler
#   make pair           a primary, a replica and a witness; the primary is killed under load, and a chart shows the gap

GO       ?= go
VERSION  ?= 0.1.0
COMMIT   ?= $(shell git rev-parse --short=8 HEAD 2>/dev/null || echo 00000000)
FUZZTIME ?= 10s
ARGS     ?=

# What takes minutes, most of them waiting, goes first: at the end it would run alone.
PACKAGES = ./server ./tests/partition ./replication/failover ./tests/crash ./...

LDFLAGS = -X larder/server.Version=$(VERSION) -X larder/server.Commit=$(COMMIT)

.PHONY: build run test lint race fuzz test-compat bench pgo pair clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/larder ./cmd/larder

run: build
	bin/larder serve $(ARGS)

test:
	$(GO) test $(PACKAGES)

lint:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "not formatted by gofmt:"; echo "$$files"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags invariant ./...
	GOOS=darwin $(GO) vet ./...
	$(GO) tool staticcheck ./...

race:
	$(GO) test -race -tags invariant -short -timeout 15m $(PACKAGES)

fuzz:
	.ci/fuzz $(FUZZTIME)

test-compat:
	.ci/install-redis
	$(GO) test -count=1 -timeout 15m ./tests/compat/... -live

bench: build
	$(GO) run ./tests/bench $(ARGS)

# Rows that spend the time of a server at work; the others wait for disks and clocks.
PGO_ROWS = ^(script|family|value|unix|tls/GET|log/everysec|replication/SET|large/zset)

# The program's place gets into the profile, so it is the same everywhere.
PGO_DIR = /tmp/larder-pgo

pgo:
	rm -rf $(PGO_DIR) && mkdir -p $(PGO_DIR)/profiles
	CGO_ENABLED=0 $(GO) build -pgo=off -tags profile -trimpath -o $(PGO_DIR)/larder ./cmd/larder
	LARDER_PROFILES=$(PGO_DIR)/profiles $(GO) run ./tests/bench -larder $(PGO_DIR)/larder -peers none -rounds 10 -run '^(speed|setex)'
	LARDER_PROFILES=$(PGO_DIR)/profiles $(GO) run ./tests/bench -larder $(PGO_DIR)/larder -peers none -quick -run '$(PGO_ROWS)'
	$(GO) tool pprof -proto $$(find $(PGO_DIR)/profiles -size +2) > cmd/larder/default.pgo

pair: build
	$(GO) run ./tests/pair $(ARGS)

clean:
	rm -rf bin
