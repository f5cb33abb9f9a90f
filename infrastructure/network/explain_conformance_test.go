package network

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// explained is what a golden says about some ports of one pair, with the rules
// that decide: "Kind name egress[0]", or "by default".
type explained struct {
	From, To string
	Allowed  bool
	Ports    []string // one of each protocol, as tcp/80
	Halves   [2]half  // by direction
}

type half struct {
	Allowed bool
	Reasons []string
}

var (
	pairLine   = regexp.MustCompile(`^Connections between (\S+) => (\S+):$`)
	portsLine  = regexp.MustCompile(`^\t(Allowed|Denied) (.*) due to (the system default \(Allow all\)|the following policies and rules:)$`)
	halfLine   = regexp.MustCompile(`^\t\t(Egress|Ingress) \((Allowed|Denied)\)( due to the system default \(Allow all\))?$`)
	reasonLine = regexp.MustCompile(`^\t+(?:- )?(\w*NetworkPolicy) '([^']*)' (.*)$`)
	plainPair  = regexp.MustCompile(`^(\S+) => (\S+)$`)
)

// onePort takes one port of each protocol of "TCP:[1-79,81-65535], UDP".
func onePort(text string) []string {
	var list []string
	for _, m := range regexp.MustCompile(`(TCP|UDP|SCTP)(?::\[(\d+))?`).FindAllStringSubmatch(text, -1) {
		port := m[2]
		if port == "" {
			port = "1"
		}
		list = append(list, strings.ToLower(m[1])+"/"+port)
	}
	return list
}

func readExplained(t *testing.T, path string) []explained {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	body, _, _ := strings.Cut(string(text), "\nExposure Analysis Result:")
	var list []explained
	var pair [2]string
	at := policy.Egress
	byDefault := [2]half{{true, []string{"by default"}}, {true, []string{"by default"}}}
	for line := range strings.Lines(body) {
		line = strings.ReplaceAll(strings.TrimRight(line, "\n"), "[External]", "")
		if m := pairLine.FindStringSubmatch(line); m != nil {
			pair = [2]string{m[1], m[2]}
		} else if m := portsLine.FindStringSubmatch(line); m != nil {
			x := explained{From: pair[0], To: pair[1], Allowed: m[1] == "Allowed", Ports: onePort(m[2])}
			if strings.HasPrefix(m[3], "the system") {
				x.Halves = byDefault
			}
			list = append(list, x)
		} else if m := halfLine.FindStringSubmatch(line); m != nil {
			at = policy.Ingress
			if m[1] == "Egress" {
				at = policy.Egress
			}
			h := &list[len(list)-1].Halves[at]
			h.Allowed = m[2] == "Allowed"
			if m[3] != "" {
				h.Reasons = []string{"by default"}
			}
		} else if line == "\t\t\tthe system default (Allow all)" {
			h := &list[len(list)-1].Halves[at]
			h.Reasons = append(h.Reasons, "by default")
		} else if m := reasonLine.FindStringSubmatch(line); m != nil {
			h := &list[len(list)-1].Halves[at]
			h.Reasons = append(h.Reasons, m[1]+" "+m[2]+" "+m[3])
		} else if m := plainPair.FindStringSubmatch(line); m != nil {
			list = append(list, explained{m[1], m[2], true, []string{"tcp/1", "udp/1", "sctp/1"}, byDefault})
		} else if strings.Trim(line, "-#\t ") != "" && !regexp.MustCompile(`^(Allowed|Denied) connections:$|^# .* #$|list:$`).MatchString(line) {
			t.Fatalf("%s: not understood: %q", path, line)
		}
	}
	return list
}

// ruleNumber finds which rule of a direction a reason of a golden names.
var ruleNumber = regexp.MustCompile(`(?:Ingress|Egress) rule (?:#(\d+)|(\S+))`)

