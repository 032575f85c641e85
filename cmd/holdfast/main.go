// Command holdfast keeps AWS identity intact for the whole life of an
// infrastructure change. It is package cli, whose exit code becomes the
// process's.
package main

import (
	"os"

	"github.com/holdfast/holdfast/internal/cli"
)

func main() { os.Exit(cli.Main()) }
