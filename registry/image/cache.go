package image

import (
	"container/list"
	"sync"
)

// cache holds the facts of the layers that were used last. The zero value
// works; it is safe for concurrent use.
type cache struct {
	mu    sync.Mutex
	cost  int // of all that is held, in the unit of MaxEntries
	order list.List
	at    map[string]*list.Element // of order, by key
}

// cached is one element of a cache's order; the one used last comes first.
type cached struct {
	key   string
	facts *facts
}

func (c *cache) get(key string) *facts {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.at[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(cached).facts
}

// put holds facts and lets go of those that were not used for longest, until
// all cost no more than limit.
func (c *cache) put(key string, f *facts, limit int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at[key] != nil || f.cost+1 > limit {
		return
	}
	if c.at == nil {
		c.at = map[string]*list.Element{}
	}
	c.at[key] = c.order.PushFront(cached{key, f})
	c.cost += f.cost + 1
	for c.cost > limit {
		last := c.order.Back()
		gone := c.order.Remove(last).(cached)
		delete(c.at, gone.key)
		c.cost -= gone.facts.cost + 1
	}
}
