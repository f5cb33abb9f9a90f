package cilium

import (
	"cmp"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/kube"
)

// settings are those of Cilium's agents that decide about policies.
type settings struct {
	object *kube.Object // the ConfigMap; nil where none was read
	data   map[string]string
	labels []labelPattern
	listed bool // only labels that a pattern names make an identity
}

// newSettings reads the ConfigMap cilium-config: that of kube-system, or the
// only one.
func newSettings(s *kube.Snapshot) settings {
	var found []kube.Typed[*corev1.ConfigMap]
	for _, c := range kube.All[*corev1.ConfigMap](s) {
		if c.Object.Name != "cilium-config" {
			continue
		}
		if c.Object.Namespace == "kube-system" {
			found = []kube.Typed[*corev1.ConfigMap]{c}
			break
		}
		found = append(found, c)
	}
	var set settings
	if len(found) == 1 {
		set.object, set.data = found[0].Object, found[0].Value.Data
	}
	set.labels = defaultLabels
	for _, text := range strings.Fields(set.data["labels"]) {
		// Cilium doesn't start with a pattern that can't be compiled.
		if p, err := parsePattern(text); err == nil {
			set.labels = append(set.labels[:len(set.labels):len(set.labels)], p)
			set.listed = set.listed || !p.ignore
		}
	}
	return set
}

// on reports whether a setting is known to be on, off whether it is known to
// be off. The settings that are asked for are off by default.
func (s settings) on(name string) bool  { return s.data[name] == "true" }
func (s settings) off(name string) bool { return s.object != nil && !s.on(name) }

// unenforced says why no policy may be in force at all, "" where all are.
func (s settings) unenforced() string {
	switch {
	case s.data["enable-policy"] == "never":
		return "enable-policy is never in cilium-config: no policy is in force"
	case s.on("policy-audit-mode"):
		return "policy-audit-mode is on in cilium-config: policies are only logged"
	}
	return ""
}

// cluster returns the name of the cluster, "" where it isn't known.
func (s settings) cluster() string {
	if s.object == nil {
		return ""
	}
	return cmp.Or(s.data["cluster-name"], "default")
}

// labelPattern says of labels whose keys begin as it does whether they are
// part of a pod's identity.
type labelPattern struct {
	source string // "" for any
	ignore bool
	expr   *regexp.Regexp
}

func parsePattern(text string) (labelPattern, error) {
	source, pattern, named := strings.Cut(text, ":")
	if !named {
		source, pattern = "", text
	}
	if source == "any" {
		source = ""
	}
	pattern, ignore := strings.CutPrefix(pattern, "!")
	expr, err := regexp.Compile("^(?:" + pattern + ")")
	return labelPattern{source, ignore, expr}, err
}

// defaultLabels are the patterns that Cilium begins with. Source: its
// documentation, "Limiting Identity-Relevant Labels".
var defaultLabels = func() []labelPattern {
	var list []labelPattern
	for _, text := range strings.Fields(`
		app\.kubernetes\.io
		!io\.kubernetes !kubernetes\.io
		!statefulset\.kubernetes\.io/pod-name !apps\.kubernetes\.io/pod-index
		!batch\.kubernetes\.io/job-completion-index !batch\.kubernetes\.io/controller-uid
		!.*beta\.kubernetes\.io !k8s\.io
		!pod-template-generation !pod-template-hash !controller-revision-hash
		!annotation.* !controller-uid !etcd_node`) {
		p, err := parsePattern(text)
		if err != nil {
			panic(err)
		}
		list = append(list, p)
	}
	return list
}()

// identifies reports whether a label of a pod is part of its identity: of the
// patterns that match, the longest that includes it has to reach further than the
// shortest that leaves it out.
func (s settings) identifies(key string) bool {
	included, ignored := 0, 0
	for _, p := range s.labels {
		if p.source != "" && p.source != "k8s" {
			continue
		}
		span := p.expr.FindStringIndex(key)
		switch {
		case span == nil:
		case !p.ignore:
			included = max(included, span[1])
		case ignored == 0 || span[1] < ignored:
			ignored = span[1]
		}
	}
	return !s.listed && ignored == 0 || included > ignored
}
