// Command scantling finds where a container estate should start: it reads
// Dockerfiles, images, manifests and logs and prints an ordered list of
// actions, each with the risk that it removes.
package main

import (
	"context"
	"os"

	"github.com/scantling/scantling/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:], cli.Std()))
}