// named turns the reasons of a golden into "Kind name" or, of a rule that
// decides, "Kind name spec.ingress[0]".
func (e *Engine) goldenReasons(d policy.Direction, reasons []string) []string {
	var list []string
	for _, r := range reasons {
		kind, rest, _ := strings.Cut(r, " ")
		name, text, _ := strings.Cut(rest, " ")
		m := ruleNumber.FindStringSubmatch(text)
		switch {
		case m == nil || strings.Contains(text, "do not match") || strings.Contains(text, "not allowed by any"):
			list = append(list, strings.TrimSpace(kind+" "+name))
		case m[1] != "":
			n := 0
			_, _ = fmt.Sscan(m[1], &n)
			list = append(list, fmt.Sprintf("%s %s spec.%s[%d]", kind, name, d, n-1))
		default:
			list = append(list, fmt.Sprintf("%s %s spec.%s[%d]", kind, name, d, e.ruleAt(kind, name, d, m[2])))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// ruleAt finds a rule of a cluster-scoped policy by its name; -1 for none.
func (e *Engine) ruleAt(kind, name string, d policy.Direction, rule string) int {
	for _, o := range e.world.snapshot.ByKind(kind) {
		spec, _ := o.Raw["spec"].(map[string]any)
		rules, _ := spec[d.String()].([]any)
		for i, r := range rules {
			if m, _ := r.(map[string]any); o.Name == name && m["name"] == rule {
				return i
			}
		}
	}
	return -1
}

// probeReasons are the same of a probe.
func probeReasons(h Half, allowed bool) []string {
	var list []string
	for _, r := range h.Reasons {
		switch {
		case r.Policy == "":
			list = append(list, "by default")
		case r.Allows || r.Action == "deny" || r.Action == "pass":
			list = append(list, r.Kind+" "+r.Policy+" "+r.Field)
		default:
			list = append(list, r.Kind+" "+r.Policy)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// TestExplainsAsPublicGoldens compares, for every pair and every set of ports
// that a golden tells apart, the answer, those of both directions, and which
// policies and rules decide. How it is worded is no part of the question.
func TestExplainsAsPublicGoldens(t *testing.T) {
	root := corpora(t, "netpol")
	answers := 0
	for _, row := range table(t, filepath.Join(root, "INDEX.tsv")) {
		if row["mode"] != "explain" && row["mode"] != "explain_exposure" {
			continue
		}
		t.Run(filepath.Base(row["expected"]), func(t *testing.T) {
			e := engineOf(t, filepath.Join(root, "tests", row["dir"])).Settled(true)
			wrong := 0
			for _, x := range readExplained(t, filepath.Join(root, row["expected"])) {
				from, _, _ := strings.Cut(x.From, "-")
				if strings.Contains(x.From, "/") {
					from = x.From
				}
				to, _, _ := strings.Cut(x.To, "-")
				if strings.Contains(x.To, "/") {
					to = x.To
				}
				for _, port := range x.Ports {
					v, err := e.Probe(from, to, port)
					if err != nil {
						t.Fatal(err)
					}
					answers++
					got := explained{x.From, x.To, v.Answer == Allowed, nil, [2]half{}}
					want := explained{x.From, x.To, x.Allowed, nil, [2]half{}}
					for d, h := range []Half{v.Ingress, v.Egress} {
						got.Halves[d] = half{h.Answer == Allowed, probeReasons(h, h.Answer == Allowed)}
						want.Halves[d] = half{x.Halves[d].Allowed, e.goldenReasons(policy.Direction(d), x.Halves[d].Reasons)}
					}
					if diff := cmp.Diff(want, got); diff != "" {
						if wrong++; wrong < 4 {
							t.Errorf("%s: %s", port, diff)
						}
					}
				}
			}
			if wrong > 0 {
				t.Errorf("%d answers differ", wrong)
			}
		})
	}
	t.Logf("%d answers", answers)
	if answers == 0 {
		t.Error("nothing was compared")
	}
}
