package detect_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// detonations says which rule must see each recorded attack, and with which
// technique. tried: the recording itself was refused, or may be.
var detonations = map[string]struct {
	rule, technique string
	tried           bool
}{
	"aws.credential-access.secretsmanager-batch-retrieve-secrets": {"D213", "T1555.006", false},
	"aws.credential-access.secretsmanager-retrieve-secrets":       {"D212", "T1555.006", true},
	"aws.defense-evasion.dns-delete-logs":                         {"D203", "T1562.008", false},
	"aws.defense-evasion.organizations-leave":                     {"D208", "T1666", true},
	"aws.defense-evasion.vpc-remove-flow-logs":                    {"D203", "T1562.008", false},
	"aws.execution.ec2-launch-unusual-instances":                  {"D211", "T1496.001", true},
	"aws.execution.ssm-start-session":                             {"D201", "T1651", true},
	"aws.exfiltration.ec2-share-ebs-snapshot":                     {"D209", "T1537", false},
	"aws.exfiltration.rds-share-snapshot":                         {"D210", "T1537", false},
	"aws.impact.bedrock-invoke-model":                             {"D243", "T1496", false},
	"aws.persistence.iam-backdoor-user":                           {"D216", "T1098.001", false},
	"aws.persistence.iam-create-user-login-profile":               {"D215", "T1098.001", false},
	"aws.persistence.lambda-backdoor-function":                    {"D222", "T1098", false},
	"aws.persistence.lambda-layer-extension":                      {"D224", "T1546", false},
}

// changed returns a recording with each record changed.
func changed(t *testing.T, file string, change func(map[string]any)) []model.Event {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var records []map[string]any
	if err := json.Unmarshal(data, &records); err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		change(r)
	}
	if data, err = json.Marshal(records); err != nil {
		t.Fatal(err)
	}
	var out []model.Event
	_, err = ingest.Read(t.Context(), "x.json", strings.NewReader(string(data)), ingest.Config{}, func(ev model.Event) error {
		out = append(out, ev)
		return nil
	})
	if err != nil || len(out) != len(records) {
		t.Fatalf("%d events of %d records, %v", len(out), len(records), err)
	}
	return out
}

// These change a recording into one by somebody else, and into its benign
// twins: refused, done by a service of AWS, or only looked at.
var (
	byAnother = func(r map[string]any) {
		r["userIdentity"] = map[string]any{
			"type": "AssumedRole", "accountId": "999988887777", "accessKeyId": "ASIAOTHER", "arn": "arn:aws-cn:sts::999988887777:assumed-role/ops/s-1",
			"sessionContext": map[string]any{"sessionIssuer": map[string]any{"type": "Role", "arn": "arn:aws-cn:iam::999988887777:role/ops", "userName": "ops"}},
		}
		r["recipientAccountId"], r["awsRegion"], r["userAgent"], r["sourceIPAddress"] = "999988887777", "cn-north-1", "Boto3/1.40", "2001:db8::9"
	}
	refused   = func(r map[string]any) { r["errorCode"] = "AccessDenied" }
	byService = func(r map[string]any) {
		r["userIdentity"] = map[string]any{"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/x/AWSCloudFormation", "accountId": "1", "invokedBy": "cloudformation.amazonaws.com"}
		r["sourceIPAddress"], r["userAgent"] = "cloudformation.amazonaws.com", "cloudformation.amazonaws.com"
	}
	lookedAt = func(r map[string]any) { r["eventName"] = "Describe" + r["eventName"].(string) }
)

func TestCloudDetonations(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpora(t, "auditlogs"), "stratus-cloudtrail/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings", err)
	}
	prog, _ := ours(t)
	attacks, seen, twins, quiet := 0, 0, 0, 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		want, known := detonations[name]
		if !known {
			t.Errorf("%s: what must be seen in it is not written down", name)
			continue
		}
		for _, change := range []func(map[string]any){func(map[string]any) {}, byAnother} {
			attacks++
			alerts := detect.Run(prog, changed(t, file, change))
			if slices.ContainsFunc(alerts, func(a model.Alert) bool { return a.Rule == want.rule && slices.Contains(a.Attack, want.technique) }) {
				seen++
			} else {
				t.Errorf("%s: not seen by %s: %d alerts", name, want.rule, len(alerts))
			}
			for _, a := range alerts {
				if a.Rule != want.rule {
					t.Errorf("%s: also an alert of %s %s", name, a.Rule, a.Title)
				}
			}
		}
		for twin, change := range map[string]func(map[string]any){"refused": refused, "by a service": byService, "looked at": lookedAt} {
			if want.tried && (twin == "refused" || name == "aws.defense-evasion.organizations-leave" && twin == "by a service") {
				continue // the attempt is the attack, and no service of AWS leaves an organisation
			}
			twins++
			alerts := detect.Run(prog, changed(t, file, change))
			if len(alerts) == 0 {
				quiet++
			}
			for _, a := range alerts {
				t.Errorf("%s, %s: alert of %s %s", name, twin, a.Rule, a.Title)
			}
		}
	}
	t.Logf("%d of %d attacks seen, %d of %d benign twins quiet", seen, attacks, quiet, twins)
}

// TestOrdinaryCloud: traces of a user who starts an instance.
func TestOrdinaryCloud(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpora(t, "auditlogs"), "falco-k8saudit-traces/trace_files/plugins/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no traces", err)
	}
	prog, _ := ours(t)
	for _, file := range files {
		events, damaged := readFile(t, file)
		if len(events) == 0 || damaged > 0 || events[0].Source != "cloudtrail" {
			t.Errorf("%s: %d events, %d damaged", file, len(events), damaged)
		}
		for _, a := range detect.Run(prog, events) {
			t.Errorf("%s: alert of %s %s", file, a.Rule, a.Title)
		}
	}
	t.Logf("%d traces quiet", len(files))
}
