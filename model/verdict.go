package model

import "fmt"

// Verdict is the outcome of one rule on one asset. The zero value is not a
// verdict.
type Verdict string

// The three verdicts. Unknown always carries a reason where it is recorded:
// "could not tell" is never "clean".
const (
	Fail    Verdict = "fail"
	Pass    Verdict = "pass"
	Unknown Verdict = "unknown"
)

// Severity orders findings. The zero value is Info.
type Severity int

// The severities, least first, so that they compare with < and >=.
const (
	Info Severity = iota
	Low
	Medium
	High
	Critical
)

var severityNames = [...]string{"info", "low", "medium", "high", "critical"}

// String returns the lower-case name of a severity.
func (s Severity) String() string {
	if s < Info || s > Critical {
		return fmt.Sprintf("severity(%d)", int(s))
	}
	return severityNames[s]
}

// ParseSeverity reads exactly one of the five lower-case names.
func ParseSeverity(name string) (Severity, error) {
	for i, n := range severityNames {
		if n == name {
			return Severity(i), nil
		}
	}
	near := Nearest(name, severityNames[:])
	if near != "" {
		near = fmt.Sprintf(": the nearest is %q", near)
	}
	return Info, fmt.Errorf("unknown severity %q: use info, low, medium, high or critical%s", name, near)
}

// MarshalText writes the name, so that JSON and YAML carry words.
func (s Severity) MarshalText() ([]byte, error) {
	if s < Info || s > Critical {
		return nil, fmt.Errorf("severity %d is out of range", int(s))
	}
	return []byte(s.String()), nil
}

// UnmarshalText is the inverse of MarshalText.
func (s *Severity) UnmarshalText(text []byte) error {
	parsed, err := ParseSeverity(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// Origin says where a number comes from, so that a reader can tell a
// measurement from an assumption.
type Origin string

// The origins of docs/model.md.
const (
	Measured Origin = "measured"
	Default  Origin = "default"
	User     Origin = "set by the user"
)
