package advisory

import (
	"fmt"
	"slices"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/registry/secret"
	"github.com/scantling/scantling/rule"
)

// secretChecks judge the secrets of an image: those of layers by their class,
// those of the configuration together.
var secretChecks = map[string]rule.Check[*subject]{
	"private-key-in-layer":      inLayer(secret.Key),
	"token-in-layer":            inLayer(secret.Token),
	"credential-store-in-layer": inLayer(secret.Store),
	"password-in-layer":         inLayer(secret.Password),
	"secret-in-image-config":    secretHits(func(s image.Secret) bool { return s.Layer == "" }),
}

func inLayer(class secret.Class) rule.Check[*subject] {
	return secretHits(func(s image.Secret) bool { return s.Layer != "" && secret.KindOf(s.Kind).Class == class })
}

func secretHits(wanted func(image.Secret) bool) rule.Check[*subject] {
	return func(in *subject) (out []rule.Hit) {
		for _, s := range in.inv.Secrets {
			if wanted(s) {
				out = append(out, secretHit(in, s))
			}
		}
		return out
	}
}

// Where a secret can be read.
const (
	stateVisible = "in the finished image"
	stateHidden  = "removed or replaced by a layer above, and still in its layer"
	stateConfig  = "in the configuration"
)

// secretHit tells of a secret without its value, which nobody kept.
func secretHit(in *subject, s image.Secret) rule.Hit {
	kind, severity := secret.KindOf(s.Kind), secretSeverity(s, in.now)
	where, state := s.Path, stateVisible
	if s.Line > 0 {
		where = fmt.Sprintf("%s:%d", s.Path, s.Line)
	}
	message := fmt.Sprintf("%s: %s.", where, kind.Name)
	switch {
	case s.Layer == "":
		state = stateConfig
	case !s.Visible:
		state = stateHidden
		message = fmt.Sprintf("%s: %s, %s.", where, kind.Name, stateHidden)
	}
	h := rule.Hit{
		Verdict: model.Fail, Position: model.Position{File: in.inv.File}, Message: message, Severity: &severity,
		Cause: s.Kind + " " + s.Path,
		Evidence: []model.Evidence{
			{What: "secret", Where: where, Value: s.Kind},
			{What: "state", Where: in.inv.Name, Value: state},
		},
	}
	if s.Layer != "" {
		h.Evidence = slices.Insert(h.Evidence, 1, model.Evidence{What: "layer", Where: in.inv.Name, Value: s.Layer})
	}
	if !s.Expires.IsZero() {
		h.Evidence = append(h.Evidence, model.Evidence{What: "expires", Where: where, Value: s.Expires.Format(time.DateOnly)})
	}
	return h
}

// secretSeverity is that of the kind, or low of a token that has expired.
func secretSeverity(s image.Secret, now time.Time) model.Severity {
	if !s.Expires.IsZero() && !now.IsZero() && s.Expires.Before(now) {
		return model.Low
	}
	return secret.KindOf(s.Kind).Severity
}

// caseSecret is a secret of a case.
type caseSecret struct {
	Kind   string `json:"kind"`
	Path   string `json:"path"`   // "config env NAME" of one in the configuration
	Line   int    `json:"line"`   // 0 of one in the configuration
	Hidden bool   `json:"hidden"` // by a layer above
}

func (c caseSecret) secret() (image.Secret, error) {
	if secret.KindOf(c.Kind).Name == "" {
		return image.Secret{}, fmt.Errorf("no kind of secret is named %q", c.Kind)
	}
	s := image.Secret{Kind: c.Kind, Path: c.Path, Line: c.Line, Visible: !c.Hidden}
	if c.Line > 0 {
		s.Layer = "sha256:layer"
	}
	return s, nil
}
