package siege

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Verdict is how the alerts of a run stand against the truth.
type Verdict struct {
	Truth   Truth
	Events  int
	Bytes   int
	Alerts  []Judged
	Unread  []string // what the program says it could not tell
	records []record // as the log has them
}

// Judged is an alert and whose record it stands at.
type Judged struct {
	alert
	Mark
	Right bool // names a technique of the step, or stands at a consequence of the attack
}

// alert is what the judge needs of a line of `detect run`.
type alert struct {
	Rule, Title, Level string
	Time               time.Time
	Index              int
	Techniques         []string `json:"attack"`
	Fields             map[string]string
}

// record is what it needs of a line of the log.
type record struct {
	AuditID       string
	Verb          string
	ObjectRef     struct{ Namespace, Name, Resource, Subresource string }
	User          struct{ Username string }
	RequestObject json.RawMessage // may be a list, of a JSON patch
	Annotations   map[string]string
	Time          time.Time `json:"requestReceivedTimestamp"`
}

// generateName is what the names of an object begin with that its maker left to
// the API server to name.
func (r record) generateName() string {
	var o struct{ Metadata struct{ GenerateName string } }
	if len(r.RequestObject) == 0 || r.RequestObject[0] != '{' || json.Unmarshal(r.RequestObject, &o) != nil {
		return ""
	}
	return o.Metadata.GenerateName
}

// Judge runs a program over a recording, with its own rules or those of a
// folder, and counts.
func Judge(program, log string, truth Truth, rules string) (Verdict, error) {
	v := Verdict{Truth: truth}
	text, err := os.ReadFile(log)
	if err != nil {
		return v, err
	}
	v.Bytes = len(text)
	if v.records, err = readRecords(text); err != nil {
		return v, err
	}
	v.Events = len(v.records)
	args := []string{"detect", "run", log}
	if rules != "" {
		args = append(args, "--rules", rules)
	}
	cmd := exec.Command(program, args...)
	var talk bytes.Buffer
	cmd.Stderr = &talk
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() == 3 || exit.ExitCode() == 4) {
		err = nil
	}
	if err != nil {
		return v, fmt.Errorf("running %s: %w: %.500s", strings.Join(args, " "), err, talk.String())
	}
	for line := range strings.Lines(talk.String()) {
		if what, ok := strings.CutPrefix(strings.TrimSpace(line), "not read: "); ok {
			v.Unread = append(v.Unread, what)
		}
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a alert
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return v, fmt.Errorf("reading an alert: %w", err)
		}
		if a.Index < 0 || a.Index >= len(v.records) {
			return v, fmt.Errorf("alert of %s at record %d of %d", a.Rule, a.Index, len(v.records))
		}
		v.Alerts = append(v.Alerts, v.judged(a))
	}
	return v, lines.Err()
}

func readRecords(text []byte) ([]record, error) {
	var records []record
	for line := range bytes.Lines(text) {
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("record %d of the log: %w", len(records), err)
		}
		records = append(records, r)
	}
	return records, nil
}

// judged finds whose an alert is: that of the request that it stands at. One
// of a correlation stands at the last.
func (v *Verdict) judged(a alert) Judged {
	r := v.records[a.Index]
	if m, ok := v.Truth.Marks[r.AuditID]; ok {
		return Judged{a, m, m.Attack != "" && accepted(m.Techniques, a.Techniques)}
	}
	if m, ok := v.Truth.consequence(r.ObjectRef.Namespace, cmp.Or(r.ObjectRef.Name, r.generateName()), r.Annotations["authorization.k8s.io/reason"]); ok {
		return Judged{a, m, m.Attack != ""}
	}
	return Judged{alert: a}
}

// accepted reports whether one of the techniques is accepted: it is one of the
// list, or one that such a one is a part of.
func accepted(list, techniques []string) bool {
	for _, t := range techniques {
		for _, want := range list {
			if t == want || strings.HasPrefix(want, t+".") {
				return true
			}
		}
	}
	return false
}

