package risk

import (
	"fmt"
	"math"
	"strconv"
)

// Points is a load in thousandths of a point, so that sums are exact.
type Points int64

// String prints three decimals.
func (p Points) String() string {
	sign := ""
	if p < 0 {
		sign, p = "-", -p
	}
	return fmt.Sprintf("%s%d.%03d", sign, p/1000, p%1000)
}

// MarshalJSON writes a number with three decimals.
func (p Points) MarshalJSON() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalJSON reads a number of points.
func (p *Points) UnmarshalJSON(text []byte) error {
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsNaN(v) || math.Abs(v) > 1e12 {
		return fmt.Errorf("reading points %q: not a number in range", text)
	}
	*p = FromFloat(v)
	return nil
}

// FromFloat is v points, rounded to thousandths.
func FromFloat(v float64) Points { return Points(math.Round(v * 1000)) }
