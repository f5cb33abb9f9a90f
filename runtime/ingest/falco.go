package ingest

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// falcoFormat is alerts of Falco with json_output: true. Docs:
// falco.org/docs/concepts/outputs/formatting and …/rules/default-macros.
var falcoFormat = format{
	name: "falco",
	json: func(v *fastjson.Value) bool { return has(v, fastjson.TypeString, "rule", "priority", "time", "output") },
	open: func() reader { return decode(falcoAlert) },
}

// falcoLevels are the priorities of Falco, those of syslog.
var falcoLevels = map[string]model.Severity{
	"emergency": model.Critical, "alert": model.Critical, "critical": model.Critical, "error": model.High,
	"warning": model.Medium, "notice": model.Low, "informational": model.Info, "debug": model.Info,
}

func falcoAlert(s *stream, r record) (model.Event, string) {
	v := r.doc
	rule := str(v, "rule")
	level, ok := falcoLevels[strings.ToLower(str(v, "priority"))]
	if rule == "" || !ok {
		return model.Event{}, "not an alert of Falco: no rule with a known priority"
	}
	fields, cluster := v.Get("output_fields"), s.cfg.cluster()
	ns := cmp.Or(str(fields, "k8s.ns.name"), str(fields, "ka.target.namespace"))
	return model.Event{
		Source:    "falco",
		Time:      instant(str(v, "time")),
		Key:       str(v, "uuid"),
		Actor:     cmp.Or(str(fields, "user.name"), str(fields, "ka.user.name"), str(fields, "ct.user")),
		Action:    cmp.Or(str(fields, "evt.type"), str(fields, "ka.verb"), str(fields, "ct.name")),
		Address:   cmp.Or(str(fields, "fd.cip"), str(fields, "ct.srcip")),
		Host:      str(v, "hostname"),
		Container: hostless(str(fields, "container.id")),
		Assets:    distinct(ofKind(cluster, "Pod", ns, str(fields, "k8s.pod.name")), ofKind(cluster, "Node", "", str(fields, "k8s.node.name"))),
		Signal:    &model.Signal{Rule: rule, Level: level, Attack: techniques(v.GetArray("tags"))},
	}, ""
}

// hostless is a container's id, which Falco gives as "host" outside of one.
func hostless(id string) string {
	if id == "host" {
		return ""
	}
	return id
}

var techniqueID = regexp.MustCompile(`^T[0-9]{4}(\.[0-9]{3})?$`)

// Bounds of what one alert is about: a rule of Falco's has some ten tags.
const (
	maxTags       = 1000
	maxTechniques = 32
)

// techniques are the ATT&CK ids among tags, sorted; of more than the bounds the
// first.
func techniques(tags []*fastjson.Value) []string {
	var out []string
	for _, tag := range tags[:min(len(tags), maxTags)] {
		if len(out) == maxTechniques {
			break
		}
		b, err := tag.StringBytes()
		if id := strings.ToUpper(clip(b)); err == nil && techniqueID.MatchString(id) && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}
