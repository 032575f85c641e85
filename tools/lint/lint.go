// Package lint holds the linters of `make check`, in a module of its own so
// that their dependencies stay out of holdfast's go.mod.
package lint
