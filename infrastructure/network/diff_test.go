package network

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
)

// listed looks up what a list says of two ends, of which one may be an address.
func listed(list []Connection, source, destination string) string {
	for _, c := range list {
		if covered(c.Src, source) && covered(c.Dst, destination) {
			return c.Conn
		}
	}
	return ""
}

// covered reports whether an end of a list stands for a workload or an address.
func covered(end, one string) bool {
	first, last, is := strings.Cut(end, "-")
	a, err1 := netip.ParseAddr(first)
	b, err2 := netip.ParseAddr(last)
	ip, err3 := netip.ParseAddr(one)
	if !is || err1 != nil || err2 != nil || err3 != nil {
		return end == one
	}
	return a.Compare(ip) <= 0 && ip.Compare(b) <= 0
}

// ends are the workloads of some lists, and addresses on both sides of every
// bound.
func endsOf(lists ...[]Connection) []string {
	found := map[string]bool{"0.0.0.0": true, "255.255.255.255": true}
	for _, c := range slices.Concat(lists...) {
		for _, end := range []string{c.Src, c.Dst} {
			first, last, is := strings.Cut(end, "-")
			a, err1 := netip.ParseAddr(first)
			b, err2 := netip.ParseAddr(last)
			if !is || err1 != nil || err2 != nil {
				found[end] = true
				continue
			}
			for _, ip := range []netip.Addr{a, b, a.Prev(), b.Next()} {
				if ip.IsValid() {
					found[ip.String()] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// holdsPort reports whether a connection's text holds a port.
func holdsPort(conn, protocol string, port int) bool {
	if conn == "All Connections" {
		return true
	}
	at := ""
	for _, part := range strings.Split(conn, ",") {
		if name, rest, is := strings.Cut(part, " "); is {
			at, part = name, rest
		}
		low, high := 0, 0
		if n, _ := fmt.Sscanf(part, "%d-%d", &low, &high); n == 1 {
			high = low
		}
		if at == protocol && low <= port && port <= high {
			return true
		}
	}
	return false
}

// TestDiffIsWhatListsDifferIn compares, on random worlds, the difference with
// what the two listings say of every pair of ends.
func TestDiffIsWhatListsDifferIn(t *testing.T) {
	differ, alike := 0, 0
	for seed := range uint64(60) {
		var engines [2]*Engine
		for side := range engines {
			_, _, text := dice{rand.New(rand.NewPCG(seed, uint64(side)+70))}.world(t)
			s, err := kube.ReadFrom(context.Background(), "", "world.json", strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			engines[side] = Build(s)
		}
		old, now, d := engines[0].List(), engines[1].List(), Diff(engines[0], engines[1])
		changes := make([]Connection, len(d.Connections))
		for i, c := range d.Connections {
			changes[i] = Connection{Src: c.Src, Dst: c.Dst, Conn: fmt.Sprintf("%s %q %q %t", c.Change, c.Old, c.New, c.Opened)}
		}
		ends := endsOf(old, now, changes)
		for _, source := range ends {
			for _, destination := range ends {
				before, after := listed(old, source, destination), listed(now, source, destination)
				want := ""
				if before != after && (engines[0].hasV6 == engines[1].hasV6 || !strings.Contains(source+destination, ":")) {
					kind := map[bool]Kind{true: Changed, false: Added}[before != ""]
					if after == "" {
						kind = Removed
					}
					opened := slices.ContainsFunc(protocols[:], func(p string) bool {
						return slices.ContainsFunc(append(slices.Clone(oraclePorts), 3, 30, 55, 83, 109, 8082, 8109, 8111, 65534), func(port int) bool {
							return holdsPort(after, p, port) && !holdsPort(before, p, port)
						})
					})
					want = fmt.Sprintf("%s %q %q %t", kind, before, after, opened)
				} else if before != after {
					continue // one list leaves IPv6 out
				}
				if got := listed(changes, source, destination); got != want {
					if before == after && strings.Contains(source+destination, ":") {
						continue
					}
					t.Fatalf("seed %d: %s => %s: %s, want %s", seed, source, destination, got, want)
				}
				if want != "" {
					differ++
				} else {
					alike++
				}
			}
		}
		if same := Diff(engines[0], engines[0]); len(same.Connections)+len(same.Unknown)+len(same.Entries)+len(same.Workloads) > 0 {
			t.Fatalf("seed %d differs from itself: %+v", seed, same)
		}
	}
	t.Logf("%d pairs differ, %d don't", differ, alike)
	if differ == 0 || alike == 0 {
		t.Error("nothing was compared")
	}
}

func TestDiff(t *testing.T) {
	web, db := deploy("shop", "web", ""), deploy("shop", "db", "")
	shut := netpol("shop", "shut", "", "  policyTypes: [Ingress, Egress]")
	out := netpol("shop", "out", "web", "  policyTypes: [Egress]\n  egress: [{to: [{podSelector: {}}]}]")
	in := func(ports string) string {
		return netpol("shop", "in", "db", "  ingress: [{from: [{podSelector: {}}], ports: "+ports+"}]")
	}
	unreadable := func(spec string) string {
		return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: odd, namespace: shop}\nspec: {podSelector: {matchLabels: {app: db}}, ingress: " + spec + "}"
	}
	for name, tc := range map[string]struct {
		old, now []string
		want     []string
		opened   bool
		unknown  int
	}{
		"nothing":                    {[]string{web, db, shut}, []string{web, db, shut}, nil, false, 0},
		"a port more":                {[]string{web, db, shut, out, in("[{port: 80}]")}, []string{web, db, shut, out, in("[{port: 80}, {port: 81}]")}, []string{"changed shop/web[Deployment] => shop/db[Deployment] : TCP 80 -> TCP 80-81"}, true, 0},
		"a port less":                {[]string{web, db, shut, out, in("[{port: 80}, {port: 81}]")}, []string{web, db, shut, out, in("[{port: 80}]")}, []string{"changed shop/web[Deployment] => shop/db[Deployment] : TCP 80-81 -> TCP 80"}, false, 0},
		"another port":               {[]string{web, db, shut, out, in("[{port: 80}]")}, []string{web, db, shut, out, in("[{port: 81}]")}, []string{"changed shop/web[Deployment] => shop/db[Deployment] : TCP 80 -> TCP 81"}, true, 0},
		"split otherwise":            {[]string{web, db, shut, out, in("[{port: 80, endPort: 90}]")}, []string{web, db, shut, out, in("[{port: 80, endPort: 85}, {port: 86, endPort: 90}]")}, nil, false, 0},
		"a workload that is shut in": {[]string{web, shut}, []string{web, db, shut}, []string{"workload added shop/db[Deployment]"}, false, 0},
		"ranges joined": {
			[]string{web, shut},
			[]string{web, shut, netpol("shop", "nets", "web", "  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/9}}, {ipBlock: {cidr: 10.128.0.0/9}}, {ipBlock: {cidr: 'fd00::/8'}}]}]")},
			[]string{"added 10.0.0.0-10.255.255.255 => shop/web[Deployment] : All Connections", "added fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff => shop/web[Deployment] : All Connections"},
			true, 0,
		},
		"an entry opened": {[]string{web, service("shop", "web", "web", "")}, []string{web, service("shop", "web", "web", "  type: LoadBalancer")}, []string{"entry added outside => shop/web[Deployment] : TCP 8080"}, true, 0},
		"an entry shut":   {[]string{web, service("shop", "web", "web", "  type: LoadBalancer")}, []string{web, service("shop", "web", "web", "  type: LoadBalancer\n  loadBalancerSourceRanges: [10.0.0.0/8]")}, []string{"entry removed outside => shop/web[Deployment] : TCP 8080"}, false, 0},
		"what can't be read, unchanged": {
			[]string{web, db, unreadable("[{from: [{ipBlock: {cidr: bad}}]}]")}, []string{web, db, unreadable("[{from: [{ipBlock: {cidr: bad}}]}]")}, nil, false, 0,
		},
		"what can't be read, changed": { // what can select all pods of the namespace
			[]string{web, db, unreadable("[{from: [{ipBlock: {cidr: bad}}]}]")}, []string{web, db, unreadable("[{from: [{ipBlock: {cidr: worse}}]}]")}, nil, false, 6,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := Diff(build(t, tc.old...), build(t, tc.now...))
			var got []string
			for _, c := range d.Connections {
				got = append(got, string(c.Change)+" "+c.String())
			}
			for _, c := range d.Entries {
				got = append(got, "entry "+string(c.Change)+" "+c.String())
			}
			for _, c := range d.Workloads {
				got = append(got, "workload "+string(c.Change)+" "+c.Workload)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || d.Opened() != tc.opened || len(d.Unknown) != tc.unknown {
				t.Errorf("opened %t, %d unknown: %v\n%s", d.Opened(), len(d.Unknown), d.Unknown, diff)
			}
		})
	}
}

// TestDiffOfNodeMates: a pair that shares a node's network is open, and may
// come to share it.
func TestDiffOfNodeMates(t *testing.T) {
	pod := func(name, node, extra string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", namespace: shop}\nspec: {nodeName: " + node + ", containers: [{name: c, image: i}]" + extra + "}"
	}
	shut := netpol("shop", "shut", "", "  policyTypes: [Ingress, Egress]")
	old := build(t, pod("a", "n1", ""), pod("h", "n1", ", hostNetwork: true"), shut).Settled(false)
	now := build(t, pod("a", "n1", ""), pod("h", "n2", ", hostNetwork: true"), shut).Settled(false)
	var got []string
	for _, c := range Diff(old, now).Connections {
		got = append(got, string(c.Change)+" "+c.String())
	}
	if diff := cmp.Diff([]string{"removed shop/a[Pod] => shop/h[Pod] : All Connections", "removed shop/h[Pod] => shop/a[Pod] : All Connections"}, got); diff != "" {
		t.Error(diff)
	}
	if d := Diff(now, now); len(d.Connections) > 0 {
		t.Error(d.Connections)
	}
}

// BenchmarkDiff1000 compares 1,000 workloads of which each has a policy of its
// own, and of which ten went.
func BenchmarkDiff1000(b *testing.B) {
	var docs []string
	for i := range 1000 {
		namespace := fmt.Sprintf("ns%d", i/20)
		docs = append(docs, deploy(namespace, fmt.Sprintf("app%d", i), "")+"\n---\n"+netpol(namespace, fmt.Sprintf("p%d", i), fmt.Sprintf("app%d", i), fmt.Sprintf(
			"  policyTypes: [Ingress, Egress]\n  ingress: [{from: [{podSelector: {matchLabels: {app: app%d}}}, {namespaceSelector: {}}], ports: [{port: %d}]}]\n  egress: [{to: [{namespaceSelector: {}}], ports: [{port: %d}]}, {to: [{ipBlock: {cidr: 10.%d.0.0/16}}]}]",
			i+1, 8000+i%50, 8000+i%30, i%200)))
	}
	old, now := build(b, docs...), build(b, docs[10:]...)
	b.ReportAllocs()
	for b.Loop() {
		Diff(old, now)
	}
}
