//go:build !scanner

package cli

import (
	"cmp"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/posture"
	"github.com/scantling/scantling/model"
)

// standard is what --pod-security and --kubernetes-version ask for.
type standard struct {
	spec       string // LEVEL:VERSION, or LEVEL; "" judges by the rules
	kubernetes string // "" is the cluster's own version, else the newest
}

// judge judges a snapshot by the standard alone. Without a version in spec it
// is that of --kubernetes-version, else the cluster's own, else the newest.
func (d standard) judge(s *kube.Snapshot) (model.Reading, string, error) {
	level, version, given := strings.Cut(d.spec, ":")
	if given && version == "" {
		return model.Reading{}, "", usage("--pod-security %q: name a level and a version, as restricted:v1.37", d.spec)
	}
	version, err := posture.StandardVersion(cmp.Or(version, d.kubernetes, serverOf(s)))
	if err != nil {
		return model.Reading{}, "", usage("%w", err)
	}
	reading, err := posture.JudgeStandard(s, level, version)
	if err != nil {
		return model.Reading{}, "", usage("--pod-security: %w", err)
	}
	return reading, level + ":" + version, nil
}

// check refuses what can't be judged before anything is read.
func (d standard) check() error {
	if _, err := posture.StandardVersion(d.kubernetes); err != nil {
		return usage("--kubernetes-version: %w", err)
	}
	if d.spec == "" {
		return nil
	}
	_, _, err := d.judge(&kube.Snapshot{})
	return err
}

// serverOf is the version of the API server, "" where it isn't known.
func serverOf(s *kube.Snapshot) string {
	if s.Origin == nil {
		return ""
	}
	return s.Origin.Server
}
