package advisory

import (
	"fmt"
	"strings"

	cvss20 "github.com/pandatix/go-cvss/20"
	cvss30 "github.com/pandatix/go-cvss/30"
	cvss31 "github.com/pandatix/go-cvss/31"
	cvss40 "github.com/pandatix/go-cvss/40"

	"github.com/scantling/scantling/model"
)

// assessment is what the severity entries of a record amount to.
type assessment struct {
	severity    model.Severity
	given       bool    // some entry, vector or word, says the severity
	score       float64 // CVSS base score; 0 unknown
	vector      string
	automatable model.Tri
	totalImpact model.Tri
}

// maxVector is the length in bytes of a vector that is read; a full CVSS 4.0
// vector has some 220.
const maxVector = 512

// assess takes the highest base score of the vectors, and the newer version
// of CVSS where two score the same. Words count where there is no vector. The
// package's own entries go before the record's (OSV schema, "severity[]"
// excludes "affected[].severity"). A vector that can't be read is returned as
// problem.
func assess(r *Record, a *Affected) (out assessment, problem string) {
	scores := a.Scores
	if len(scores) == 0 {
		scores = r.Scores
	}
	word := a.Rating
	if word == "" {
		word = r.Rating
	}
	for _, s := range scores {
		if !strings.HasPrefix(s.Type, "CVSS_") {
			word = s.Score
			continue
		}
		one, err := readVector(s.Score)
		if err != nil {
			problem = fmt.Sprintf("its %s vector %q: %v", s.Type, clip(s.Score), err)
			continue
		}
		if !out.given || one.score > out.score || one.score == out.score && one.vector > out.vector {
			out = one
		}
	}
	if !out.given {
		out.severity, out.given = severityWord(word)
	}
	return out, problem
}

// severityWord reads the words of GitHub, Debian, Ubuntu and Bitnami.
func severityWord(word string) (model.Severity, bool) {
	switch strings.ToLower(strings.TrimRight(word, "*")) {
	case "critical":
		return model.Critical, true
	case "high", "important":
		return model.High, true
	case "medium", "moderate":
		return model.Medium, true
	case "low", "minor":
		return model.Low, true
	case "negligible", "unimportant", "none":
		return model.Info, true
	}
	return model.Info, false
}

// severityOf is the qualitative scale of CVSS (v3.1 section 5, v4.0 section
// 6), which is used for v2 scores as well.
func severityOf(score float64) model.Severity {
	switch {
	case score >= 9:
		return model.Critical
	case score >= 7:
		return model.High
	case score >= 4:
		return model.Medium
	case score > 0:
		return model.Low
	}
	return model.Info
}

// readVector scores a vector of any version by its base metrics. Automatable
// and TotalImpact are read from it as CISA's SSVC guide defines them: steps
// 1 to 4 of the kill chain without people or special conditions, and full
// control of the component.
func readVector(vector string) (assessment, error) {
	if len(vector) > maxVector {
		return assessment{}, fmt.Errorf("more than %d bytes", maxVector)
	}
	var out assessment
	var err error
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		out, err = vector40(vector)
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		var v *cvss31.CVSS31
		if v, err = cvss31.ParseVector(vector); err == nil {
			out = assessment{score: v.BaseScore()}
		}
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		var v *cvss30.CVSS30
		if v, err = cvss30.ParseVector(vector); err == nil {
			out = assessment{score: v.BaseScore()}
		}
	default:
		trimmed := strings.TrimSuffix(strings.TrimPrefix(vector, "("), ")")
		var v *cvss20.CVSS20
		if v, err = cvss20.ParseVector(trimmed); err == nil {
			out = assessment{score: v.BaseScore()}
		}
	}
	if err != nil {
		return assessment{}, err
	}
	out.severity, out.given, out.vector = severityOf(out.score), true, vector
	out.automatable, out.totalImpact = decisions(vector, out.automatable)
	return out, nil
}

// vector40 scores the base metrics alone: the library scores all, and records
// carry threat metrics that age.
func vector40(vector string) (assessment, error) {
	full, err := cvss40.ParseVector(vector)
	if err != nil {
		return assessment{}, err
	}
	parts := strings.Split(vector, "/")
	base, err := cvss40.ParseVector(strings.Join(parts[:min(len(parts), 12)], "/"))
	if err != nil {
		return assessment{}, err
	}
	out := assessment{score: base.Score()}
	switch automatable, _ := full.Get("AU"); automatable {
	case "Y":
		out.automatable = model.Yes
	case "N":
		out.automatable = model.No
	}
	return out, nil
}

// decisions reads the two SSVC points from the metrics. CVSS 2.0 has no user
// interaction, so that Automatable can't be yes there; stated keeps what the
// vector itself says of it (AU of CVSS 4.0).
func decisions(vector string, stated model.Tri) (automatable, total model.Tri) {
	metric := map[string]string{}
	for part := range strings.SplitSeq(strings.Trim(vector, "()"), "/") {
		name, value, _ := strings.Cut(part, ":")
		metric[name] = value
	}
	is := func(pairs ...string) model.Tri {
		for i := 0; i < len(pairs); i += 2 {
			if metric[pairs[i]] != pairs[i+1] {
				return model.No
			}
		}
		return model.Yes
	}
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		automatable = is("AV", "N", "AC", "L", "AT", "N", "PR", "N", "UI", "N")
		total = is("VC", "H", "VI", "H", "VA", "H")
	case strings.HasPrefix(vector, "CVSS:3."):
		automatable = is("AV", "N", "AC", "L", "PR", "N", "UI", "N")
		total = is("C", "H", "I", "H", "A", "H")
	default:
		automatable = is("AV", "N", "AC", "L", "Au", "N")
		if automatable == model.Yes {
			automatable = model.DontSay
		}
		total = is("C", "C", "I", "C", "A", "C")
	}
	if stated != model.DontSay {
		automatable = stated
	}
	return automatable, total
}
