package network

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

func TestNewcomers(t *testing.T) {
	web := deploy("shop", "web", "")
	from := func(peers string) string { return netpol("shop", "in", "web", "  ingress: [{from: ["+peers+"]}]") }
	to := func(rules string) string {
		return netpol("shop", "out", "web", "  policyTypes: [Egress]\n  egress: ["+rules+"]")
	}
	const out = "shop/web[Deployment] => [any namespace]/[any pod] : All Connections"
	const in = "[any namespace]/[any pod] => shop/web[Deployment] : All Connections"
	for name, tc := range map[string]struct {
		manifests []string
		want      []string
	}{
		"no policy":          {nil, []string{in, out}},
		"shut":               {[]string{netpol("shop", "shut", "", "  policyTypes: [Ingress, Egress]")}, nil},
		"to all pods":        {[]string{from("{namespaceSelector: {}}")}, []string{in, out}},
		"to addresses alone": {[]string{from("{ipBlock: {cidr: 0.0.0.0/0}}")}, []string{out}},
		"by a label":         {[]string{from("{podSelector: {matchLabels: {app: db}}}")}, []string{"shop/[pod with app=db] => shop/web[Deployment] : All Connections", out}},
		"by a label that a pod has": {[]string{deploy("shop", "db", ""), from("{podSelector: {matchLabels: {app: db}}}")}, []string{
			"[any namespace]/[any pod] => shop/db[Deployment] : All Connections", "shop/db[Deployment] => [any namespace]/[any pod] : All Connections", out,
		}},
		"by a label in any namespace": {[]string{from("{namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}")}, []string{"[any namespace]/[pod with app=db] => shop/web[Deployment] : All Connections", out}},
		"one condition in another": {[]string{netpol("shop", "in", "web", "  ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: Exists}]}}], ports: [{port: 1}]}, {from: [{podSelector: {matchLabels: {a: b}}}], ports: [{port: 2}]}]")}, []string{
			"shop/[pod with a=b] => shop/web[Deployment] : TCP 1-2", "shop/[pod with a] => shop/web[Deployment] : TCP 1", out,
		}},
		"labels of a namespace as they are": {[]string{
			"apiVersion: v1\nkind: Namespace\nmetadata: {name: edge, labels: {team: a}}",
			netpol("shop", "in", "web", "  ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: edge}}}], ports: [{port: 1}]}, {from: [{namespaceSelector: {matchLabels: {team: a}}}], ports: [{port: 2}]}]"),
		}, []string{"[namespace with team=a]/[any pod] => shop/web[Deployment] : TCP 2", "edge/[any pod] => shop/web[Deployment] : TCP 1-2", out}},
		"no such pod":    {[]string{from("{podSelector: {matchLabels: {a: b}, matchExpressions: [{key: a, operator: DoesNotExist}]}}")}, []string{out}},
		"names of ports": {[]string{to("{to: [{namespaceSelector: {}}], ports: [{port: dns, protocol: UDP}, {port: 80}, {port: 65534}]}")}, []string{in, "shop/web[Deployment] => [any namespace]/[any pod] : TCP 80,65534,UDP dns"}},
		"shut to some": {[]string{"apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: deny}\nspec: {priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {role: x}}}}]}]}"}, []string{
			in, "[any namespace]/[pod with role=x] => shop/web[Deployment] : No Connections", out,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			list, missed := build(t, append([]string{web}, tc.manifests...)...).Newcomers()
			var got []string
			for _, c := range list {
				got = append(got, c.String())
			}
			slices.Sort(got)
			slices.Sort(tc.want)
			if diff := cmp.Diff(tc.want, got); diff != "" || len(missed) > 0 {
				t.Errorf("%s %v", diff, missed)
			}
		})
	}
}

