package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
)

// Options say what to sync. The zero value is all that the source has.
type Options struct {
	Ecosystems []string // with or without release; none: all of the source
	KEV        string   // address of the file where the source has none; "" none
	EPSS       string   // the same
	// Progress is told, by one goroutine at a time, how many of the records
	// that are to be fetched of a feed have come.
	Progress func(feed string, done, total int)
	Batch    int // records that are kept at once, which a kill may repeat; 0 is 1000
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Result is what came of one feed.
type Result struct {
	Feed      string
	Unchanged bool // the source says that nothing changed since the last sync
	New       int
	Changed   int
	Removed   int
	State     State
}

// Report is what came of a sync.
type Report struct {
	Results    []Result // in the order of the names; KEV and EPSS last
	Incomplete []model.Incomplete
}

// Sync brings the keeper to what the source has. What can't be fetched is
// incomplete, and the rest counts. The error is for a source that can't be
// listed, a keeper that fails, and a context that ended; what was kept until
// then stays.
func (s *Source) Sync(ctx context.Context, k Keeper, opt Options) (Report, error) {
	var out Report
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Batch == 0 {
		opt.Batch = batchRecords
	}
	if opt.Progress == nil {
		opt.Progress = func(string, int, int) {}
	}
	names, err := s.chosen(ctx, opt.Ecosystems)
	if err != nil {
		return out, err
	}
	for _, name := range s.refused {
		out.Incomplete = append(out.Incomplete, model.Incomplete{What: s.name, Why: fmt.Sprintf("%q is no name of an ecosystem", name)})
	}
	origins, err := s.origins(ctx)
	if err != nil {
		return out, err
	}
	for _, name := range append(names, KEV, EPSS) {
		j := &job{ctx: ctx, src: s, k: k, opt: opt, feed: name, result: Result{Feed: name}, origin: origins[name]}
		if err := j.run(); err != nil {
			return out, fmt.Errorf("syncing %s: %w", name, err)
		}
		if j.result.State.Source != "" {
			out.Results = append(out.Results, j.result)
		}
		out.Incomplete = append(out.Incomplete, j.missed...)
	}
	return out, nil
}

// chosen lists the ecosystems to sync: those that are named, of which the
// source must have each.
func (s *Source) chosen(ctx context.Context, wanted []string) ([]string, error) {
	all, err := s.Ecosystems(ctx)
	if len(wanted) == 0 {
		return all, err
	}
	var out []string
	for _, name := range wanted {
		base, _, _ := strings.Cut(name, ":")
		if nameErr := checkName(base); nameErr != nil || base == KEV || base == EPSS {
			return nil, fmt.Errorf("%q is no name of an ecosystem", name)
		}
		if err == nil && !slices.Contains(all, base) {
			return nil, fmt.Errorf("%s has no ecosystem %q, but %s", s.name, base, few(all))
		}
		out = append(out, base)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// few names the first of many.
func few(names []string) string {
	const shown = 12
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

// job is the sync of one feed.
type job struct {
	ctx    context.Context
	src    *Source
	k      Keeper
	opt    Options
	feed   string
	state  State // as it was kept last
	list   listing
	mark   Mark // of the list
	known  map[string]time.Time
	broken map[string]Broken
	failed string // why the feed can't come to its end
	batch  Batch
	bytes  int // of the batch
	done   int // records fetched
	total  int
	result Result
	missed []model.Incomplete
	origin State // of the feed that a source that is a copy was made of
}

// asked is when the source, or what it is a copy of, was asked last; zero for a
// copy of what was never synced to its end.
func (j *job) asked() time.Time {
	now := j.opt.Now().UTC()
	if at := j.origin.Synced.UTC(); j.origin.Source != "" && at.Before(now) {
		return at
	}
	return now
}

func (j *job) miss(name, format string, args ...any) {
	j.missed = append(j.missed, model.Incomplete{What: path.Join(j.feed, name), Why: fmt.Sprintf(format, args...)})
}

// run syncs the feed. Its errors are those of the keeper and of the context.
func (j *job) run() error {
	var err error
	if j.state, err = j.k.State(j.ctx, j.feed); err != nil {
		return err
	}
	j.broken = map[string]Broken{}
	for _, b := range j.state.Broken {
		j.broken[b.ID] = b
	}
	if j.feed == KEV || j.feed == EPSS {
		return j.file()
	}
	known := j.state.Mark
	if j.state.Source != j.src.name {
		known = Mark{} // it means nothing elsewhere
	}
	switch err := j.readList(known); {
	case j.ctx.Err() != nil:
		return j.ctx.Err()
	case errors.Is(err, errUnchanged):
		return j.unchanged()
	case errors.Is(err, fs.ErrNotExist):
		return j.whole(known)
	case err != nil:
		return j.fail("modified_id.csv", err)
	}
	return j.difference()
}

// readList reads modified_id.csv.
func (j *job) readList(known Mark) error {
	return j.read(func() (*content, error) {
		return j.src.place.open(j.ctx, path.Join(j.feed, "modified_id.csv"), known)
	}, func(file *content) (err error) {
		defer file.Close()
		j.mark = file.mark
		j.list, err = parseList(&bounded{file, maxList})
		return err
	})
}

// unchanged tries what was broken again, and notes that the source was asked.
func (j *job) unchanged() error {
	j.result.Unchanged = true
	j.mark = j.state.Mark
	want := listing{}
	for id, b := range j.broken {
		want[id] = b.Modified
	}
	if err := j.fetch(want); err != nil {
		return err
	}
	return j.finish(j.state.Newest, j.state.Listed)
}

// difference compares the list with what is kept. A time that differs is a
// change, also an earlier one: the keeper follows its source.
func (j *job) difference() error {
	var err error
	if j.known, err = j.k.Known(j.ctx, j.feed); err != nil {
		return err
	}
	want, gone := listing{}, []string{}
	for id, at := range j.list {
		if was, ok := j.known[id]; !ok || !was.Equal(at) {
			want[id] = at
		} else if _, again := j.broken[id]; again {
			want[id] = at
		}
	}
	for id := range j.known {
		if _, ok := j.list[id]; !ok {
			gone = append(gone, id)
		}
	}
	for id := range j.broken {
		if _, ok := j.list[id]; !ok {
			delete(j.broken, id)
		}
	}
	if err := j.fetch(want); err != nil {
		return err
	}
	if err := j.remove(gone); err != nil {
		return err
	}
	return j.finish(j.list.newest(), len(j.list))
}

// remove takes out what the source no longer lists. A list that has lost most
// of its records since it was read to its end is more likely broken than right.
func (j *job) remove(gone []string) error {
	const few = 100
	if cmp.Or(j.state.Whole, j.state.Source) == j.src.name && len(j.known) > few && len(gone) > len(j.known)/2 {
		j.failed = fmt.Sprintf("the source names %d of %d records that are kept: none is removed", len(j.known)-len(gone), len(j.known))
		j.miss("modified_id.csv", "%s", j.failed)
		return nil
	}
	slices.Sort(gone)
	for _, id := range gone {
		delete(j.broken, id)
		if len(j.batch.Gone) >= j.opt.Batch {
			if err := j.keep(); err != nil {
				return err
			}
		}
		j.batch.Gone = append(j.batch.Gone, id)
	}
	return nil
}

// add puts a record into the batch, and keeps a batch that is full.
func (j *job) add(r Raw) error {
	if j.bytes+len(r.Body) > batchBytes || len(j.batch.Records) >= j.opt.Batch {
		if err := j.keep(); err != nil {
			return err
		}
	}
	delete(j.broken, r.ID)
	j.batch.Records = append(j.batch.Records, r)
	j.bytes += len(r.Body)
	return nil
}

// came counts a record that was wanted.
func (j *job) came() {
	j.done++
	j.opt.Progress(j.feed, j.done, j.total)
}

// keep hands over a batch in the middle of a sync, with the state of one that
// isn't done: no mark, so that the list is read again if this is the last.
func (j *job) keep() error {
	if len(j.batch.Records)+len(j.batch.Gone) == 0 {
		return nil
	}
	s := j.state
	s.Source, s.Mark, s.Pending, s.Listed = j.src.name, Mark{}, j.total-j.done, max(s.Listed, len(j.list))
	if s.Begun.IsZero() {
		s.Begun = j.opt.Now().UTC()
	}
	s.Broken = j.brokenList()
	return j.hand(s)
}

func (j *job) hand(s State) error {
	j.batch.Feed, j.batch.State = j.feed, s
	kept, err := j.k.Keep(j.ctx, j.batch)
	if err != nil {
		return err
	}
	j.state = kept.State
	for _, b := range kept.State.Broken {
		j.broken[b.ID] = b
	}
	j.result.New += kept.New
	j.result.Changed += kept.Changed
	j.result.Removed += kept.Removed
	j.result.State = kept.State
	j.batch, j.bytes = Batch{}, 0
	return nil
}

// finish hands over the last batch. Only a sync that came to its end counts
// as one, with the mark of the list that all of it is of.
func (j *job) finish(newest time.Time, listed int) error {
	if j.failed != "" {
		return j.stop(max(0, j.total-j.done))
	}
	for _, b := range j.origin.Broken { // what a copy lacked is lacking here
		j.broken[b.ID] = b
	}
	s := j.state
	s.Source, s.Mark, s.Begun, s.Synced, s.Newest, s.Listed, s.Pending, s.Failed = j.src.name, j.mark, time.Time{}, j.asked(), newest, listed, j.origin.Pending, ""
	s.Whole, s.Broken = j.src.name, j.brokenList()
	if len(j.broken) > maxBroken {
		s.Mark = Mark{} // not all are named, so that the list has to be compared again
	}
	if err := j.hand(s); err != nil {
		return err
	}
	for _, b := range j.state.Broken {
		j.miss(b.ID, "%s", b.Why)
	}
	if more := len(j.broken) - len(j.state.Broken); more > 0 {
		j.miss("", "%d more records could not be read", more)
	}
	if j.state.Pending > 0 || j.state.Synced.IsZero() {
		j.miss("", "it is a copy of a sync that had not come to its end, with %d records to go", j.state.Pending)
	}
	return nil
}

// stop keeps what came of a sync that did not come to its end; pending records
// are still to be fetched.
func (j *job) stop(pending int) error {
	s := j.state
	s.Mark, s.Failed, s.Pending = Mark{}, j.failed, pending
	s.Source = j.src.name
	if s.Begun.IsZero() {
		s.Begun = j.opt.Now().UTC()
	}
	s.Broken = j.brokenList()
	return j.hand(s)
}

// fail ends the feed for a reason that concerns all of it. What an earlier sync
// left to be fetched still is.
func (j *job) fail(name string, err error) error {
	if j.ctx.Err() != nil {
		return j.ctx.Err()
	}
	j.failed = path.Join(j.feed, name) + ": " + err.Error()
	j.miss(name, "%v", err)
	return j.stop(j.state.Pending)
}

func (j *job) brokenList() []Broken {
	list := slices.SortedFunc(maps.Values(j.broken), func(a, b Broken) int { return cmp.Compare(a.ID, b.ID) })
	return list[:min(len(list), maxBroken)]
}
