//go:build !linux

package private

// Memory does nothing here: only Linux lets a process say this of itself
// without changing limits that its children inherit.
func Memory() error { return nil }