// expr makes up a condition of some depth.
func (d dice) expr(depth int) policy.Expr {
	if depth == 0 || d.IntN(3) == 0 {
		of := pick(d, policy.PodLabel, policy.NamespaceLabel)
		return policy.Test{Key: policy.Key{Of: of, Name: pick(d, "a", "b")}, Op: pick(d, policy.Exists, policy.In, policy.In, policy.Prefix, policy.Suffix, policy.Contains), Values: []string{pick(d, "x", "xy", "y"), pick(d, "x", "z")}}
	}
	parts := []policy.Expr{d.expr(depth - 1), d.expr(depth - 1)}
	switch d.IntN(3) {
	case 0:
		return policy.All(parts)
	case 1:
		return policy.Any(parts)
	}
	return policy.Not{Expr: parts[0]}
}

// TestWitnessesMeetTheirTerms: the terms of a condition hold where it does, and
// the pod made up for each meets it; where none is made up there is none among
// all pods of the values in question.
func TestWitnessesMeetTheirTerms(t *testing.T) {
	found, none := 0, 0
	for seed := range uint64(3000) {
		d := dice{rand.New(rand.NewPCG(seed, 3))}
		x := d.expr(3)
		terms, whole := termsOf(x, false)
		if !whole {
			continue
		}
		others := []term{}
		for range d.IntN(3) {
			more, _ := termsOf(d.expr(2), false)
			others = append(others, more...)
		}
		for _, one := range terms {
			pod, can := witness(newDomains(append(slices.Clip(others), one), seed%2 == 0), one, others, nil)
			if !can {
				none++
				for _, values := range d.assignments() {
					if !partsTwice(one) && holds(one, values) {
						t.Fatalf("seed %d: %s is met by %v", seed, one, values)
					}
				}
				continue
			}
			found++
			if !x.Match(func(k policy.Key) (string, bool) { v, has := pod[k]; return v.text, has && !v.absent }) {
				t.Fatalf("seed %d: %v doesn't meet %s of %s", seed, pod, one, x)
			}
		}
		for _, values := range d.assignments() {
			some := slices.ContainsFunc(terms, func(one term) bool { return holds(one, values) })
			if all := x.Match(func(k policy.Key) (string, bool) { v, has := values[k]; return v, has }); some != all {
				t.Fatalf("seed %d: %s is %t of %v, its terms %v are %t", seed, x, all, values, terms, some)
			}
		}
	}
	if found == 0 || none == 0 {
		t.Errorf("%d pods made up, %d times none", found, none)
	}
}

// partsTwice reports whether a term asks for two parts of one value.
func partsTwice(t term) bool {
	asked := map[policy.Key]int{}
	for _, l := range t {
		if !l.not && l.Op != policy.In && l.Op != policy.Exists {
			asked[l.Key]++
		}
	}
	for _, n := range asked {
		if n > 1 {
			return true
		}
	}
	return false
}

func holds(t term, values map[policy.Key]string) bool {
	return !slices.ContainsFunc(t, func(l literal) bool {
		v, has := values[l.Key]
		return !l.holds(value{v, !has})
	})
}

// assignments are the values of the four keys of expr: all of some, and absent.
func (d dice) assignments() []map[policy.Key]string {
	list := []map[policy.Key]string{{}}
	for _, of := range []policy.Of{policy.PodLabel, policy.NamespaceLabel} {
		for _, name := range []string{"a", "b"} {
			var more []map[policy.Key]string
			for _, m := range list {
				for _, v := range []string{"-", "x", "xy", "y", "z", "w"} {
					next := map[policy.Key]string{}
					for k, old := range m {
						next[k] = old
					}
					if v != "-" {
						next[policy.Key{Of: of, Name: name}] = v
					}
					more = append(more, next)
				}
			}
			list = more
		}
	}
	return list
}

// TestTermsAreBounded: a condition with very many ways to be met is told.
func TestTermsAreBounded(t *testing.T) {
	all := policy.All{}
	for _, name := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		x, err := policy.Labels(policy.PodLabel, &metav1.LabelSelector{MatchLabels: map[string]string{name: "1"}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, policy.Any{x, policy.Not{Expr: x}})
	}
	if terms, whole := termsOf(all, false); whole {
		t.Errorf("%d terms", len(terms))
	}
}
