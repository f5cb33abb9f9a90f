package estate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
)

// Bounds of a context, so that an alert stays a few kilobytes.
const (
	mostSubjects = 4  // workloads, and identities, of an alert
	mostImages   = 8  // of a workload
	mostWorst    = 5  // advisories named of an image
	mostRights   = 20 // listed of an identity
	mostUnknown  = 8  // reasons in one list
)

// Contexts says what one reading of an estate knows of the assets of alerts.
// It is immutable and safe for concurrent use.
type Contexts struct {
	placer
	asOf    time.Time
	loads   map[string]model.WorkloadContext
	persons map[string]model.IdentityContext
}

// NewContexts works out the context of every workload and identity: one
// closure of the attack graph, and otherwise time and memory like the estate.
func NewContexts(e *Estate, asOf time.Time) *Contexts {
	c := &Contexts{
		placer: placer{aliases: map[string]string{}}, asOf: asOf,
		loads: map[string]model.WorkloadContext{}, persons: map[string]model.IdentityContext{},
	}
	k := newKnowledge(e)
	for _, a := range e.Assets {
		switch a.Kind {
		case model.Workload:
			c.workloads = append(c.workloads, a.Key)
			c.loads[a.Key] = k.workload(a)
			for _, alias := range a.Aliases {
				c.aliases[alias] = a.Key
			}
		case model.Identity:
			c.persons[a.Key] = k.identity(a.Key)
		}
	}
	return c
}

// Of is the context of an alert's assets.
func (c *Contexts) Of(a model.Alert) *model.Context {
	out, _ := compose(context.Background(), c, a) // it reads nothing that could fail
	return out
}

// NoEstate is the context where there is no estate to ask.
func NoEstate(why string) *model.Context {
	return &model.Context{Unknown: []model.Incomplete{{What: "estate", Why: why}}}
}

func (c *Contexts) placeAt(key string, _ time.Time) (found, by, why string) { return c.place(key) }

func (c *Contexts) workloadAt(_ context.Context, key string, _ time.Time) (model.WorkloadContext, moment, error) {
	w, ok := c.loads[key]
	return w, moment{found: ok, since: c.asOf}, nil
}

func (c *Contexts) identityAt(_ context.Context, key string, _ time.Time) (model.IdentityContext, moment, error) {
	id, ok := c.persons[key]
	return id, moment{found: ok, since: c.asOf}, nil
}

// A moment says when what was found became known, and when it was no more.
type moment struct {
	found bool
	since time.Time
	gone  time.Time // zero: it was there
}

// sources are what contexts are composed of: one reading, or the versions
// of many.
type sources interface {
	placeAt(key string, at time.Time) (found, by, why string)
	workloadAt(ctx context.Context, key string, at time.Time) (model.WorkloadContext, moment, error)
	identityAt(ctx context.Context, key string, at time.Time) (model.IdentityContext, moment, error)
}

// compose puts together what is known of an alert's assets.
func compose(ctx context.Context, from sources, a model.Alert) (*model.Context, error) {
	c := &composer{from: from, at: a.Time, out: &model.Context{}}
	for _, ref := range a.Assets {
		if ref.Kind == model.Workload {
			if err := c.workload(ctx, ref.Key); err != nil {
				return nil, err
			}
		}
	}
	for _, ref := range a.Assets {
		if ref.Kind == model.Identity {
			if err := c.identity(ctx, ref.Key); err != nil {
				return nil, err
			}
		}
	}
	for _, w := range c.out.Workloads {
		if w.Identity != "" {
			if err := c.identity(ctx, w.Identity); err != nil {
				return nil, err
			}
		}
	}
	if len(c.out.Workloads)+len(c.out.Identities)+len(c.out.Unknown) == 0 {
		c.unknown("alert", "it names no workload and no identity")
	}
	if c.out.AsOf.After(a.Time) {
		c.unknown("estate", "it was first read so on "+c.out.AsOf.UTC().Format(time.RFC3339)+", after the event: then it may have been otherwise")
	}
	return c.out, nil
}

type composer struct {
	from sources
	at   time.Time
	out  *model.Context
}

func (c *composer) unknown(what, why string) { c.out.Unknown = doubt(c.out.Unknown, what, why) }

// doubt adds a reason to a list that stays short; the last one then says that
// there were more.
func doubt(list []model.Incomplete, what, why string) []model.Incomplete {
	d := model.Incomplete{What: what, Why: why}
	switch {
	case slices.Contains(list, d):
		return list
	case len(list) < mostUnknown:
		return append(list, d)
	}
	list[mostUnknown-1] = model.Incomplete{What: "more", Why: "there are more reasons than are listed"}
	return list
}

// when notes since when a part has been known. The whole is as of its newest
// part.
func (c *composer) when(what string, m moment) {
	if m.since.After(c.out.AsOf) {
		c.out.AsOf = m.since
	}
	if !m.gone.IsZero() {
		c.unknown(what, "on "+m.gone.UTC().Format(time.RFC3339)+" it was no longer in the estate; this is what was known before")
	}
}

func (c *composer) workload(ctx context.Context, asset string) error {
	key, by, why := c.from.placeAt(asset, c.at)
	if why != "" {
		c.unknown("workload "+asset, why)
		return nil
	}
	if slices.ContainsFunc(c.out.Workloads, func(w model.WorkloadContext) bool { return w.Key == key }) {
		return nil
	}
	if len(c.out.Workloads) == mostSubjects {
		c.unknown("workload "+asset, fmt.Sprintf("no more than %d workloads of an alert are looked up", mostSubjects))
		return nil
	}
	w, m, err := c.from.workloadAt(ctx, key, c.at)
	if err != nil {
		return err
	}
	if !m.found {
		c.unknown("workload "+asset, "what the estate knew of it is not kept")
		return nil
	}
	w.Asset, w.PlacedBy = asset, by
	c.out.Workloads = append(c.out.Workloads, w)
	c.when("workload "+key, m)
	return nil
}

func (c *composer) identity(ctx context.Context, key string) error {
	if slices.ContainsFunc(c.out.Identities, func(i model.IdentityContext) bool { return i.Key == key }) {
		return nil
	}
	if len(c.out.Identities) == mostSubjects {
		c.unknown("identity "+key, fmt.Sprintf("no more than %d identities of an alert are looked up", mostSubjects))
		return nil
	}
	id, m, err := c.from.identityAt(ctx, key, c.at)
	if err != nil {
		return err
	}
	if !m.found {
		c.unknown("identity "+key, "it is not in the estate")
		return nil
	}
	c.out.Identities = append(c.out.Identities, id)
	c.when("identity "+key, m)
	if strings.Contains(key, "//user:") {
		c.unknown("identity "+key, "which groups it is in, and so what else it may do, is not for the cluster to say")
	}
	return nil
}
