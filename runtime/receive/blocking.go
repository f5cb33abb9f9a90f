package receive

import "time"

// What looks like an API server that waits for each answer: within a window,
// many requests, nearly all of one event, some of them at the same time. In
// batch mode an API server sends at most ten a second, unless told otherwise.
const (
	window       = 10 * time.Second
	manyRequests = 200
	singlesOf100 = 95
)

// pace follows the requests of one window after the other.
type pace struct {
	begin             time.Time
	requests, singles int
	together          bool // two were in flight at once
}

// blocking enters a request, and says how requests look: as before, until a
// window is full.
func (p *pace) blocking(now time.Time, events, inFlight int, was bool) bool {
	full := now.Sub(p.begin) >= window
	if full {
		was = was && p.looks()
		*p = pace{begin: now}
	}
	p.requests++
	if events == 1 {
		p.singles++
	}
	p.together = p.together || inFlight > 1
	return was || p.looks()
}

func (p *pace) looks() bool {
	return p.together && p.requests >= manyRequests && p.singles*100 >= p.requests*singlesOf100
}
