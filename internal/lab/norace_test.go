//go:build !race

package lab_test

// slower is how much longer the race detector would make a limit of time.
const slower = 1
