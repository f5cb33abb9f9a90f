package model

import (
	"encoding/json"
	"testing"
)

func TestSeverity(t *testing.T) {
	for name, want := range map[string]Severity{"info": Info, "low": Low, "medium": Medium, "high": High, "critical": Critical} {
		got, err := ParseSeverity(name)
		if err != nil || got != want {
			t.Errorf("%s reads as %v, %v", name, got, err)
		}
		text, err := json.Marshal(got)
		if err != nil || string(text) != `"`+name+`"` {
			t.Errorf("%v prints %s, %v", got, text, err)
		}
		var back Severity
		if err := json.Unmarshal(text, &back); err != nil || back != want {
			t.Errorf("%s reads back as %v, %v", text, back, err)
		}
	}
	for _, bad := range []string{"", "High", "hig", "criticals"} {
		if s, err := ParseSeverity(bad); err == nil {
			t.Errorf("%q reads as %v", bad, s)
		}
		var s Severity
		if err := s.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q decodes as %v", bad, s)
		}
	}
	if _, err := Severity(9).MarshalText(); err == nil || Severity(9).String() != "severity(9)" {
		t.Errorf("a severity out of range prints as %v, %v", Severity(9), err)
	}
}

func TestIDsTellApartWhatIsDifferent(t *testing.T) {
	base := Fact{Kind: Right, Asset: Ref{Binding, "c/ns/RoleBinding/b"}, Object: Ref{Identity, "c/ns/sa"}, Value: "v", P: 1}
	same := base
	same.P, same.Source, same.Evidence = .5, "elsewhere", []Evidence{{What: "other"}}
	if base.ID() != same.ID() {
		t.Error("a fact's id depends on where it was read")
	}
	for name, change := range map[string]func(*Fact){
		"kind":   func(f *Fact) { f.Kind = Token },
		"asset":  func(f *Fact) { f.Asset.Key += "x" },
		"object": func(f *Fact) { f.Object.Kind = Node },
		"value":  func(f *Fact) { f.Value = "w" },
	} {
		other := base
		change(&other)
		if other.ID() == base.ID() {
			t.Errorf("%s makes no difference", name)
		}
	}
	w := Weakness{Advisory: "A", Image: Ref{Image, "i"}, Component: "c"}
	v := w
	v.Component = "d"
	if w.ID() == v.ID() {
		t.Error("two components share a weakness")
	}
	x, y := Ref{Image, "i"}, Ref{Image, "j"}
	if ActionID(UpgradeComponent, x) == ActionID(UpgradeComponent, y) || ActionID(UpgradeComponent, x) == ActionID(RebuildBase, x) {
		t.Error("two actions share an id")
	}
	if Fingerprint("a", "bc") == Fingerprint("ab", "c") {
		t.Error("a fingerprint forgets where its parts end")
	}
}

func TestRef(t *testing.T) {
	if !(Ref{}).IsZero() || (Ref{Kind: Node}).IsZero() {
		t.Error("IsZero")
	}
	ordered := []Ref{{Image, "a"}, {Image, "b"}, {Node, "a"}}
	for i := range ordered {
		for j := range ordered {
			if got := ordered[i].Compare(ordered[j]); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%v against %v: %d", ordered[i], ordered[j], got)
			}
		}
	}
	if got := (Ref{Node, "c/n"}).String(); got != "node c/n" {
		t.Error(got)
	}
}
