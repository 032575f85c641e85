// Command holdfast keeps AWS identity intact for the whole life of an
// infrastructure change.
package main

import (
	"os"

	"github.com/holdfast/holdfast/internal/cli"
)

func main() { os.Exit(cli.Main()) }
