package network

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFilter(t *testing.T) {
	web := Connection{Src: "shop/web[Deployment]", Dst: "bank/db[Pod]"}
	out := Connection{Src: "shop/web[Deployment]", Dst: "10.0.0.0-10.255.255.255"}
	newcomer := Connection{Src: "shop/[pod with app=web]", Dst: "bank/db[Pod]"}
	for name, tc := range map[string]struct {
		filter Filter
		want   []bool // web, out, newcomer
	}{
		"all":                  {Filter{}, []bool{true, true, true}},
		"from":                 {Filter{From: "shop/web"}, []bool{true, true, false}},
		"from, with kind":      {Filter{From: "shop/web[Deployment]"}, []bool{true, true, false}},
		"from, another kind":   {Filter{From: "shop/web[Pod]"}, []bool{false, false, false}},
		"bare name":            {Filter{To: "db"}, []bool{true, false, true}},
		"part of a name":       {Filter{To: "d"}, []bool{false, false, false}},
		"to an address":        {Filter{To: "10.1.2.3"}, []bool{false, true, false}},
		"to another address":   {Filter{To: "11.1.2.3"}, []bool{false, false, false}},
		"to an IPv6 address":   {Filter{To: "::a01:203"}, []bool{false, false, false}},
		"either":               {Filter{Either: "bank/db"}, []bool{true, false, true}},
		"either and from":      {Filter{Either: "bank/db", From: "web"}, []bool{true, false, false}},
		"a newcomer, by text":  {Filter{From: "shop/[pod with app=web]"}, []bool{false, false, true}},
		"no name of newcomers": {Filter{From: "[any pod]"}, []bool{false, false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			got := []bool{tc.filter.Keeps(web), tc.filter.Keeps(out), tc.filter.Keeps(newcomer)}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	e := build(t, deploy("shop", "web", ""))
	for who, want := range map[string]string{"web": "", "shop/web": "", "10.0.0.1": "", "": "", "shop/wed": "shop/wed"} {
		if got := e.Missing(Filter{To: who}); got != want {
			t.Errorf("%q: %q is missing, want %q", who, got, want)
		}
	}
}

// TestFiltersPublicGoldens compares the listings of another engine that are
// about one workload.
func TestFiltersPublicGoldens(t *testing.T) {
	root := corpora(t, "netpol")
	compared := 0
	for _, row := range table(t, filepath.Join(root, "INDEX.tsv")) {
		who := strings.ReplaceAll(row["focus_workload"], "_", "/")
		if row["mode"] != "connlist" || who == "" {
			continue
		}
		compared++
		t.Run(filepath.Base(row["expected"]), func(t *testing.T) {
			if row["focus_peer"]+row["focus_conn"] != "" {
				t.Fatalf("a focus that is not known: %v", row)
			}
			f := Filter{Either: who}
			switch row["focus_direction"] {
			case "egress":
				f = Filter{From: who}
			case "ingress":
				f = Filter{To: who}
			}
			var got []string
			for _, c := range engineOf(t, filepath.Join(root, "tests", row["dir"])).List() {
				if f.Keeps(c) {
					got = append(got, c.String())
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(readGolden(t, filepath.Join(root, row["expected"]), row["format"]), got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if compared == 0 {
		t.Error("no listing was compared")
	}
}
