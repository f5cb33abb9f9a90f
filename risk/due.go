package risk

import (
	"cmp"
	"time"

	"github.com/scantling/scantling/model"
)

// Deadline is how long CISA's Binding Operational Directive 26-04 leaves for
// a weakness.
type Deadline struct {
	Days     int  // 0: with the next upgrade, no date
	Forensic bool // the asset is to be examined as well
}

// String names the deadline as the directive does.
func (d Deadline) String() string {
	switch {
	case d.Days == 0:
		return "fix on system upgrade"
	case d.Forensic:
		return "3 days & forensic investigation"
	}
	return plural(d.Days, "day", "days")
}

// BOD is the decision table of CISA BOD 26-04 (version 1.0.0): in KEV,
// publicly exposed, automatable, technical impact total. What nobody knows is
// taken as the answer with the strictest date.
func BOD(kev, public, automatable, totalImpact model.Tri) Deadline {
	best := Deadline{Days: 1 << 20}
	for _, k := range answers(kev) {
		for _, p := range answers(public) {
			for _, a := range answers(automatable) {
				for _, t := range answers(totalImpact) {
					if d := bod(k, p, a, t); d.compare(best) < 0 {
						best = d
					}
				}
			}
		}
	}
	return best
}

func bod(kev, public, automatable, total bool) Deadline {
	switch {
	case kev && total && (public || automatable):
		return Deadline{Days: 3, Forensic: true}
	case kev && public && automatable, !kev && total && public && automatable:
		return Deadline{Days: 3}
	case kev, public && (automatable || total):
		return Deadline{Days: 14}
	case public, automatable:
		return Deadline{Days: 60}
	}
	return Deadline{}
}

func answers(t model.Tri) []bool {
	switch t {
	case model.Yes:
		return []bool{true}
	case model.No:
		return []bool{false}
	}
	return []bool{true, false}
}

// compare orders deadlines, the strictest first.
func (d Deadline) compare(o Deadline) int {
	days := func(d Deadline) int {
		if d.Days == 0 {
			return 1 << 19 // no date is later than any
		}
		return d.Days
	}
	forensic := func(d Deadline) int {
		if d.Forensic {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(days(d), days(o)), cmp.Compare(forensic(d), forensic(o)))
}

// Due is the date by which a weakness has to be gone, and why. It counts from
// the day on which it joined KEV, else from the publication of its record,
// else from the day of the assessment. No date: the zero time.
func Due(weak model.Weakness, public model.Tri, asOf time.Time) (time.Time, Deadline) {
	kev := model.No
	if weak.KEV {
		kev = model.Yes
	}
	d := BOD(kev, public, weak.Automatable, weak.TotalImpact)
	if d.Days == 0 {
		return time.Time{}, d
	}
	from := weak.KEVAdded
	if from.IsZero() {
		from = weak.Published
	}
	if from.IsZero() {
		from = asOf
	}
	return from.UTC().Truncate(24*time.Hour).AddDate(0, 0, d.Days), d
}

// LaneOf is the lane of what has a date, or has none.
func LaneOf(due time.Time) Lane {
	if due.IsZero() {
		return Buy
	}
	return Must
}

// Assumed lists the points of the directive that nobody stated for a weakness,
// and what stands in their place.
func Assumed(weak model.Weakness, public model.Tri) []string {
	out := []string{}
	add := func(point string, t model.Tri, assumed bool) {
		switch {
		case t == model.DontSay:
			out = append(out, point+" unknown, taken as the strictest")
		case assumed:
			out = append(out, point+" "+string(t)+" from CVSS")
		}
	}
	add("public", public, false)
	add("automatable", weak.Automatable, weak.Assumed)
	add("total impact", weak.TotalImpact, weak.Assumed)
	return out
}

// public says whether an image is reachable from outside: through any
// workload that runs it. Where no cluster was read nobody knows.
func (w *world) public(image model.Ref) model.Tri {
	if len(w.workloads) == 0 {
		return model.DontSay
	}
	for i, p := range w.parts {
		if p.image != image {
			continue
		}
		for _, u := range w.partUsers[i] {
			if w.workloads[u].exposure.Value == "public" {
				return model.Yes
			}
		}
	}
	return model.No
}

// running reports whether some workload runs the image, or may.
func (w *world) running(image model.Ref) bool {
	if len(w.workloads) == 0 {
		return true
	}
	for i, p := range w.parts {
		if p.image == image && len(w.partUsers[i]) > 0 {
			return true
		}
	}
	return false
}
