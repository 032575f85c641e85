//go:build !unix

package durable

// TryLock does nothing here.
func TryLock(string) (unlock func(), ok bool, err error) { return func() {}, true, nil }

// A directory can't be synced here.
func unlessUnsupported(error) error { return nil }
