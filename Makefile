# make demo    the main job on a lab, told in under two minutes
# make test    everything that has to be right, a real OpenTofu included
.DEFAULT_GOAL := help
.PHONY: help build install demo test test-slow test-clients test-terragrunt generated

version := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
ldflags := -s -w -X github.com/holdfast/holdfast/internal/cli.version=$(version)

help:
	@echo "make demo          tell the main job on a lab, in under two minutes"
	@echo "make test          all tests, with the race detector and a real OpenTofu"
	@echo "make test-slow     what takes longer: sessions of 330 s for three minutes"
	@echo "make test-clients  what other languages' AWS SDKs make of our environments"
	@echo "make test-terragrunt  what we take for granted of Terragrunt, against a real one"
	@echo "make check         formatting, vet, linter, arrows, generated files, builds"
	@echo "make bench         figures of this machine"
	@echo "make install       put holdfast into GOBIN (or GOPATH/bin)"

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(ldflags)' -o bin/ ./cmd/holdfast ./cmd/holdfast-lab

install:
	CGO_ENABLED=0 go install -trimpath -ldflags '$(ldflags)' ./cmd/holdfast

demo: build
	@sh demo/demo.sh "$(CURDIR)/bin" "$$(sh tools/tofu)"
	@sh demo/access.sh "$(CURDIR)/bin"

# Most of the time is spent waiting for sessions to end, so tests that wait may
# do it side by side.
# -count=1, because Go's cache of results doesn't know of the programs that tests
# build and start. The whole programs run by themselves, because they measure
# time and take both cores. The judges are modules of their own, so that what
# they need stays out of ours.
test:
	@sh tools/tofu >/dev/null
	go test -race -count=1 -parallel 8 $$(go list ./... | grep -v '/e2e$$')
	go test -race -count=1 -parallel 8 ./e2e
	go -C judge/authenticator test -count=1 ./...
	go -C judge/sarif test -count=1 ./...
	HOLDFAST_TOFU="$$(sh tools/tofu)" go -C judge/provider test -count=1 ./...

test-slow:
	@sh tools/tofu >/dev/null
	go test -race -count=1 -parallel 8 -tags slow -run Slow ./e2e
	HOLDFAST_TOFU="$$(sh tools/tofu)" go -C judge/provider test -count=1 -parallel 2 -run 'TestPlansAndTheirApply|TestFixedCode' -every ./...

test-clients:
	go test -count=1 -tags clients ./internal/precedence ./internal/profile
	go test -count=1 -tags clients -run 'Boto3|AWSCLI' ./internal/lab
	@sh tools/tofu >/dev/null
	go test -count=1 -parallel 8 -tags clients -run Delivery ./e2e

# The contract that the stand-in for Terragrunt keeps in make test, against the
# real one.
test-terragrunt:
	@command -v terragrunt >/dev/null || { echo "NOT LOOKED AT: there is no terragrunt in PATH; install one and run this again"; exit 1; }
	HOLDFAST_TERRAGRUNT="$$(command -v terragrunt)" go test -run Contract -v ./e2e

generated:
	@echo "generated: docs/cli is what the commands say of themselves"
	@go test ./internal/cli -run TestDocs

include check.mk bench.mk
