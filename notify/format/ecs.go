package format

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
)

// ecsVersion is the version of the Elastic Common Schema that the fields are
// taken from. Source: the field reference of ECS 8.17.
const ecsVersion = "8.17.0"

// ecsDoc is the document. Custom fields stand below `scantling`, a name that
// ECS will never take, since its own are lower-case words of the language.
type ecsDoc struct {
	Timestamp    string            `json:"@timestamp"`
	ECS          ecsSelf           `json:"ecs"`
	Message      string            `json:"message"`
	Tags         []string          `json:"tags,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Event        ecsEvent          `json:"event"`
	Rule         ecsRule           `json:"rule"`
	Observer     ecsObserver       `json:"observer"`
	Threat       *ecsThreat        `json:"threat,omitempty"`
	User         *ecsUser          `json:"user,omitempty"`
	Source       *ecsSource        `json:"source,omitempty"`
	UserAgent    *ecsUserAgent     `json:"user_agent,omitempty"`
	Orchestrator *ecsOrchestrator  `json:"orchestrator,omitempty"`
	Container    *ecsContainer     `json:"container,omitempty"`
	Related      *ecsRelated       `json:"related,omitempty"`
	Scantling    ecsOwn            `json:"scantling"`
}

type ecsSelf struct {
	Version string `json:"version"`
}

type ecsEvent struct {
	ID       string   `json:"id"`
	Kind     string   `json:"kind"`
	Category []string `json:"category"`
	Type     []string `json:"type"`
	Code     string   `json:"code"`
	Module   string   `json:"module"`
	Dataset  string   `json:"dataset"`
	Severity int      `json:"severity"`
	Start    string   `json:"start"`
	End      string   `json:"end"`
	Action   string   `json:"action,omitempty"`
}

type ecsRule struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Author []string `json:"author,omitempty"`
}

type ecsObserver struct {
	Vendor  string `json:"vendor"`
	Product string `json:"product"`
	Type    string `json:"type"`
	Version string `json:"version,omitempty"`
}

type ecsThreat struct {
	Framework string       `json:"framework"`
	Technique ecsTechnique `json:"technique"`
}

type ecsTechnique struct {
	ID  []string `json:"id,omitempty"`
	Sub *ecsSub  `json:"subtechnique,omitempty"`
}

type ecsSub struct {
	ID []string `json:"id"`
}

type ecsUser struct {
	Name string `json:"name"`
}

type ecsSource struct {
	Address string `json:"address"`
	IP      string `json:"ip,omitempty"`
}

type ecsUserAgent struct {
	Original string `json:"original"`
}

type ecsOrchestrator struct {
	Type      string      `json:"type"`
	Cluster   *ecsCluster `json:"cluster,omitempty"`
	Namespace string      `json:"namespace,omitempty"`
	Resource  ecsResource `json:"resource"`
}

type ecsCluster struct {
	Name string `json:"name"`
}

type ecsResource struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

type ecsContainer struct {
	ID    string    `json:"id,omitempty"`
	Image *ecsImage `json:"image,omitempty"`
}

type ecsImage struct {
	Name string   `json:"name"`
	Hash *ecsHash `json:"hash,omitempty"`
}

type ecsHash struct {
	All []string `json:"all"`
}

type ecsRelated struct {
	User []string `json:"user,omitempty"`
	IP   []string `json:"ip,omitempty"`
	Hash []string `json:"hash,omitempty"`
}

type ecsOwn struct {
	Level   string            `json:"level"`
	Source  string            `json:"source"`
	Index   int               `json:"index"`
	Assets  []model.Ref       `json:"assets"`
	Fields  map[string]string `json:"fields,omitempty"`
	Group   *Group            `json:"group,omitempty"`
	Context *model.Context    `json:"context,omitempty"`
}

// ecsSeverities are on the scale of Elastic's own rules.
var ecsSeverities = map[model.Severity]int{model.Info: 0, model.Low: 21, model.Medium: 47, model.High: 73, model.Critical: 99}

// ECS is an alert document of Elastic Common Schema 8.
func ECS(m Message, o Options) ([]byte, error) {
	a := m.Alert
	first, last := m.Span()
	d := ecsDoc{
		Timestamp: ecsTime(last), ECS: ecsSelf{ecsVersion}, Message: m.title(),
		Event: ecsEvent{
			ID: m.ID, Kind: "alert", Category: []string{"intrusion_detection"}, Type: []string{"info"}, Code: a.Rule,
			Module: "scantling", Dataset: "scantling.alert", Severity: ecsSeverities[a.Level],
			Start: ecsTime(first), End: ecsTime(last), Action: a.Fields["verb"],
		},
		Rule:      ecsRule{ID: a.Rule, Name: a.Title},
		Observer:  ecsObserver{Vendor: "Scantling", Product: "Scantling", Type: "ids", Version: o.Version},
		Scantling: ecsOwn{Level: a.Level.String(), Source: a.Source, Index: a.Index, Assets: a.Assets, Fields: a.Fields, Group: m.Group, Context: a.Context},
	}
	if author := a.Fields["author"]; author != "" {
		d.Rule.Author = []string{author}
	}
	if len(a.Attack) > 0 {
		tops, subs := techniques(a.Attack)
		d.Threat = &ecsThreat{Framework: "MITRE ATT&CK", Technique: ecsTechnique{ID: tops}}
		if len(subs) > 0 {
			d.Threat.Technique.Sub = &ecsSub{subs}
			for _, s := range subs { // a sub-technique goes with what it is part of
				if top, _, _ := strings.Cut(s, "."); !slices.Contains(d.Threat.Technique.ID, top) {
					d.Threat.Technique.ID = append(d.Threat.Technique.ID, top)
				}
			}
		}
	}
	d.who(a.Fields)
	d.what(a)
	return marshal(d)
}

// ecsTime is a time of the type `date`.
func ecsTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// addressOf is whence an action came, as the fields of any kind of log name it.
func addressOf(fields map[string]string) string {
	for _, name := range []string{"sourceIP", "sourceIPAddress", "callerIp", "callerIpAddress"} {
		if v := fields[name]; v != "" {
			first, _, _ := strings.Cut(v, ",")
			return strings.TrimSpace(first)
		}
	}
	return ""
}

// who fills in who acted, and whence. Fields of the type ip take nothing else.
func (d *ecsDoc) who(fields map[string]string) {
	var related ecsRelated
	if actor := fields["actor"]; actor != "" {
		d.User, related.User = &ecsUser{actor}, []string{actor}
	}
	if from := addressOf(fields); from != "" {
		d.Source = &ecsSource{Address: from}
		if d.Source.IP = ipOnly(from); d.Source.IP != "" {
			related.IP = []string{d.Source.IP}
		}
	}
	if ua := fields["userAgent"]; ua != "" {
		d.UserAgent = &ecsUserAgent{ua}
	}
	if d.User != nil || related.IP != nil {
		d.Related = &related
	}
}

// what fills in the object that was touched, and the image that it runs.
func (d *ecsDoc) what(a model.Alert) {
	for _, ref := range a.Assets {
		switch ref.Kind {
		case model.Workload, model.Object, model.Binding, model.Secret, model.Namespace, model.Node, model.Identity, model.Cluster:
		default:
			continue
		}
		cluster, namespace, kind, name := keyParts(ref)
		if kind == "" {
			kind = string(ref.Kind)
		}
		d.Orchestrator = &ecsOrchestrator{Type: "kubernetes", Namespace: namespace, Resource: ecsResource{Type: strings.ToLower(kind), Name: name}}
		if cluster != "" {
			d.Orchestrator.Cluster = &ecsCluster{cluster}
		}
		break
	}
	if a.Context == nil || len(a.Context.Workloads) == 0 || len(a.Context.Workloads[0].Images) != 1 {
		return // of several containers nobody knows which
	}
	img := a.Context.Workloads[0].Images[0]
	d.Container = &ecsContainer{Image: &ecsImage{Name: img.Name}}
	if img.Digest != "" {
		d.Container.Image.Hash = &ecsHash{[]string{img.Digest}}
	}
}

// ipOnly is an address, or empty where it is something else.
func ipOnly(s string) string {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return ""
	}
	return ip.WithZone("").String()
}
