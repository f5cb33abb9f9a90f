package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
)

// A Message is what is sent: an alert, or what followed one within a window.
type Message struct {
	ID    string // the idempotency key: of the alert, or of the group
	Alert model.Alert
	Group *Group // nil: Alert stands for itself
}

// A Group sums up alerts of one rule and one asset. Alert of the message is
// the first of them.
type Group struct {
	Count  int         `json:"count"` // of IDs
	First  time.Time   `json:"first"` // earliest event
	Last   time.Time   `json:"last"`
	IDs    []string    `json:"ids"`            // of the alerts, in order; each is recorded by itself
	Assets []model.Ref `json:"assets"`         // of all of them, distinct, the first few
	More   int         `json:"more,omitempty"` // assets beyond those
}

// Options says what the program adds to a format.
type Options struct {
	Version string // of the program
	Host    string // that it runs on, for syslog; empty: unknown
}

// title is one line for people.
func (m Message) title() string {
	if m.Group == nil {
		return m.Alert.Title
	}
	return m.Alert.Title + " (" + strconv.Itoa(m.Group.Count) + " more)"
}

// Span is when what the message tells of happened.
func (m Message) Span() (first, last time.Time) {
	if m.Group != nil {
		return m.Group.First, m.Group.Last
	}
	return m.Alert.Time, m.Alert.Time
}

// Names are those of the formats of one message.
var Names = []string{"json", "ocsf", "ecs", "cef", "cloudevents"}

// An Encoder renders one message.
type Encoder func(Message) ([]byte, error)

// EncoderOf is the format of a name.
func EncoderOf(name string, o Options) (Encoder, error) {
	switch name {
	case "json":
		return JSON, nil
	case "ocsf":
		return func(m Message) ([]byte, error) { return OCSF(m, o) }, nil
	case "ecs":
		return func(m Message) ([]byte, error) { return ECS(m, o) }, nil
	case "cef":
		return func(m Message) ([]byte, error) { return []byte(CEF(m, o)), nil }, nil
	case "cloudevents":
		return CloudEvent, nil
	}
	return nil, fmt.Errorf("format %q: use one of %s", name, strings.Join(Names, ", "))
}

// jsonMessage adds to the alert what groups say.
type jsonMessage struct {
	model.Alert
	Group *Group `json:"group,omitempty"`
}

// JSON is one line of our own, without its end. A group has the id of the
// message, and the ids of its alerts in `group`.
func JSON(m Message) ([]byte, error) {
	a := m.Alert
	a.ID = m.ID
	return marshal(jsonMessage{a, m.Group})
}

// marshal is JSON as it is stored and sent: nothing in it is for browsers.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// keyParts takes an asset's key apart: the cluster, the namespace, the kind
// of object where the key names one, and the name.
func keyParts(ref model.Ref) (cluster, namespace, kind, name string) {
	parts := strings.SplitN(ref.Key, "/", 4)
	switch ref.Kind {
	case model.Workload, model.Object, model.Binding:
		if len(parts) == 4 {
			return parts[0], parts[1], parts[2], parts[3]
		}
		if len(parts) == 3 { // CLUSTER//NAME and the like
			return parts[0], parts[1], "", parts[2]
		}
	case model.Identity, model.Secret:
		if len(parts) >= 3 {
			return parts[0], parts[1], "", strings.Join(parts[2:], "/")
		}
	case model.Namespace:
		if len(parts) == 2 {
			return parts[0], parts[1], "", parts[1]
		}
	case model.Node:
		if len(parts) == 2 {
			return parts[0], "", "", parts[1]
		}
	case model.Cluster:
		return ref.Key, "", "", ref.Key
	}
	return "", "", "", ref.Key
}

// techniques splits ATT&CK ids into those of techniques and of sub-techniques.
func techniques(ids []string) (tops, subs []string) {
	for _, id := range ids {
		if strings.Contains(id, ".") {
			subs = append(subs, id)
		} else {
			tops = append(tops, id)
		}
	}
	return tops, subs
}
