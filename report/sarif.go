package report

import (
	"cmp"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
)

// SARIF writes findings as SARIF 2.1.0 (OASIS, errata 01). An unknown verdict
// is a result of kind "open" and level "none", a suppressed finding carries
// its suppression, and what was not read is a notification of the invocation,
// so a log without results isn't mistaken for a clean one. rules describe
// what the findings name.
func (d Findings) SARIF(w io.Writer, rules []Rule) error {
	run := sarifRun{
		Tool:        sarifTool{Driver: d.sarifDriver(rules)},
		Invocations: []sarifInvocation{{Successful: true, Notifications: []sarifNotification{}}},
		Columns:     "unicodeCodePoints",
		Results:     []sarifResult{},
	}
	for _, x := range d.Incomplete {
		run.Invocations[0].Notifications = append(run.Invocations[0].Notifications, sarifNotification{
			Level: "warning", Message: sarifText{Clean(x.What + ": " + x.Why)},
		})
	}
	for _, f := range d.Findings {
		index := slices.IndexFunc(run.Tool.Driver.Rules, func(r sarifRule) bool { return r.ID == f.Rule })
		run.Results = append(run.Results, sarifOf(f, index))
	}
	return JSON(w, sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{run},
	})
}

// sarifDriver describes the program and each rule that has a finding, sorted
// by id.
func (d Findings) sarifDriver(rules []Rule) sarifDriver {
	driver := sarifDriver{
		Name: d.Tool.Name, Version: d.Tool.Version, URI: "https://github.com/scantling/scantling",
		Properties: map[string]any{"ruleset": d.Tool.Ruleset}, Rules: []sarifRule{},
	}
	for _, f := range d.Findings {
		if slices.ContainsFunc(driver.Rules, func(r sarifRule) bool { return r.ID == f.Rule }) {
			continue
		}
		known := Rule{ID: f.Rule, Title: f.Title, Why: f.Title, Severity: f.Severity}
		if f.Fix != nil {
			known.Fix = f.Fix.Text
		}
		if i := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == f.Rule }); i >= 0 {
			known = rules[i]
		}
		driver.Rules = append(driver.Rules, sarifRuleOf(known, f))
	}
	slices.SortFunc(driver.Rules, func(a, b sarifRule) int { return cmp.Compare(a.ID, b.ID) })
	return driver
}

func sarifRuleOf(r Rule, f model.Finding) sarifRule {
	help := strings.TrimSpace(r.Why + "\n\n" + r.Fix)
	if len(r.Cites) > 0 {
		help += "\n\n" + strings.Join(r.Cites, "; ")
	}
	tags := append([]string{"security", f.Stage, f.Control}, r.Attack...)
	return sarifRule{
		ID: r.ID, Name: cmp.Or(r.Slug, r.ID),
		Short: sarifText{r.Title}, Full: sarifText{cmp.Or(r.Why, r.Title)}, Help: sarifText{cmp.Or(help, r.Title)},
		Default: sarifDefault{Level: sarifLevel(r.Severity)},
		Properties: map[string]any{
			"tags": tags, "aliases": f.Aliases,
			"security-severity": securitySeverity[r.Severity], "precision": "high",
		},
	}
}

// securitySeverity is the number by which code-scanning services rank: each
// is the lowest of its CVSS 3.1 band but for info, which has none.
var securitySeverity = map[model.Severity]string{
	model.Critical: "9.0", model.High: "7.0", model.Medium: "4.0", model.Low: "0.1", model.Info: "0.0",
}

func sarifLevel(s model.Severity) string {
	switch {
	case s >= model.High:
		return "error"
	case s == model.Medium:
		return "warning"
	}
	return "note"
}

