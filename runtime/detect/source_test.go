package detect_test

import (
	"testing"

	"github.com/scantling/scantling/runtime/detect"
)

// TestLogSources runs rules as others write them over the logs that they are for.
func TestLogSources(t *testing.T) {
	const (
		entry  = `{"insertId":"1","logName":"x","protoPayload":{"methodName":"google.iam.admin.v1.DeleteRole","serviceName":"iam.googleapis.com","status":{"message":"gone \"for good\""}}}`
		access = `2026-03-03T09:00:01Z stdout F 198.51.100.7 - - [03/Mar/2026:09:00:01 +0000] "GET /a?q=1 HTTP/1.1" 404 1`
	)
	for name, tc := range map[string]struct {
		source, detection, log string
		hit                    bool
	}{
		"a prefixed field, a bare entry":     {"{product: gcp, service: gcp.audit}", "s: {data.protoPayload.methodName|endswith: DeleteRole}", entry, true},
		"a prefixed field, a wrapped entry":  {"{product: gcp, service: gcp.audit}", "s: {data.protoPayload.methodName|endswith: DeleteRole}", `{"data":` + entry + `}`, true},
		"a bare field, a wrapped entry":      {"{product: gcp, service: gcp.audit}", "s: {protoPayload.methodName|endswith: DeleteRole}", `{"data":` + entry + `}`, true},
		"two prefixed fields are compared":   {"{product: gcp, service: gcp.audit}", "s: {data.insertId|fieldref: data.protoPayload.methodName}", entry, false},
		"a keyword, a wrapped entry":         {"{product: gcp, service: gcp.audit}", `s: ['for good']`, `{"data":` + entry + `}`, true},
		"a keyword is not the whole record":  {"{product: gcp, service: gcp.audit}", "s: [iam.googleapis.com]", entry, false},
		"a field of another product's data.": {"{product: aws, service: cloudtrail}", "s: {data.eventName: x}", `{"eventSource":"a","eventName":"x","eventTime":"t","eventVersion":"1"}`, false},
		"webserver":                          {"{category: webserver}", "s: {sc-status: 404, cs-uri-query|contains: q=}", access, true},
		"webserver by keywords":              {"{category: webserver}", "s: ['/a?q=']", access, true},
		"container":                          {"{product: kubernetes, service: container}", "s: {message|contains: HTTP/1.1}", access, true},
		"syslog":                             {"{product: linux, service: sshd}", "s: ['Failed password']", `<86>1 2026-03-03T09:00:01Z n sshd 1 - - Failed password for root`, true},
	} {
		t.Run(name, func(t *testing.T) {
			sources, errs := detect.Parse("r.yml", []byte("title: r\nlogsource: "+tc.source+"\ndetection:\n  "+tc.detection+"\n  condition: s\n"))
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			prog, errs := detect.Compile(sources)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			events := read(t, "x", tc.log)
			if len(events) == 0 {
				t.Fatal("no event")
			}
			if hit := len(detect.Run(prog, events)) > 0; hit != tc.hit {
				t.Errorf("hit %t, want %t", hit, tc.hit)
			}
		})
	}
}
