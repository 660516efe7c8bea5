# make help lists what there is. GOFLAGS, GOTOOLCHAIN, GOPROXY and the like are
# Go's own and work as everywhere; nothing here sets them.

GO       ?= go
PREFIX   ?= /usr/local
DESTDIR  ?=
FUZZTIME ?= 20s

# The commit, or the tag and what came after it; a tree without git has no name.
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)

.DEFAULT_GOAL := help
.PHONY: help build test test-deps lint bench fuzz demo install clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{ printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/ctys: static, the same bytes from the same sources; its stock scripts are compiled
	GOOS= GOARCH= $(GO) run ./luabind/precompiled/make
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ctys ./cmd/ctys

# With CI=1 what the tests need is installed first, and a test that still cannot
# run fails the whole unless tests/skips.txt names it.
test: $(if $(filter 1,$(CI)),test-deps) ## every test that can run here; ends with a table of what was not run
	@$(GO) run ./tests/run

test-deps: ## install what the tests need (Debian, root): lists it and asks; CI=1 or YES=1 does not ask
	@sh tests/test-deps

lint: ## gofmt, go mod tidy, go vet, staticcheck, and the rules of the house (tests/lint)
	@unformatted=$$(gofmt -l cmd luabind primitives scripts stdlib tests) && if [ -n "$$unformatted" ]; then echo "gofmt -w $$unformatted"; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -count=1 ./tests/lint

bench: build ## what is measured, as ratios of one run; fails beyond the limits
	@$(GO) run ./tests/bench

fuzz: ## every fuzz test, FUZZTIME each (20s)
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' sh tests/fuzz

demo: build ## the main job on the embedded lab: no root, no set-up. STUCK=db1 shows a guest that hangs
	@STUCK='$(STUCK)' sh tests/demo/run

install: build ## to PREFIX (/usr/local), below DESTDIR
	install -D -m 0755 bin/ctys '$(DESTDIR)$(PREFIX)/bin/ctys'

clean: ## remove bin/, .cache/ and the compiled scripts
	rm -rf bin .cache luabind/precompiled/code/[0-9a-f]*
