package cilium_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/cilium"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// FuzzRead holds what is read of any text to the promises of the form: it is
// the same each time, no policy goes without a word, and every part is whole.
func FuzzRead(f *testing.F) {
	for _, tc := range cases {
		f.Add(strings.Join(tc.policies, "\n---\n"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		read := func() (*kube.Snapshot, []policy.Policy, string) {
			s, err := kube.ReadFrom(t.Context(), "", "in.yaml", strings.NewReader(text))
			if err != nil {
				t.Skip()
			}
			policies, gaps := cilium.Read(s)
			var said strings.Builder
			for _, p := range policies {
				fmt.Fprintf(&said, "%s %s\n", &p, p.Subject)
				for _, side := range p.Sides {
					if side != nil {
						fmt.Fprintf(&said, " %+v\n", *side)
					}
				}
			}
			for _, g := range gaps {
				fmt.Fprintln(&said, g.What, g.Why)
			}
			return s, policies, said.String()
		}
		s, policies, said := read()
		if _, _, again := read(); said != again {
			t.Errorf("not the same twice:\n%s", cmp.Diff(said, again))
		}
		for _, kind := range []string{"CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"} {
			for _, o := range s.ByKind(kind) {
				off := len(s.ByKind("ConfigMap")) > 0 // policies for nodes may be known not to be in force
				if o.APIVersion == "cilium.io/v2" && !off && !strings.Contains(said, o.Name) {
					t.Errorf("no word on %s", o)
				}
			}
		}
		for _, p := range policies {
			if p.Subject == nil || p.Object == nil {
				t.Fatalf("half a policy: %+v", p)
			}
			for _, side := range p.Sides {
				checkSide(t, side)
			}
		}
	})
}

func checkSide(t *testing.T, side *policy.Side) {
	t.Helper()
	if side == nil {
		return
	}
	for _, r := range side.Rules {
		for _, p := range r.Peers {
			set := 0
			for _, is := range []bool{p.Pods != nil, p.Nodes != nil, p.Block.IsValid()} {
				if is {
					set++
				}
			}
			if set != 1 {
				t.Errorf("%s: a peer of %d kinds: %+v", r.Field, set, p)
			}
		}
		for _, p := range r.Ports {
			if named := p.Name != ""; named != (p.Low == 0) || !named && (p.Low < 1 || p.High < p.Low || p.High > 65535) {
				t.Errorf("%s: the port %+v", r.Field, p)
			}
		}
		if r.Field == "" || r.Peers != nil && len(r.Peers) == 0 || r.Ports != nil && len(r.Ports) == 0 {
			t.Errorf("a rule that says too little: %+v", r)
		}
	}
}
