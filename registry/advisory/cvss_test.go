package advisory

import (
	"testing"

	"github.com/scantling/scantling/model"
)

// The scores are those of FIRST's examples and calculators.
func TestReadVector(t *testing.T) {
	for vector, want := range map[string]assessment{
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H":                         {severity: model.Critical, score: 9.8, automatable: model.Yes, totalImpact: model.Yes},
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N":                         {severity: model.Medium, score: 6.1, automatable: model.No, totalImpact: model.No},
		"CVSS:3.0/AV:L/AC:H/PR:L/UI:N/S:U/C:H/I:H/A:H":                         {severity: model.High, score: 7.0, automatable: model.No, totalImpact: model.Yes},
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N":                         {severity: model.Info, score: 0, automatable: model.Yes, totalImpact: model.No},
		"AV:N/AC:L/Au:N/C:C/I:C/A:C":                                           {severity: model.Critical, score: 10, automatable: model.DontSay, totalImpact: model.Yes},
		"(AV:N/AC:M/Au:N/C:P/I:N/A:N)":                                         {severity: model.Medium, score: 4.3, automatable: model.No, totalImpact: model.No},
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N":      {severity: model.Critical, score: 9.3, automatable: model.Yes, totalImpact: model.Yes},
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:U":  {severity: model.Critical, score: 9.3, automatable: model.Yes, totalImpact: model.Yes},
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/AU:N": {severity: model.Critical, score: 9.3, automatable: model.No, totalImpact: model.Yes},
	} {
		got, err := readVector(vector)
		want.given, want.vector = true, vector
		if err != nil || got != want {
			t.Errorf("%s: %+v, error %v, want %+v", vector, got, err, want)
		}
	}
	for _, vector := range []string{"", "CVSS:3.1/AV:N", "CVSS:5.0/AV:N", "7.5", "CVSS:4.0/"} {
		if got, err := readVector(vector); err == nil {
			t.Errorf("%q: %+v", vector, got)
		}
	}
}

func TestAssess(t *testing.T) {
	high, low := Score{"CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}, Score{"CVSS_V4", "CVSS:4.0/AV:L/AC:L/AT:N/PR:L/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N"}
	for name, tc := range map[string]struct {
		r    Record
		a    Affected
		want model.Severity
		// given: rated at all; problem: a vector that can't be read
		given, problem bool
	}{
		"highest of several": {Record{Scores: []Score{low, high}}, Affected{}, model.Critical, true, false},
		"package first":      {Record{Scores: []Score{high}}, Affected{Scores: []Score{low}}, model.Medium, true, false},
		"word":               {Record{Rating: "MODERATE"}, Affected{}, model.Medium, true, false},
		"word of package":    {Record{Rating: "HIGH"}, Affected{Rating: "unimportant"}, model.Info, true, false},
		"word of ubuntu":     {Record{Scores: []Score{{"Ubuntu", "high"}}}, Affected{}, model.High, true, false},
		"vector over word":   {Record{Rating: "LOW", Scores: []Score{high}}, Affected{}, model.Critical, true, false},
		"broken vector":      {Record{Rating: "LOW", Scores: []Score{{"CVSS_V3", "x"}}}, Affected{}, model.Low, true, true},
		"nothing":            {Record{}, Affected{Rating: "not yet assigned"}, model.Info, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, problem := assess(&tc.r, &tc.a)
			if got.severity != tc.want || got.given != tc.given || (problem != "") != tc.problem {
				t.Errorf("%+v, problem %q", got, problem)
			}
		})
	}
}

// FuzzVector: a vector that is read has a score from 0 to 10 and the severity
// of that score.
func FuzzVector(f *testing.F) {
	f.Add("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")
	f.Add("(AV:N/AC:M/Au:N/C:P/I:N/A:N)")
	f.Add("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:U/AU:Y")
	f.Fuzz(func(t *testing.T, vector string) {
		got, err := readVector(vector)
		if err != nil {
			return
		}
		if !(got.score >= 0 && got.score <= 10) || got.severity != severityOf(got.score) {
			t.Errorf("%+v", got)
		}
	})
}
