//go:build !clients

package e2e

import (
	"os"
	"testing"
)

// clients are those that need nothing but Go: this test binary.
func clients(t *testing.T) []client {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []client{{"Go SDK", []string{exe, "go-sdk", asks}}}
}
