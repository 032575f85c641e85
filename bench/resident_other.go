//go:build !unix

package main

import "os"

// resident isn't known here.
func resident(*os.ProcessState) float64 { return 0 }
