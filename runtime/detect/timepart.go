package detect

import (
	"fmt"
	"time"
)

// timePart is what a time modifier takes out of a time. Zero takes the value
// as it is, a number.
type timePart uint8

const (
	minute timePart = iota + 1
	hour
	day
	week // of ISO 8601
	month
	year
)

var timeParts = map[string]timePart{"minute": minute, "hour": hour, "day": day, "week": week, "month": month, "year": year}

// timeRanges are the values that a part can have.
var timeRanges = map[timePart][2]float64{minute: {0, 59}, hour: {0, 23}, day: {1, 31}, week: {1, 53}, month: {1, 12}, year: {0, 9999}}

// check refuses a number that the part never has: a mistake of the rule.
func (p timePart) check(n float64) error {
	if r := timeRanges[p]; n < r[0] || n > r[1] || n != float64(int(n)) {
		return fmt.Errorf("%g is not a whole number between %g and %g", n, r[0], r[1])
	}
	return nil
}

// timeForms are the forms in which logs write a time. A fraction of a second
// may follow in each.
var timeForms = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", time.DateOnly}

// longestTime in any of the forms, in bytes.
const longestTime = 40

// of reads a value: its part where it is a time. The clock is the one that the
// value is written in: the specification rules out conversions.
func (p timePart) of(text []byte) (float64, bool) {
	if p == 0 {
		return number(text)
	}
	if len(text) > longestTime {
		return 0, false
	}
	for _, form := range timeForms {
		if t, err := time.Parse(form, string(text)); err == nil {
			return float64(p.in(t)), true
		}
	}
	return 0, false
}

func (p timePart) in(t time.Time) int {
	switch p {
	case minute:
		return t.Minute()
	case hour:
		return t.Hour()
	case day:
		return t.Day()
	case week:
		_, w := t.ISOWeek()
		return w
	case month:
		return int(t.Month())
	default:
		return t.Year()
	}
}
