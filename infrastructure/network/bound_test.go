package network

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// TestBoundsRules gives one pod more rules, each on a port of its own, than are
// asked: that takes no time, depends and is told. Others are answered for.
func TestBoundsRules(t *testing.T) {
	var rules strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&rules, "{ports: [{port: %d}], from: [{podSelector: {matchLabels: {app: x%d}}}]}, ", i+1, i%7)
	}
	start := time.Now()
	e := build(t, deploy("shop", "web", ""), deploy("shop", "db", ""), netpol("shop", "many", "db", "  ingress: ["+rules.String()+"]"), netpol("shop", "shut", "web", "  policyTypes: [Ingress]"))
	for pair, want := range map[[2]string]Answer{{"shop/web", "shop/db"}: Depends, {"shop/db", "shop/web"}: Denied} {
		if v, err := e.Probe(pair[0], pair[1], "tcp/80"); err != nil || v.Answer != want {
			t.Errorf("%v: %s %v, want %s", pair, v.Answer, err, want)
		}
	}
	if len(e.Incomplete) != 1 || !strings.Contains(e.Incomplete[0].Why, "shop/db have too many rules") {
		t.Errorf("incomplete: %v", e.Incomplete)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestBoundsMatrix asks for more pairs than a matrix holds.
func TestBoundsMatrix(t *testing.T) {
	e := Build(bigCluster(500))
	if _, err := e.Matrix([]string{"tcp/80"}); err == nil || !strings.Contains(err.Error(), "5000 pods make 25000000 pairs") {
		t.Error(err)
	}
}

// TestBoundsMadeUp adds conditions to as many as pods are made up for: that is
// told once, and what is known already doesn't count.
func TestBoundsMadeUp(t *testing.T) {
	n := newcomers{terms: make([]term, maxMadeUp-1), byName: map[string]int{}}
	condition := func(value string) term {
		return term{{Test: policy.Test{Key: policy.Key{Name: "app"}, Op: policy.In, Values: []string{value}}}}
	}
	for _, value := range []string{"a", "a", "b", "c", "a"} {
		n.add(condition(value))
	}
	if len(n.terms) != maxMadeUp || len(n.byName) != 1 || len(n.missed) != 1 {
		t.Errorf("%d terms, %v, %v", len(n.terms), n.byName, n.missed)
	}
}
