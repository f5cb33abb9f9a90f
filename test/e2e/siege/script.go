package siege

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/test/e2e/plane"
)

// scripted is an attack or a twin: somebody who does some things in order.
type scripted struct {
	name string
	identity
	play func(*script)
}

// script is one of them being played: an actor whose requests are marked.
type script struct {
	*actor
	pause time.Duration // mean time between two steps
	err   error         // the first thing that went otherwise than written
}

// twinsEvery is how often a twin is played, at least once.
const twinsEvery = 10 * time.Minute

// times is how often each twin is played in a recording of a length.
func times(length time.Duration) int { return max(1, int(length/twinsEvery)) }

// schedule spreads attacks and twins over the day. Attacks begin in an order of
// the seed, one in each tenth of the first three quarters, so that the last
// one ends in time; twins at any time of that.
func (s *siege) schedule(ctx context.Context) {
	dice := s.dice("schedule")
	share := func(f float64) time.Duration { return time.Duration(f * float64(s.cfg.Duration)) }
	list := attacks()
	dice.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	for i, x := range list {
		s.truth.Attacks = append(s.truth.Attacks, x.name)
		at := share(0.04 + 0.7*(float64(i)+dice.Float64())/float64(len(list)))
		s.perform(ctx, x, at, Mark{Attack: x.name})
	}
	for _, x := range twins() {
		s.truth.Twins = append(s.truth.Twins, x.name)
		for range times(s.cfg.Duration) {
			s.perform(ctx, x, share(0.04+0.76*dice.Float64()), Mark{Twin: x.name})
		}
	}
	slices.Sort(s.truth.Twins)
	s.truth.Seed = s.cfg.Seed
}

// perform plays a script after a while.
func (s *siege) perform(ctx context.Context, x scripted, after time.Duration, mark Mark) {
	dice := s.dice("script", x.name, after)
	s.running.Go(func() {
		err := s.performed(ctx, x, after, &script{
			actor: &actor{siege: s, ctx: ctx, dice: dice, mark: &mark},
			pause: s.cfg.Duration / 120,
		})
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.failed = append(s.failed, fmt.Errorf("%s: %w", x.name, err))
		}
	})
}

func (s *siege) performed(ctx context.Context, x scripted, after time.Duration, p *script) error {
	if !p.wait(after) {
		return ctx.Err()
	}
	if p.as(x.identity); p.err != nil {
		return p.err
	}
	x.play(p)
	return p.err
}

// as goes on as somebody else, with the same marks.
func (p *script) as(id identity) {
	client, err := p.siege.client(p.ctx, id.who)
	p.took(err)
	p.become(id, client)
}

func (p *script) become(id identity, client *plane.Client) {
	if client != nil {
		client.From(id.address)
	}
	p.identity, p.client, p.header = id, client, nil
}

func (p *script) took(err error) {
	if p.err == nil && err != nil {
		p.err = err
	}
}

// step thinks, and marks what follows as the step, which shows the techniques
// (ATT&CK ids, parted by spaces). Written before the request, it is evaluated
// before it.
func (p *script) step(what, techniques string) *script {
	p.wait(time.Duration((0.2 + 1.6*p.dice.Float64()) * float64(p.pause)))
	mark := *p.mark
	mark.Step, mark.Techniques = what, strings.Fields(techniques)
	p.mark = &mark
	return p
}

// want takes the code that came. After the first other one than wanted, the
// rest of the script is played all the same, and the recording is void.
func (p *script) want(code, got int) {
	if got != code {
		p.took(fmt.Errorf("%s: want code %d, got %d", p.mark.Step, code, got))
	}
}

// answered is want for an answer whose text helps where it is another.
func (p *script) answered(code int, got plane.Answer) plane.Answer {
	if got.Code != code {
		p.took(fmt.Errorf("%s: want code %d, got %d: %.300s (%v)", p.mark.Step, code, got.Code, got.Body, got.Err))
	}
	return got
}

// victim is the first pod of an app. Others may be replacing it just now.
func (p *script) victim(ns, app string) string {
	var name string
	p.until("a pod of "+ns+"/"+app, func() bool {
		list, err := p.siege.pods(p.ctx, ns)
		p.took(err)
		for _, x := range list {
			if strings.HasPrefix(x.Metadata.Name, app+"-") && x.Status.Phase == "Running" {
				name = x.Metadata.Name
				return true
			}
		}
		return false
	})
	return name
}

// made takes down an object that controllers act upon, or a binding.
func (p *script) made(ns, name string) {
	p.siege.mu.Lock()
	defer p.siege.mu.Unlock()
	p.siege.truth.Made = append(p.siege.truth.Made, Made{Mark{Attack: p.mark.Attack, Twin: p.mark.Twin, Step: "what followed"}, ns, name})
}

// until waits for something to be so, at most half a minute.
func (p *script) until(what string, so func() bool) {
	for range 60 {
		if so() {
			return
		}
		if !p.wait(500 * time.Millisecond) {
			return
		}
	}
	p.took(fmt.Errorf("waiting for %s", what))
}
