package ingest

import (
	"net/netip"
	"strings"
)

// access is the request that a line of a web server's or an ingress's access
// log tells of, under the names that Sigma's taxonomy has for the category
// webserver. Text is as the server wrote it, escapes and all.
type access struct {
	Client    string `json:"c-ip,omitempty"`
	User      string `json:"cs-username,omitempty"`
	Method    string `json:"cs-method,omitempty"`
	URI       string `json:"cs-uri,omitempty"`
	Stem      string `json:"cs-uri-stem,omitempty"`
	Query     string `json:"cs-uri-query,omitempty"`
	Version   string `json:"cs-version,omitempty"`
	Status    string `json:"sc-status,omitempty"`
	Referer   string `json:"cs-referer,omitempty"`
	UserAgent string `json:"cs-user-agent,omitempty"`
}

// accessLine reads the Common Log Format and what begins like it, as the
// combined format and those of nginx, ingress-nginx and Traefik do:
//
//	CLIENT IDENT USER [TIME] "METHOD URI VERSION" STATUS SIZE "REFERER" "AGENT"
//
// A message that is none gives the zero value. Access logs in JSON are not
// read. Docs: httpd.apache.org/docs/2.4/logs.html.
func accessLine(message string) access {
	client, rest, ok := strings.Cut(message, " ")
	if _, err := netip.ParseAddr(client); !ok || err != nil {
		return access{}
	}
	who, rest, ok := strings.Cut(rest, " [")
	_, user, two := strings.Cut(who, " ")
	if !ok || !two || strings.Contains(user, `"`) {
		return access{}
	}
	_, rest, ok = strings.Cut(rest, `] "`)
	if !ok {
		return access{}
	}
	request, rest, ok := quoted(rest)
	rest, blank := strings.CutPrefix(rest, " ")
	status, rest, _ := strings.Cut(rest, " ")
	if !ok || !blank || len(status) != 3 || strings.Trim(status, "0123456789") != "" {
		return access{}
	}
	a := access{Client: client, Status: status}
	if user != "-" {
		a.User = user
	}
	a.request(request)
	a.headers(rest)
	return a
}

// request splits "METHOD URI VERSION". What a scanner sent instead of a
// request stays a URI.
func (a *access) request(text string) {
	method, uri, ok := strings.Cut(text, " ")
	if !ok || method == "" || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		a.URI, a.Stem = text, text
		return
	}
	if at := strings.LastIndex(uri, " HTTP/"); at >= 0 {
		uri, a.Version = uri[:at], uri[at+1:]
	}
	a.Method, a.URI = method, uri
	a.Stem, a.Query, _ = strings.Cut(uri, "?")
}

// headers reads SIZE "REFERER" "AGENT", as far as given.
func (a *access) headers(text string) {
	_, rest, ok := strings.Cut(text, ` "`)
	if !ok {
		return
	}
	referer, rest, ok := quoted(rest)
	if !ok {
		return
	}
	if referer != "-" {
		a.Referer = referer
	}
	if rest, ok = strings.CutPrefix(rest, ` "`); !ok {
		return
	}
	if agent, _, ok := quoted(rest); ok && agent != "-" {
		a.UserAgent = agent
	}
}

// quoted cuts at the next quote that no backslash stands before.
func quoted(text string) (in, after string, ok bool) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return text[:i], text[i+1:], true
		}
	}
	return "", "", false
}
