# Speed and size, measured on this machine: make bench (under a minute).

.PHONY: bench

bench:
	@go run ./bench
