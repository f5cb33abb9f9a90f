package advisory

import (
	"cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/registry/vex"
)

// Result is a reading with the matches behind it.
type Result struct {
	model.Reading
	images []judged // in the order of their digests
}

// judged is one image with its matches.
type judged struct {
	inv *image.Inventory
	m   *matching
}

// state joins the matches with what VEX documents say of them.
func (m *matching) state(view *vex.View) {
	for i := range m.found {
		one := &m.found[i]
		one.weakness.Statement = view.Of(one.pkg, one.weakness.Advisory, one.weakness.Aliases, one.weakness.CVEs)
	}
}

// suppression is how a finding shows a favourable statement: the author owns
// it.
func suppression(s *model.Statement) *model.Suppression {
	if !s.Favourable() {
		return nil
	}
	reason := "VEX " + s.Status
	if why := cmp.Or(s.Justification, s.Impact); why != "" {
		reason += ": " + why
	}
	return &model.Suppression{Reason: reason, Owner: cmp.Or(s.Author, "an author without a name"), Expires: model.NoEnd}
}
