//go:build race

package lab_test

// slower is how much longer the race detector makes a limit of time.
const slower = 4
