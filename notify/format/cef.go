package format

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/scantling/scantling/model"
)

// cefSeverities are on CEF's scale of 0 to 10: low ends at 3, medium at 6,
// high at 8.
var cefSeverities = map[model.Severity]int{model.Info: 0, model.Low: 3, model.Medium: 5, model.High: 8, model.Critical: 10}

// Lengths of CEF's dictionary of extensions, in bytes.
const (
	cefLong  = 1023 // msg, and most texts
	cefCsN   = 4000 // cs1 to cs6
	cefLabel = 1023
)

// CEF is one record of the Common Event Format. externalId is the message's
// key; the custom strings are labelled.
func CEF(m Message, o Options) string {
	a := m.Alert
	first, last := m.Span()
	var b strings.Builder
	fmt.Fprintf(&b, "CEF:0|Scantling|Scantling|%s|%s|%s|%d|", cefHeader(o.Version), cefHeader(a.Rule), cefHeader(m.title()), cefSeverities[a.Level])
	e := extension{b: &b}
	e.add("externalId", m.ID, cefLong)
	e.add("rt", fmt.Sprint(millis(last)), cefLong)
	e.add("start", fmt.Sprint(millis(first)), cefLong)
	e.add("end", fmt.Sprint(millis(last)), cefLong)
	if m.Group != nil {
		e.add("cnt", fmt.Sprint(m.Group.Count), cefLong)
	}
	e.add("cat", "intrusion_detection", cefLong)
	e.add("act", a.Fields["verb"], cefLong)
	e.add("suser", a.Fields["actor"], cefLong)
	e.add("src", ipOnly(addressOf(a.Fields)), cefLong)
	e.add("requestClientApplication", a.Fields["userAgent"], cefLong)
	e.add("fname", a.Source, cefLong)
	e.custom(1, "attack", strings.Join(a.Attack, ","))
	e.custom(2, "assets", refs(m))
	if m.Group != nil {
		e.custom(3, "alerts", strings.Join(m.Group.IDs, ","))
	}
	if c := a.Context; c != nil {
		owner, images, blast := contextWords(c)
		e.custom(4, "owner", owner)
		e.custom(5, "images", images)
		e.custom(6, "blast", blast)
	}
	e.add("msg", m.title(), cefLong)
	return b.String()
}

// extension writes key=value pairs. A value that is empty is left out.
type extension struct {
	b    *strings.Builder
	some bool
}

func (e *extension) add(key, value string, most int) {
	if value == "" {
		return
	}
	if e.some {
		e.b.WriteByte(' ')
	}
	e.some = true
	e.b.WriteString(key)
	e.b.WriteByte('=')
	e.b.WriteString(cefValue(cut(value, most)))
}

func (e *extension) custom(n int, label, value string) {
	if value == "" {
		return
	}
	e.add(fmt.Sprintf("cs%dLabel", n), label, cefLabel)
	e.add(fmt.Sprintf("cs%d", n), value, cefCsN)
}

// cut shortens a text to a number of bytes, between characters.
func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// cefHeader escapes a field of the header: backslash and pipe; it holds no end
// of line.
func cefHeader(s string) string {
	s = strings.Map(spaceForControl, cut(s, cefLong))
	return strings.NewReplacer(`\`, `\\`, `|`, `\|`).Replace(s)
}

// cefValue escapes a value: backslash, equals sign and ends of lines.
func cefValue(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\r\n", `\n`, "\n", `\n`, "\r", `\r`).Replace(s)
	return strings.Map(spaceForControl, s)
}

// spaceForControl is for what could end a line or change how the rest of it
// looks: controls, also of Latin 1, separators of lines and paragraphs, and
// what turns the direction of a text.
func spaceForControl(r rune) rune {
	if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
		return ' '
	}
	return r
}

func refs(m Message) string {
	list := m.Alert.Assets
	if m.Group != nil {
		list = m.Group.Assets
	}
	words := make([]string, len(list))
	for i, r := range list {
		words[i] = r.String()
	}
	return strings.Join(words, ", ")
}

// contextWords is what the estate knows of the first workload, in words.
func contextWords(c *model.Context) (owner, images, blast string) {
	if len(c.Workloads) == 0 {
		return "", "", ""
	}
	w := c.Workloads[0]
	var list []string
	for _, img := range w.Images {
		text := img.Name
		if img.Digest != "" {
			text += "@" + img.Digest
		}
		list = append(list, text)
	}
	if b := w.Blast; b != nil {
		blast = fmt.Sprintf("%d workloads, %d secrets, %d nodes", b.Workloads, b.Secrets, b.Nodes)
		if b.ClusterAdmin {
			blast += ", cluster admin"
		}
	}
	return w.Owner, strings.Join(list, ", "), blast
}

// Numbers of RFC 5424: facility 13 is the log audit; the severities are 2
// critical, 3 error, 4 warning, 5 notice, 6 informational.
const facility = 13

var syslogSeverities = map[model.Severity]int{model.Critical: 2, model.High: 3, model.Medium: 4, model.Low: 5, model.Info: 6}

// Syslog is a message of RFC 5424 whose text is the CEF record, without the
// mark of UTF-8 that readers of CEF stumble over: the grammar calls that
// MSG-ANY. MSGID is the rule.
func Syslog(m Message, o Options) []byte {
	_, last := m.Span()
	when := "-"
	if !last.IsZero() {
		when = last.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	}
	return fmt.Appendf(nil, "<%d>1 %s %s scantling - %s [origin software=\"scantling\" swVersion=\"%s\"] %s",
		facility*8+syslogSeverities[m.Alert.Level], when, header(o.Host, 255), header(m.Alert.Rule, 32), param(o.Version), CEF(m, o))
}

// header is a field of the header: printable ASCII without spaces, "-" for none.
func header(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return "-"
	}
	return s[:min(len(s), most)]
}

// param escapes the value of a parameter: RFC 5424, 6.3.3.
func param(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(strings.ToValidUTF8(s, "\uFFFD"))
}

// cloudEvent is CloudEvents 1.0.2 in JSON.
type cloudEvent struct {
	SpecVersion string      `json:"specversion"`
	ID          string      `json:"id"`
	Source      string      `json:"source"`
	Type        string      `json:"type"`
	Subject     string      `json:"subject,omitempty"`
	Time        string      `json:"time,omitempty"`
	ContentType string      `json:"datacontenttype"`
	Data        jsonMessage `json:"data"`
}

// Types of our events.
const (
	typeAlert = "io.scantling.alert.v1"
	typeGroup = "io.scantling.alerts.v1"
)

// CloudEvent is one event in structured mode; its data is our own JSON.
func CloudEvent(m Message) ([]byte, error) {
	a := m.Alert
	a.ID = m.ID
	e := cloudEvent{SpecVersion: "1.0", ID: m.ID, Source: "/scantling/detect", Type: typeAlert, ContentType: "application/json", Data: jsonMessage{a, m.Group}}
	if m.Group != nil {
		e.Type = typeGroup
	}
	if len(a.Assets) > 0 {
		e.Subject = a.Assets[0].String()
	}
	if _, last := m.Span(); !last.IsZero() {
		e.Time = last.UTC().Format(time.RFC3339Nano)
	}
	return marshal(e)
}
