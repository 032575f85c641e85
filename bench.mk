# Speed and size, measured on this machine: make bench (under four minutes), or
# a part of it, as in make bench ONLY=fleet.

.PHONY: bench

bench:
	@go run ./bench $(ONLY)
