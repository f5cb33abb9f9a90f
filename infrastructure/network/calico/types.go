package calico

import (
	"encoding/json"
	"fmt"

	"github.com/scantling/scantling/infrastructure/network/raw"
)

// policySpec is the spec of NetworkPolicy and GlobalNetworkPolicy.
type policySpec struct {
	Tier                   string     `json:"tier"`
	Order                  *float64   `json:"order"`
	Selector               string     `json:"selector"`
	NamespaceSelector      string     `json:"namespaceSelector"` // of GlobalNetworkPolicy
	ServiceAccountSelector string     `json:"serviceAccountSelector"`
	Types                  []string   `json:"types"`
	Ingress                []ruleSpec `json:"ingress"`
	Egress                 []ruleSpec `json:"egress"`
	DoNotTrack             bool       `json:"doNotTrack"`
	PreDNAT                bool       `json:"preDNAT"`
	ApplyOnForward         bool       `json:"applyOnForward"`
	PerformanceHints       []string   `json:"performanceHints"`
}

// specFields are the fields of a policySpec. Those of rules are looked at one by
// one: a rule with others depends on them.
var specFields = raw.Names(
	"tier", "order", "selector", "namespaceSelector", "serviceAccountSelector", "types", "ingress", "egress",
	"doNotTrack", "preDNAT", "applyOnForward", "performanceHints",
)

type ruleSpec struct {
	Action      string          `json:"action"`
	IPVersion   *int            `json:"ipVersion"`
	Protocol    *scalar         `json:"protocol"`
	NotProtocol *scalar         `json:"notProtocol"`
	ICMP        json.RawMessage `json:"icmp"`
	NotICMP     json.RawMessage `json:"notICMP"`
	HTTP        json.RawMessage `json:"http"`
	Metadata    json.RawMessage `json:"metadata"`
	Source      entity          `json:"source"`
	Destination entity          `json:"destination"`

	unknown []string // fields that are not among these
}

// entity is what a rule asks of one end of a connection.
type entity struct {
	Nets              []string      `json:"nets"`
	NotNets           []string      `json:"notNets"`
	Selector          string        `json:"selector"`
	NotSelector       string        `json:"notSelector"`
	NamespaceSelector string        `json:"namespaceSelector"`
	ServiceAccounts   *accountMatch `json:"serviceAccounts"`
	Services          *serviceMatch `json:"services"`
	Ports             []scalar      `json:"ports"`
	NotPorts          []scalar      `json:"notPorts"`

	unknown []string
}

type accountMatch struct {
	Names    []string `json:"names"`
	Selector string   `json:"selector"`
}

type serviceMatch struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

type tierSpec struct {
	Order         *float64 `json:"order"`
	DefaultAction string   `json:"defaultAction"`
}

type setSpec struct {
	Nets []string `json:"nets"`

	unknown []string
}

// scalar is a number or a text, as text.
type scalar string

func (s *scalar) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*s = scalar(text)
		return nil
	}
	var number json.Number
	if err := json.Unmarshal(data, &number); err != nil {
		return fmt.Errorf("%s is neither a number nor a text", data)
	}
	*s = scalar(number)
	return nil
}

func (r *ruleSpec) UnmarshalJSON(data []byte) error {
	type plain ruleSpec
	r.unknown = raw.Unknown(data, "action ipVersion protocol notProtocol icmp notICMP http metadata source destination")
	return json.Unmarshal(data, (*plain)(r))
}

func (e *entity) UnmarshalJSON(data []byte) error {
	type plain entity
	e.unknown = raw.Unknown(data, "nets notNets selector notSelector namespaceSelector serviceAccounts services ports notPorts")
	return json.Unmarshal(data, (*plain)(e))
}

func (s *setSpec) UnmarshalJSON(data []byte) error {
	type plain setSpec
	s.unknown = raw.Unknown(data, "nets")
	return json.Unmarshal(data, (*plain)(s))
}
