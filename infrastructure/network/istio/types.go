package istio

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/raw"
)

// authorization is the spec of an AuthorizationPolicy.
type authorization struct {
	Selector   selector    `json:"selector"`
	TargetRef  *targetRef  `json:"targetRef"`
	TargetRefs []targetRef `json:"targetRefs"`
	Action     string      `json:"action"`
	Provider   struct {
		Name string `json:"name"`
	} `json:"provider"`
	Rules []rule `json:"rules"`
}

// authorizationFields and authenticationFields are what the specs hold. Those of
// rules are looked at one by one: a rule with others depends on them.
var (
	authorizationFields = raw.Fields{
		"selector": raw.Names("matchLabels"), "targetRef": targetFields, "targetRefs": targetFields, "action": nil, "provider": nil, "rules": nil,
	}
	targetFields         = raw.Names("group", "kind", "name", "namespace")
	authenticationFields = raw.Fields{"selector": raw.Names("matchLabels"), "mtls": raw.Names("mode"), "portLevelMtls": nil}
)

// decode reads the spec of an object of the fields known, of a version that is.
func decode(o *kube.Object, known raw.Fields, into any) error {
	if _, version, _ := strings.Cut(o.APIVersion, "/"); version != "v1" && version != "v1beta1" {
		return fmt.Errorf("the version %s isn't known", o.APIVersion)
	}
	if stray := raw.Stray("spec", o.Raw["spec"], known); stray != "" {
		return fmt.Errorf("the field %s isn't known", stray)
	}
	return raw.Spec(o, into)
}

type selector struct {
	MatchLabels map[string]string `json:"matchLabels"`
}

type targetRef struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// rule matches a source and an operation for which every condition holds.
type rule struct {
	From []struct {
		Source *source `json:"source"`
	} `json:"from"`
	To []struct {
		Operation *operation `json:"operation"`
	} `json:"to"`
	When []condition `json:"when"`

	unknown []string // fields that are not among these
}

type source struct {
	Principals           []string `json:"principals"`
	NotPrincipals        []string `json:"notPrincipals"`
	Namespaces           []string `json:"namespaces"`
	NotNamespaces        []string `json:"notNamespaces"`
	ServiceAccounts      []string `json:"serviceAccounts"`
	NotServiceAccounts   []string `json:"notServiceAccounts"`
	IPBlocks             []string `json:"ipBlocks"`
	NotIPBlocks          []string `json:"notIpBlocks"`
	RequestPrincipals    []string `json:"requestPrincipals"`
	NotRequestPrincipals []string `json:"notRequestPrincipals"`
	RemoteIPBlocks       []string `json:"remoteIpBlocks"`
	NotRemoteIPBlocks    []string `json:"notRemoteIpBlocks"`

	unknown []string
}

type operation struct {
	Ports      []string `json:"ports"`
	NotPorts   []string `json:"notPorts"`
	Hosts      []string `json:"hosts"`
	NotHosts   []string `json:"notHosts"`
	Methods    []string `json:"methods"`
	NotMethods []string `json:"notMethods"`
	Paths      []string `json:"paths"`
	NotPaths   []string `json:"notPaths"`

	unknown []string
}

type condition struct {
	Key       string   `json:"key"`
	Values    []string `json:"values"`
	NotValues []string `json:"notValues"`
}

// authentication is the spec of a PeerAuthentication.
type authentication struct {
	Selector      selector             `json:"selector"`
	MTLS          mutualTLS            `json:"mtls"`
	PortLevelMTLS map[string]mutualTLS `json:"portLevelMtls"`
}

type mutualTLS struct {
	Mode string `json:"mode"`
}

func (r *rule) UnmarshalJSON(data []byte) error {
	type plain rule
	r.unknown = raw.Unknown(data, "from to when")
	return json.Unmarshal(data, (*plain)(r))
}

func (s *source) UnmarshalJSON(data []byte) error {
	type plain source
	s.unknown = raw.Unknown(data, "principals notPrincipals namespaces notNamespaces serviceAccounts notServiceAccounts "+
		"ipBlocks notIpBlocks requestPrincipals notRequestPrincipals remoteIpBlocks notRemoteIpBlocks")
	return json.Unmarshal(data, (*plain)(s))
}

func (o *operation) UnmarshalJSON(data []byte) error {
	type plain operation
	o.unknown = raw.Unknown(data, "ports notPorts hosts notHosts methods notMethods paths notPaths")
	return json.Unmarshal(data, (*plain)(o))
}

// looksAtHTTP lists what of a source only requests have.
func (s *source) looksAtHTTP() string {
	return firstOf(
		field{"requestPrincipals", s.RequestPrincipals}, field{"notRequestPrincipals", s.NotRequestPrincipals},
		field{"remoteIpBlocks", s.RemoteIPBlocks}, field{"notRemoteIpBlocks", s.NotRemoteIPBlocks},
	)
}

func (o *operation) looksAtHTTP() string {
	return firstOf(
		field{"hosts", o.Hosts}, field{"notHosts", o.NotHosts}, field{"methods", o.Methods}, field{"notMethods", o.NotMethods},
		field{"paths", o.Paths}, field{"notPaths", o.NotPaths},
	)
}

// looksAtConnection reports whether s asks for an identity or an address.
func (s *source) looksAtConnection() bool {
	return len(s.Principals)+len(s.NotPrincipals)+len(s.Namespaces)+len(s.NotNamespaces)+len(s.ServiceAccounts)+len(s.NotServiceAccounts)+
		len(s.IPBlocks)+len(s.NotIPBlocks) > 0
}

func (o *operation) looksAtConnection() bool { return len(o.Ports)+len(o.NotPorts) > 0 }

type field struct {
	name   string
	values []string
}

// firstOf names the first field that has values, "" where none has.
func firstOf(fields ...field) string {
	for _, f := range fields {
		if len(f.values) > 0 {
			return f.name
		}
	}
	return ""
}
