package receive_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/runtime/receive"
)

const good = "kube-apiserver --audit-policy-file=/p.yaml --audit-log-path=/var/log/audit.log --audit-webhook-config-file=/w.yaml --audit-webhook-mode=batch --audit-webhook-truncate-enabled --audit-webhook-truncate-max-batch-size=10485760"

func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		args string
		want []string // flag: part of why
	}{
		"good":            {good, nil},
		"spaces":          {"kube-apiserver --audit-policy-file /p --audit-log-path /l --audit-webhook-config-file /w --audit-webhook-truncate-enabled --audit-webhook-mode batch", nil},
		"underscores":     {strings.ReplaceAll(good, "audit-log-path", "audit_log_path"), nil},
		"mode by default": {strings.ReplaceAll(good, " --audit-webhook-mode=batch", ""), nil},
		"blocking":        {good + " --audit-webhook-mode=blocking", []string{"--audit-webhook-mode: is blocking: every request"}},
		"blocking strict": {strings.ReplaceAll(good, "=batch", "=blocking-strict"), []string{"--audit-webhook-mode: is blocking-strict"}},
		"no mode":         {good + " --audit-webhook-mode=fast", []string{`--audit-webhook-mode: is "fast"`}},
		"nothing":         {"kube-apiserver", []string{"--audit-policy-file: is missing", "--audit-log-path: is missing", "--audit-webhook-config-file: is missing"}},
		"no truncation":   {strings.ReplaceAll(good, "truncate-enabled", "truncate-enabled=false"), []string{"--audit-webhook-truncate-enabled: isn't set"}},
		"large batches":   {good + " --audit-webhook-truncate-max-batch-size=999999999", []string{"--audit-webhook-truncate-max-batch-size: is 999999999"}},
		"lossy file":      {good + " --audit-log-mode=batch", []string{"--audit-log-mode: is batch"}},
		"small buffer":    {good + " --audit-webhook-batch-buffer-size=100", []string{"--audit-webhook-batch-buffer-size: is 100, at least 10000"}},
		"batches of one":  {good + " --audit-webhook-batch-max-size=1", []string{"--audit-webhook-batch-max-size: is 1, at least 10"}},
		"no number":       {good + " --audit-webhook-batch-max-size=x", []string{"--audit-webhook-batch-max-size: is x"}},
	} {
		var got []string
		for i, p := range receive.Check(strings.Fields(tc.args)) {
			text := p.Flag + ": " + p.Why
			if i < len(tc.want) {
				text = text[:min(len(text), len(tc.want[i]))]
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
