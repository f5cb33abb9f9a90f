package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/rule"
)

func (a *app) rulesNewCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:     "new ID-SLUG",
		Short:   "Begin a rule: its folder, with text to fill in and cases that pass",
		Long:    "New makes <stage>/ID-SLUG/ with rule.yaml and cases.txtar below --dir. The letter of the\nid is the stage: B build, I infrastructure, D or T runtime. What it writes works as it\nstands (scantling rules test ID --rules-dir DIR), so change it a step at a time.",
		Example: "  scantling rules new B901-no-curl --dir my-rules",
		Args:    cobra.ExactArgs(1),
		RunE: a.checked(func(_ context.Context, args []string) error {
			return a.rulesNew(dir, args[0])
		}),
	}
	cmd.Flags().StringVar(&dir, "dir", "rules", "folder of rules to write to")
	return cmd
}

// ruleName is the name of a rule's folder: letter, number and slug.
var ruleName = regexp.MustCompile(`^([BITD])([0-9]{3,5})-([a-z0-9]+(?:-[a-z0-9]+)*)$`)

// scaffold is what a new rule of one letter begins as.
type scaffold struct {
	stage   model.Stage
	control string
	logic   string
	cases   string
}

var (
	buildScaffold = scaffold{
		model.Build, "hygiene",
		"each: final\nmatch: final.user == \"root\"\nmessage: '\"USER is \" + final.user'\n",
		"-- fail/root.Dockerfile --\nFROM debian:13\nUSER root\n-- pass/uid.Dockerfile --\nFROM debian:13\nUSER 10001\n",
	}
	infrastructureScaffold = scaffold{
		model.Infrastructure, "posture",
		"kinds: [Workload]\nmatch: '!has(object.metadata.labels) || !(\"team\" in object.metadata.labels)'\nmessage: '\"no label team\"'\n",
		"-- fail/no-team.yaml --\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: web, image: \"registry.example/web:1\"}]}\n" +
			"-- pass/with-team.yaml --\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {team: shop}}\nspec: {containers: [{name: web, image: \"registry.example/web:1\"}]}\n",
	}
	runtimeScaffold = scaffold{
		model.Runtime, "detect",
		"attack: [T1552.007]\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  selection:\n    verb: get\n    objectRef.resource: secrets\n  condition: selection\n",
		"-- fail/secret-is-read.json --\n" + sampleEvent("secrets") + "-- pass/pod-is-read.json --\n" + sampleEvent("pods"),
	}
	scaffolds = map[string]scaffold{"B": buildScaffold, "I": infrastructureScaffold, "D": runtimeScaffold, "T": runtimeScaffold}
)

// sampleEvent is an audit event in which alice gets one object.
func sampleEvent(resource string) string {
	return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a-1","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop/%[1]s/x","verb":"get","user":{"username":"alice"},"sourceIPs":["192.0.2.10"],"objectRef":{"resource":"%[1]s","namespace":"shop","name":"x","apiVersion":"v1"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-03-01T11:00:00.000000Z"}`+"\n", resource)
}

func (s scaffold) rule(id, slug string) string {
	title := strings.ToUpper(slug[:1]) + strings.ReplaceAll(slug[1:], "-", " ")
	return fmt.Sprintf("id: %s\ntitle: %s\nseverity: medium\nsince: %s\ncontrol: %s\nwhy: Say what goes wrong without it.\nfix: Say what to change.\ncites: [name the source of the demand]\n%s",
		id, title, Ruleset, s.control, s.logic)
}

// newRule is what `rules new` prints.
type newRule struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	ID         string             `json:"id"`
	Files      []string           `json:"files"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

func (a *app) rulesNew(dir, name string) error {
	m := ruleName.FindStringSubmatch(name)
	if m == nil {
		return usage("%q names no rule: use a letter, three to five digits and a slug, as B901-no-curl", name)
	}
	id, slug := m[1]+m[2], m[3]
	if _, err := os.Stat(dir); err == nil {
		a.rulesDir = append(a.rulesDir, dir)
	}
	cat, missed, err := a.catalogue("all", nil)
	if err != nil {
		return err
	}
	if taken, err := cat.Rule(id); err == nil {
		return usage("%s is taken by %s: the next free id is %s", id, taken.File, freeID(cat, m[1], m[2]))
	}
	s := scaffolds[m[1]]
	folder := path.Join(string(s.stage), name)
	doc := newRule{Schema: report.Schema, Tool: a.tool(), ID: id, Incomplete: append([]model.Incomplete{}, missed...)}
	for file, text := range map[string]string{"rule.yaml": s.rule(id, slug), "cases.txtar": s.cases} {
		if err := writeBelow(dir, path.Join(folder, file), text); err != nil {
			return failed("beginning rule %s: %w", id, err)
		}
	}
	for _, file := range []string{"rule.yaml", "cases.txtar"} {
		doc.Files = append(doc.Files, filepath.ToSlash(filepath.Join(dir, folder, file)))
	}
	a.outcome(nil, len(missed), false)
	return a.show(doc, func(w io.Writer, _ report.Paint) error {
		_, err := fmt.Fprintf(w, "%s\n%s\nnext: fill it in, then scantling rules test %s --rules-dir %s\n", doc.Files[0], doc.Files[1], id, report.Clean(dir))
		return err
	})
}

// freeID is the first id of a letter, from a number on, that no rule has.
func freeID(cat *rule.Catalogue, letter, digits string) string {
	n, _ := strconv.Atoi(digits) // ruleName has seen that they are digits
	for {
		n++
		id := fmt.Sprintf("%s%0*d", letter, len(digits), n)
		if _, err := cat.Rule(id); err != nil {
			return id
		}
	}
}

// writeBelow writes a file that must not be there yet, with the folders that
// it needs, below dir.
func writeBelow(dir, name, text string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(f, text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
