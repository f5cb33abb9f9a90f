package advisory_test

import (
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
)

// TestDescribeDamaged: a catalogue of exploited vulnerabilities that can't be
// read is an error, and not one without any.
func TestDescribeDamaged(t *testing.T) {
	s := openStore(t)
	library := advisory.NewLibrary(s, nil)
	if _, err := library.Describe(t.Context()); err != nil {
		t.Errorf("without a catalogue: %v", err)
	}
	damaged := model.Record{Kind: "advisory-exploit", Key: "kev", Body: []byte("damaged")}
	if err := s.Apply(t.Context(), []model.Write{{Record: damaged}}); err != nil {
		t.Fatal(err)
	}
	if _, err := library.Describe(t.Context()); err == nil || !strings.Contains(err.Error(), "exploited") {
		t.Errorf("with a damaged one: %v", err)
	}
}
