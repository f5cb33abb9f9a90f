//go:build !scanner

package cli

import (
	"errors"
	"fmt"

	"github.com/scantling/scantling/runtime/receive"
)

// checkAPIServer reads the manifest of --apiserver, and says what is wrong with
// how it audits. One that would wait for our webhook is refused.
func (a *app) checkAPIServer(name string, listens bool) error {
	text, err := readNamed("--apiserver", name)
	if err != nil {
		return err
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
