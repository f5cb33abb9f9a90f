package format

import (
	"strconv"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
)

// Numbers of OCSF 1.4.0. Source: events/findings/detection_finding.json,
// finding.json, objects/{analytic,observable,vulnerability}.json and
// dictionary.json of that version.
const (
	ocsfVersion    = "1.4.0"
	ocsfCategory   = 2    // Findings
	ocsfClass      = 2004 // Detection Finding
	ocsfCreate     = 1    // activity_id
	ocsfNew        = 1    // status_id
	ocsfRule       = 1    // analytic.type_id
	ocsfIP         = 2    // observable.type_id
	ocsfUserName   = 4
	ocsfResourceID = 10
	ocsfUserAgent  = 16
)

// ocsfSeverities are severity_id and its caption.
var ocsfSeverities = map[model.Severity]struct {
	id   int
	name string
}{
	model.Info:     {1, "Informational"},
	model.Low:      {2, "Low"},
	model.Medium:   {3, "Medium"},
	model.High:     {4, "High"},
	model.Critical: {5, "Critical"},
}

type ocsfFinding struct {
	ActivityID   int              `json:"activity_id"`
	ActivityName string           `json:"activity_name"`
	CategoryUID  int              `json:"category_uid"`
	CategoryName string           `json:"category_name"`
	ClassUID     int              `json:"class_uid"`
	ClassName    string           `json:"class_name"`
	TypeUID      int              `json:"type_uid"`
	TypeName     string           `json:"type_name"`
	Time         int64            `json:"time"` // milliseconds since 1970, as all of OCSF's
	StartTime    int64            `json:"start_time"`
	EndTime      int64            `json:"end_time"`
	Count        int              `json:"count"`
	SeverityID   int              `json:"severity_id"`
	Severity     string           `json:"severity"`
	StatusID     int              `json:"status_id"`
	Status       string           `json:"status"`
	IsAlert      bool             `json:"is_alert"`
	Message      string           `json:"message"`
	Metadata     ocsfMetadata     `json:"metadata"`
	FindingInfo  ocsfInfo         `json:"finding_info"`
	Resources    []ocsfResource   `json:"resources,omitempty"`
	Evidences    []ocsfEvidence   `json:"evidences,omitempty"`
	Observables  []ocsfObservable `json:"observables,omitempty"`
	Weak         []ocsfWeakness   `json:"vulnerabilities,omitempty"`
	Unmapped     map[string]any   `json:"unmapped,omitempty"`
}

type ocsfMetadata struct {
	UID       string      `json:"uid"`
	Version   string      `json:"version"`
	Product   ocsfProduct `json:"product"`
	EventCode string      `json:"event_code"`
	LogName   string      `json:"log_name,omitempty"`
}

type ocsfProduct struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
	Version    string `json:"version,omitempty"`
}

type ocsfInfo struct {
	UID       string       `json:"uid"`
	Title     string       `json:"title"`
	Analytic  ocsfAnalytic `json:"analytic"`
	Attacks   []ocsfAttack `json:"attacks,omitempty"`
	FirstSeen int64        `json:"first_seen_time"`
	LastSeen  int64        `json:"last_seen_time"`
	Related   []ocsfEvent  `json:"related_events,omitempty"`
	Count     int          `json:"related_events_count,omitempty"`
}

type ocsfAnalytic struct {
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
	UID    string `json:"uid"`
	Name   string `json:"name"`
}

type ocsfAttack struct {
	Technique    *ocsfTechnique `json:"technique,omitempty"`
	SubTechnique *ocsfTechnique `json:"sub_technique,omitempty"`
}

type ocsfTechnique struct {
	UID string `json:"uid"`
}

type ocsfEvent struct {
	UID string `json:"uid"`
}

type ocsfResource struct {
	UID       string     `json:"uid"`
	Type      string     `json:"type"`
	Name      string     `json:"name,omitempty"`
	Namespace string     `json:"namespace,omitempty"`
	Owner     *ocsfOwner `json:"owner,omitempty"`
}

type ocsfOwner struct {
	Name string `json:"name"`
}

type ocsfEvidence struct {
	Data map[string]string `json:"data"`
}

type ocsfObservable struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	TypeID int    `json:"type_id"`
	Value  string `json:"value"`
}

type ocsfWeakness struct {
	CVE struct {
		UID string `json:"uid"`
	} `json:"cve"`
}

