# What has to be right before anybody looks at a change: make check.
# It needs Go, make and git; what Go hasn't got yet, its module proxy gives.

modules   := . tools tools/lint tools/time judge/authenticator judge/provider judge/sarif
tags      := slow clients
platforms := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
sources    = $(shell git ls-files --cached --others --exclude-standard '*.go')

.PHONY: check fmt vet staticcheck arrows cross mod

check: fmt vet staticcheck arrows generated cross mod
	@echo "check: all is well"

fmt:
	@echo "fmt: gofmt"
	@bad=$$(gofmt -l $(sources)); if [ -n "$$bad" ]; then \
		echo "$$bad"; echo "fmt: not formatted; run:  gofmt -w" $$bad; exit 1; fi

vet:
	@echo "vet: go vet, with and without the tags $(tags)"
	@go vet ./...
	@for tag in $(tags); do go vet -tags $$tag ./... || exit 1; done

# A module of its own: what a linter needs is nothing that holdfast links.
staticcheck:
	@echo "staticcheck: honnef.co/go/tools, with and without tags"
	@go tool -modfile=tools/lint/go.mod staticcheck ./...
	@go tool -modfile=tools/lint/go.mod staticcheck -tags "$(tags)" ./...

arrows:
	@echo "arrows: layers, names, state, calls, sizes, linked modules"
	@go test ./internal/archtest

cross:
	@echo "cross: every command builds for $(platforms)"
	@for p in $(platforms); do \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -o /dev/null ./cmd/holdfast && \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -o /dev/null ./cmd/holdfast-lab || \
		{ echo "cross: it doesn't build for $$p"; exit 1; }; done
	@echo "cross: vet, tests included, for windows and darwin"
	@for os in windows darwin; do CGO_ENABLED=0 GOOS=$$os go vet ./... || exit 1; done

mod:
	@echo "mod: go mod tidy and verify in $(modules)"
	@for m in $(modules); do \
		go -C $$m mod tidy -diff || { echo "mod: run:  go -C $$m mod tidy"; exit 1; }; \
		go -C $$m mod verify || exit 1; done