// Hours is how long the recording is.
func (v *Verdict) Hours() float64 { return v.Truth.To.Sub(v.Truth.From).Hours() }

// count counts alerts.
func (v *Verdict) count(of func(Judged) bool) int {
	n := 0
	for _, j := range v.Alerts {
		if of(j) {
			n++
		}
	}
	return n
}

// True counts alerts that stand at an attack, False the others.
func (v *Verdict) True() int  { return v.count(func(j Judged) bool { return j.Attack != "" }) }
func (v *Verdict) False() int { return len(v.Alerts) - v.True() }

// Twins counts false alerts at twins, Routine those at the rest of the
// background.
func (v *Verdict) Twins() int   { return v.count(func(j Judged) bool { return j.Twin != "" }) }
func (v *Verdict) Routine() int { return v.False() - v.Twins() }

// Grouped counts the alerts where those of one rule at one actor count once, as
// somebody sees them who groups: one that stands at an attack makes the group
// true.
func (v *Verdict) Grouped() (right, all int) {
	groups := map[[2]string]bool{}
	for _, j := range v.Alerts {
		key := [2]string{j.Rule, v.records[j.Index].User.Username}
		groups[key] = groups[key] || j.Attack != ""
	}
	for _, isTrue := range groups {
		if isTrue {
			right++
		}
	}
	return right, len(groups)
}

// Played is how often twins were played.
func (v *Verdict) Played() int {
	return times(v.Truth.To.Sub(v.Truth.From)) * len(v.Truth.Twins)
}

// Unlogged are the steps of the script whose requests the log doesn't have.
func (v *Verdict) Unlogged() []string {
	logged := map[string]bool{}
	for _, r := range v.records {
		logged[r.AuditID] = true
	}
	var lost []string
	for id, m := range v.Truth.Marks {
		if !logged[id] {
			lost = append(lost, m.Attack+m.Twin+": "+m.Step)
		}
	}
	slices.Sort(lost)
	return lost
}

// Found are the attacks with an alert of a right technique, Missed those
// without.
func (v *Verdict) Found() (found, missed []string) {
	for _, name := range v.Truth.Attacks {
		if v.count(func(j Judged) bool { return j.Attack == name && j.Right }) > 0 {
			found = append(found, name)
		} else {
			missed = append(missed, name)
		}
	}
	return found, missed
}

// Delay is the time from the first request of an attack to its first right
// alert, by the times of the events. Where there is none it is negative.
func (v *Verdict) Delay(attack string) time.Duration {
	var first, told time.Time
	for _, r := range v.records {
		if v.Truth.Marks[r.AuditID].Attack == attack && (first.IsZero() || r.Time.Before(first)) {
			first = r.Time
		}
	}
	for _, j := range v.Alerts {
		if at := v.records[j.Index].Time; j.Attack == attack && j.Right && (told.IsZero() || at.Before(told)) {
			told = at
		}
	}
	if told.IsZero() {
		return -1
	}
	return told.Sub(first)
}

// Steps gives the steps of an attack in order, each once, and those of them
// that have a right alert.
func (v *Verdict) Steps(attack string) (all []string, alerted map[string]bool) {
	marks := []Mark{}
	for _, m := range v.Truth.Marks {
		if m.Attack == attack {
			marks = append(marks, m)
		}
	}
	slices.SortFunc(marks, func(a, b Mark) int { return a.Time.Compare(b.Time) })
	for _, m := range marks {
		if !slices.Contains(all, m.Step) {
			all = append(all, m.Step)
		}
	}
	alerted = map[string]bool{}
	for _, j := range v.Alerts {
		if j.Attack == attack && j.Right {
			alerted[j.Step] = true
		}
	}
	return all, alerted
}

// StepRecall counts the steps of all attacks, and those that have a right
// alert.
func (v *Verdict) StepRecall() (told, all int) {
	for _, name := range v.Truth.Attacks {
		steps, alerted := v.Steps(name)
		all += len(steps)
		for _, s := range steps {
			if alerted[s] {
				told++
			}
		}
	}
	return told, all
}