// OCSF is a Detection Finding (class 2004). Its time is that of the event,
// since an alert has no other; what the estate knows stands in `unmapped`.
func OCSF(m Message, o Options) ([]byte, error) {
	a := m.Alert
	first, last := m.Span()
	severity := ocsfSeverities[a.Level]
	f := ocsfFinding{
		ActivityID: ocsfCreate, ActivityName: "Create", CategoryUID: ocsfCategory, CategoryName: "Findings",
		ClassUID: ocsfClass, ClassName: "Detection Finding", TypeUID: ocsfClass*100 + ocsfCreate, TypeName: "Detection Finding: Create",
		Time: millis(last), StartTime: millis(first), EndTime: millis(last), Count: 1,
		SeverityID: severity.id, Severity: severity.name, StatusID: ocsfNew, Status: "New", IsAlert: true, Message: m.title(),
		Metadata: ocsfMetadata{
			UID: m.ID, Version: ocsfVersion, EventCode: a.Rule, LogName: a.Source,
			Product: ocsfProduct{Name: "Scantling", VendorName: "Scantling", Version: o.Version},
		},
		FindingInfo: ocsfInfo{
			UID: m.ID, Title: m.title(), FirstSeen: millis(first), LastSeen: millis(last),
			Analytic: ocsfAnalytic{TypeID: ocsfRule, Type: "Rule", UID: a.Rule, Name: a.Title},
		},
	}
	for _, id := range a.Attack {
		f.FindingInfo.Attacks = append(f.FindingInfo.Attacks, ocsfAttackOf(id))
	}
	assets := a.Assets
	if g := m.Group; g != nil {
		assets, f.Count, f.FindingInfo.Count = g.Assets, g.Count, g.Count
		for _, id := range g.IDs {
			f.FindingInfo.Related = append(f.FindingInfo.Related, ocsfEvent{id})
		}
	}
	f.assets(assets, a.Context)
	f.fields(a.Fields)
	f.context(a.Context)
	return marshal(f)
}

// millis is a time as OCSF has it; what has no time is of the year 1970.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// ocsfAttackOf gives a sub-technique with the technique that it is part of.
func ocsfAttackOf(id string) ocsfAttack {
	top, _, sub := strings.Cut(id, ".")
	out := ocsfAttack{Technique: &ocsfTechnique{top}}
	if sub {
		out.SubTechnique = &ocsfTechnique{id}
	}
	return out
}

func (f *ocsfFinding) assets(assets []model.Ref, known *model.Context) {
	for i, ref := range assets {
		_, namespace, _, name := keyParts(ref)
		r := ocsfResource{UID: ref.Key, Type: string(ref.Kind), Name: name, Namespace: namespace}
		if known != nil {
			for _, w := range known.Workloads {
				if w.Asset == ref.Key && w.Owner != "" {
					r.Owner = &ocsfOwner{w.Owner}
				}
			}
		}
		f.Resources = append(f.Resources, r)
		f.observe("resources["+strconv.Itoa(i)+"].uid", "Resource UID", ocsfResourceID, ref.Key)
	}
}

func (f *ocsfFinding) observe(name, kind string, id int, value string) {
	if value != "" {
		f.Observables = append(f.Observables, ocsfObservable{name, kind, id, value})
	}
}

func (f *ocsfFinding) fields(fields map[string]string) {
	if len(fields) == 0 {
		return
	}
	f.Evidences = []ocsfEvidence{{fields}}
	f.observe("evidences[0].data.actor", "User Name", ocsfUserName, fields["actor"])
	f.observe("evidences[0].data.sourceIP", "IP Address", ocsfIP, addressOf(fields))
	f.observe("evidences[0].data.userAgent", "HTTP User-Agent", ocsfUserAgent, fields["userAgent"])
}

func (f *ocsfFinding) context(known *model.Context) {
	if known == nil {
		return
	}
	f.Unmapped = map[string]any{"context": known}
	for _, id := range cves(known) {
		var w ocsfWeakness
		w.CVE.UID = id
		f.Weak = append(f.Weak, w)
	}
}

// cves are those that the context names, once each, in its order.
func cves(known *model.Context) []string {
	var out []string
	seen := map[string]bool{}
	for _, w := range known.Workloads {
		for _, img := range w.Images {
			for _, id := range img.Worst {
				if strings.HasPrefix(id, "CVE-") && !seen[id] {
					seen[id] = true
					out = append(out, id)
				}
			}
		}
	}
	return out
}