func sarifOf(f model.Finding, rule int) sarifResult {
	r := sarifResult{
		RuleID: f.Rule, RuleIndex: rule, Kind: "fail", Level: sarifLevel(f.Severity),
		Message: sarifText{Clean(f.Message)}, Locations: []sarifLocation{sarifPlace(f)},
		Prints:     map[string]string{"scantling/v1": f.ID},
		Properties: map[string]any{"severity": f.Severity.String(), "asset": f.Asset.Key},
	}
	if f.Verdict == model.Unknown {
		r.Kind, r.Level = "open", "none"
	}
	if s := f.Suppressed; s != nil {
		owner := s.Owner
		if s.Expires != model.NoEnd {
			owner += ", until " + s.Expires
		}
		r.Suppressions = []sarifSuppression{{
			Kind: "external", Status: "accepted",
			Justification: Clean(s.Reason + " (" + owner + ")"),
		}}
	}
	r.Fixes = sarifFixes(f.Fix)
	return r
}

// sarifPlace is a file where there is one; the asset always stands beside it.
func sarifPlace(f model.Finding) sarifLocation {
	at := sarifLocation{Logical: []sarifLogical{{
		Name: Clean(cmp.Or(f.Asset.Name, f.Asset.Key)), Full: Clean(f.Asset.Key), Kind: string(f.Asset.Kind),
	}}}
	if f.Position.File == "" {
		return at
	}
	at.Physical = &sarifPhysical{Artifact: sarifArtifact{sarifURI(f.Position.File)}}
	if p := f.Position; p.Line > 0 {
		at.Physical.Region = &sarifRegion{Line: p.Line, Column: p.Column, EndLine: p.EndLine, EndColumn: p.EndColumn}
	}
	return at
}

// sarifURI writes a path as a URI: relative ones stay relative, to the folder
// in which the program ran.
func sarifURI(file string) string {
	slashed := path.Clean(filepath.ToSlash(file))
	u := url.URL{Path: slashed}
	if path.IsAbs(slashed) {
		u.Scheme = "file"
	}
	return u.String()
}

// sarifFixes gives the edits of a safe fix: those a tool may apply unseen.
func sarifFixes(fix *model.Fix) []sarifFix {
	if fix == nil || !fix.Safe || len(fix.Edits) == 0 {
		return nil
	}
	out := sarifFix{Description: sarifText{Clean(fix.Text)}}
	for _, e := range fix.Edits {
		out.Changes = append(out.Changes, sarifChange{
			Artifact:     sarifArtifact{sarifURI(e.File)},
			Replacements: []sarifReplacement{{sarifBytes{e.Start, e.End - e.Start}, sarifText{e.New}}},
		})
	}
	return []sarifFix{out}
}

// The parts of a SARIF log that are written, named as in its schema.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Columns     string            `json:"columnKind"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name       string         `json:"name"`
		Version    string         `json:"version"`
		URI        string         `json:"informationUri"`
		Rules      []sarifRule    `json:"rules"`
		Properties map[string]any `json:"properties"`
	}
	sarifRule struct {
		ID         string         `json:"id"`
		Name       string         `json:"name"`
		Short      sarifText      `json:"shortDescription"`
		Full       sarifText      `json:"fullDescription"`
		Help       sarifText      `json:"help"`
		Default    sarifDefault   `json:"defaultConfiguration"`
		Properties map[string]any `json:"properties"`
	}
	sarifDefault struct {
		Level string `json:"level"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Kind         string             `json:"kind"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Prints       map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		Fixes        []sarifFix         `json:"fixes,omitempty"`
		Properties   map[string]any     `json:"properties"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		Line      int `json:"startLine"`
		Column    int `json:"startColumn,omitempty"`
		EndLine   int `json:"endLine,omitempty"`
		EndColumn int `json:"endColumn,omitempty"`
	}
	sarifLogical struct {
		Name string `json:"name"`
		Full string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Status        string `json:"status"`
		Justification string `json:"justification"`
	}
	sarifFix struct {
		Description sarifText     `json:"description"`
		Changes     []sarifChange `json:"artifactChanges"`
	}
	sarifChange struct {
		Artifact     sarifArtifact      `json:"artifactLocation"`
		Replacements []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct {
		Deleted  sarifBytes `json:"deletedRegion"`
		Inserted sarifText  `json:"insertedContent"`
	}
	sarifBytes struct {
		Offset int `json:"byteOffset"`
		Length int `json:"byteLength"`
	}
)
