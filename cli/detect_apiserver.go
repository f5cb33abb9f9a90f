package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/scantling/scantling/runtime/receive"
)

// mostManifest bounds the file of --apiserver, in bytes.
const mostManifest = 16 << 20

// checkAPIServer reads the manifest of --apiserver, and says what is wrong with
// how it audits. One that would wait for our webhook is refused.
func (a *app) checkAPIServer(name string, listens bool) error {
	f, err := os.Open(name)
	if err != nil {
		return failed("--apiserver: %s: %s", name, cause(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostManifest+1))
	if err != nil {
		return failed("--apiserver: %s: %s", name, cause(err))
	}
	if len(text) > mostManifest {
		return failed("--apiserver: %s: it is larger than %d MiB", name, mostManifest>>20)
	}
	servers, err := receive.Servers(text)
	if err != nil {
		return usage("--apiserver: %s: %w", name, err)
	}
	if len(servers) == 0 {
		return usage("--apiserver: %s: no Pod in it runs kube-apiserver", name)
	}
	var refused []error
	for _, s := range servers {
		for _, p := range receive.Check(s.Args) {
			switch {
			case p.Flag == "--audit-webhook-mode" && listens:
				refused = append(refused, fmt.Errorf("--apiserver: %s: %s: %s %s", name, s.Name, p.Flag, p.Why))
			case p.Flag == "--audit-webhook-config-file" && !listens: // its log file will do
			default:
				a.say("warning: %s: %s: %s %s", name, s.Name, p.Flag, p.Why)
			}
		}
	}
	if len(refused) > 0 {
		return &failure{exitUsage, errors.Join(refused...)}
	}
	return nil
}
