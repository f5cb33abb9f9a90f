package advisory_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/feed"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/rule"
)

// text writes an OSV document of one package.
func text(id, name, fixed, more string) string {
	return fmt.Sprintf(`{"id":%q,"modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":%q},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":%q}]}]}]%s}`, id, name, fixed, more)
}

// TestMeaning: what changes a match changes the meaning, and what doesn't
// leaves it.
func TestMeaning(t *testing.T) {
	const base = `{"id":"X-1","modified":"2026-01-01T00:00:00Z","aliases":["A","B"],"severity":[{"type":"CVSS_V3","score":"x"}],"affected":[
		{"package":{"ecosystem":"Go","name":"a"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1"}]},{"type":"SEMVER","events":[{"introduced":"2"}]}],"versions":["1","2"]},
		{"package":{"ecosystem":"Go","name":"b"}}]}`
	for name, tc := range map[string]struct {
		from, to string
		same     bool
	}{
		"nothing":          {"", "", true},
		"spaces":           {`"aliases":`, "\n \"aliases\" : ", true},
		"order of aliases": {`["A","B"]`, `["B","A"]`, true},
		"an alias twice":   {`["A","B"]`, `["A","B","A"]`, true},
		"order of ranges": {
			`{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1"}]},{"type":"SEMVER","events":[{"introduced":"2"}]}`,
			`{"type":"SEMVER","events":[{"introduced":"2"}]},{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1"}]}`, true,
		},
		"order of versions":  {`["1","2"]`, `["2","1"]`, true},
		"details":            {`"aliases":`, `"details":"new words","references":[{"url":"x"}],"aliases":`, true},
		"summary":            {`"aliases":`, `"summary":"new words","aliases":`, true},
		"modified":           {`2026-01-01`, `2026-02-01`, true},
		"no versions at all": {`{"ecosystem":"Go","name":"b"}`, `{"ecosystem":"Go","name":"b"},"versions":[]`, true},
		"title of a module":  {`"aliases":`, `"summary":"nodejs:18 security","aliases":`, true},
		"id":                 {`X-1`, `X-2`, false},
		"alias":              {`["A","B"]`, `["A"]`, false},
		"withdrawn":          {`"aliases":`, `"withdrawn":"2026-01-01T00:00:00Z","aliases":`, false},
		"score":              {`"score":"x"`, `"score":"y"`, false},
		"rating":             {`"aliases":`, `"database_specific":{"severity":"HIGH"},"aliases":`, false},
		"fixed":              {`"fixed":"1"`, `"fixed":"1.1"`, false},
		"order of events":    {`[{"introduced":"0"},{"fixed":"1"}]`, `[{"fixed":"1"},{"introduced":"0"}]`, false},
		"version":            {`["1","2"]`, `["1"]`, false},
		"package":            {`"name":"b"`, `"name":"c"`, false},
		"release":            {`{"ecosystem":"Go","name":"b"}`, `{"ecosystem":"Debian:11","name":"b"}`, false},
	} {
		before, err := advisory.Meaning(base)
		after, err2 := advisory.Meaning(strings.Replace(base, tc.from, tc.to, 1))
		if err := errors.Join(err, err2); err != nil || (before == after) != tc.same {
			t.Errorf("%s: same %v, %v", name, before == after, err)
		}
	}
}

// counting counts what is written of each kind, and can let a batch conflict.
type counting struct {
	advisory.Records
	writes   []string
	conflict int // batches that fail
}

func (c *counting) Apply(ctx context.Context, writes []model.Write) error {
	if c.conflict > 0 {
		c.conflict--
		return fmt.Errorf("x: %w", model.ErrConflict)
	}
	for _, w := range writes {
		if w.Kind != "advisory-feed" {
			sign := "+"
			if w.Delete {
				sign = "-"
			}
			c.writes = append(c.writes, sign+w.Kind+" "+strings.ReplaceAll(w.Key, "\x00", " "))
		}
	}
	slices.Sort(c.writes)
	return c.Records.Apply(ctx, writes)
}

func (c *counting) Scan(ctx context.Context, kind, from, to string) iter.Seq2[model.Record, error] {
	return c.Records.Scan(ctx, kind, from, to)
}

// TestKeep follows one record through its life: what is written, and what the
// hook is told.
func TestKeep(t *testing.T) {
	c := &counting{Records: openStore(t)}
	var told []string
	fixed := func(r *advisory.Record) string {
		if r == nil {
			return "none"
		}
		return r.Affected[0].Name + " " + r.Affected[0].Ranges[0].Events[1].Fixed
	}
	l := advisory.NewLibrary(c, func(_ context.Context, changes []advisory.Change) ([]model.Write, error) {
		var out []model.Write
		for _, x := range changes {
			told = append(told, x.Ecosystem+" "+x.ID+": "+fixed(x.Old)+" -> "+fixed(x.New))
			out = append(out, model.Write{Record: model.Record{Kind: "hook", Key: x.ID}})
		}
		return out, nil
	})
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	for _, step := range []struct {
		name   string
		body   string // "" removes the record
		day    int
		writes []string
		told   []string
		broken int
		kept   feed.Kept
	}{
		{name: "new", body: text("D-1", "a", "1", ""), day: 1, writes: []string{"+advisory Debian D-1", "+advisory-affects Debian:12 a D-1", "+hook D-1"}, told: []string{"Debian D-1: none -> a 1"}, kept: feed.Kept{New: 1}},
		{name: "the same", body: text("D-1", "a", "1", ""), day: 1},
		{name: "other text at the same time", body: text("D-1", "a", "1", `, "details": "words"`), day: 1},
		{name: "other time", body: text("D-1", "a", "1", `, "details": "words"`), day: 2, writes: []string{"+advisory Debian D-1"}},
		{name: "another fix", body: text("D-1", "a", "2", ""), day: 2, writes: []string{"+advisory Debian D-1", "+hook D-1"}, told: []string{"Debian D-1: a 1 -> a 2"}, kept: feed.Kept{Changed: 1}},
		{
			name: "another package", body: text("D-1", "b", "2", ""), day: 3, kept: feed.Kept{Changed: 1},
			writes: []string{"+advisory Debian D-1", "+advisory-affects Debian:12 b D-1", "+hook D-1", "-advisory-affects Debian:12 a D-1"}, told: []string{"Debian D-1: a 2 -> b 2"},
		},
		{name: "no JSON", body: "{", day: 4, broken: 1},
		{name: "another id", body: text("D-2", "b", "2", ""), day: 4, broken: 1},
		{name: "of another ecosystem", body: strings.ReplaceAll(text("D-1", "b", "2", ""), "Debian:12", "Go"), day: 4, broken: 1},
		{name: "a NUL in a name", body: text("D-1", "b", "2", "")[:20] + strings.Replace(text("D-1", "b", "2", "")[20:], `"name":"b"`, `"name":"b\u0000c"`, 1), day: 4, broken: 1},
		{name: "too long a name", body: text("D-1", strings.Repeat("b", 2000), "2", ""), day: 4, broken: 1},
		{name: "gone", writes: []string{"+hook D-1", "-advisory Debian D-1", "-advisory-affects Debian:12 b D-1"}, told: []string{"Debian D-1: b 2 -> none"}, kept: feed.Kept{Removed: 1}},
		{name: "gone already"},
	} {
		c.writes, told = nil, nil
		state, err := l.State(t.Context(), "Debian")
		if err != nil {
			t.Fatal(err)
		}
		state.Broken = nil
		b := feed.Batch{Feed: "Debian", State: state, Gone: []string{"D-1"}}
		if step.body != "" {
			b.Records, b.Gone = []feed.Raw{{ID: "D-1", Modified: day(step.day), Body: []byte(step.body)}}, nil
		}
		kept, err := l.Keep(t.Context(), b)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.writes, c.writes) + cmp.Diff(step.told, told); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		if len(kept.State.Broken) != step.broken || kept.New != step.kept.New || kept.Changed != step.kept.Changed || kept.Removed != step.kept.Removed {
			t.Errorf("%s: %+v", step.name, kept)
		}
	}
}

// TestConflicts: a batch is tried again where what the hook writes was in the
// way, and not where another sync was.
func TestConflicts(t *testing.T) {
	c := &counting{Records: openStore(t)}
	calls := 0
	l := advisory.NewLibrary(c, func(context.Context, []advisory.Change) ([]model.Write, error) {
		calls++
		return nil, nil
	})
	b := feed.Batch{Feed: "Debian", Records: []feed.Raw{{ID: "D-1", Body: []byte(text("D-1", "a", "1", ""))}}}
	c.conflict = 2
	kept, err := l.Keep(t.Context(), b)
	if err != nil || calls != 3 || kept.New != 1 || kept.State.Revision != 1 {
		t.Errorf("%v, %d calls, %+v", err, calls, kept)
	}
	if _, err := l.Keep(t.Context(), b); err == nil || !strings.Contains(err.Error(), "another sync of Debian") {
		t.Errorf("two syncs at once: %v", err)
	}
	b.State = kept.State
	if kept, err = l.Keep(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Keep(t.Context(), b); err == nil || !strings.Contains(err.Error(), "another sync of Debian") {
		t.Errorf("one sync behind another: %v", err)
	}
	b.State, c.conflict = kept.State, 100
	if _, err := l.Keep(t.Context(), b); !errors.Is(err, model.ErrConflict) {
		t.Errorf("a conflict that stays: %v", err)
	}
}

// TestStale: the older of newest record and last sync decides, and what never
// was whole is never fresh.
func TestStale(t *testing.T) {
	now := time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)
	ago := func(days int) time.Time { return now.AddDate(0, 0, -days) }
	for name, tc := range map[string]struct {
		newest, synced time.Time
		partial        bool
		want           string
	}{
		"young":                        {ago(1), ago(0), false, ""},
		"a folder":                     {ago(1), time.Time{}, false, ""},
		"a source that stopped":        {ago(40), ago(0), false, "end on 2026-05-21"},
		"dated ahead, synced long ago": {ago(-400), ago(40), false, "last synced on 2026-05-21"},
		"never whole":                  {ago(1), time.Time{}, true, "not all here"},
		"never synced, no record":      {time.Time{}, time.Time{}, false, "end on 0001"},
	} {
		got := advisory.Stale(tc.newest, tc.synced, tc.partial, now)
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestUnread: what a sync could not bring leaves images unknown.
func TestUnread(t *testing.T) {
	l := advisory.NewLibrary(openStore(t), nil)
	inv := &image.Inventory{Digest: "sha256:x", Name: "x", Packages: []image.Package{{PURL: "pkg:x", Source: "other", SourceVersion: "1", Ecosystem: "Debian:12"}}}
	b := feed.Batch{Feed: "Debian", Records: []feed.Raw{{ID: "D-1", Body: []byte(text("D-1", "a", "1", ""))}}, State: feed.State{Source: "s", Pending: 7, Begun: time.Now()}}
	kept, err := l.Keep(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	why := func() string {
		db, missed, err := l.LoadFor(t.Context(), []*image.Inventory{inv})
		if err != nil {
			t.Fatal(err)
		}
		_, more := db.Match(inv)
		out := ""
		for _, x := range append(missed, more...) {
			if !strings.Contains(x.What, "known_exploited") {
				out += x.What + ": " + x.Why + "\n"
			}
		}
		return out
	}
	if got := why(); !strings.Contains(got, "not all here yet") || !strings.Contains(got, "7 of its records") {
		t.Errorf("in the middle of the first sync: %q", got)
	}
	b = feed.Batch{Feed: "Debian", State: kept.State}
	b.State.Pending, b.State.Synced, b.State.Newest = 0, time.Now(), time.Now()
	b.State.Broken = []feed.Broken{{ID: "D-9", Why: "torn"}}
	if _, err = l.Keep(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got := why(); got != "advisories/Debian/D-9: torn\n" {
		t.Errorf("after it: %q", got)
	}
}

// TestStreamsHaveMeaning: what decides about a stream is a change of the record.
func TestStreamsHaveMeaning(t *testing.T) {
	const alma = `{"id":"ALSA-1","summary":"Important: nodejs:16 security update","affected":[{"package":{"ecosystem":"AlmaLinux:8","name":"nodejs"}}]}`
	meaning := func(from, to string) any {
		m, err := advisory.Meaning(strings.Replace(alma, from, to, 1))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if meaning("nodejs:16", "nodejs:18") == meaning("", "") {
		t.Error("the title names another stream, and means the same")
	}
	if meaning("Important", "Moderate") != meaning("", "") {
		t.Error("other words of the title mean something")
	}
}

// TestCatalogue: an exploited vulnerability that could not be read, or can't be
// in an old catalogue, leaves images unknown.
func TestCatalogue(t *testing.T) {
	now := time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)
	inv := &image.Inventory{Digest: "sha256:x", Name: "x"}
	judge, errs := advisory.Compile(&rule.Catalogue{})
	if len(errs) > 0 {
		t.Log(errs) // it has no rules
	}
	for name, tc := range map[string]struct {
		released string
		synced   time.Time
		broken   string
		want     string
	}{
		"young":    {"2026-06-20", now, "", ""},
		"old":      {"2026-05-01", now, "", "ends on 2026-05-01"},
		"unsynced": {"2027-01-01", now.AddDate(0, 0, -40), "", "last synced on 2026-05-21"},
		"broken":   {"2026-06-20", now, "torn", "torn"},
	} {
		t.Run(name, func(t *testing.T) {
			l := advisory.NewLibrary(openStore(t), nil)
			body := fmt.Sprintf(`{"dateReleased":"%sT00:00:00Z","vulnerabilities":[{"cveID":"CVE-2026-1"}]}`, tc.released)
			b := feed.Batch{Feed: feed.KEV, Records: []feed.Raw{{ID: feed.KEV, Body: []byte(body)}}, State: feed.State{Source: "s", Synced: tc.synced}}
			kept, err := l.Keep(t.Context(), b)
			if err == nil && tc.broken != "" {
				kept.State.Broken = []feed.Broken{{ID: feed.KEV, Why: tc.broken}}
				_, err = l.Keep(t.Context(), feed.Batch{Feed: feed.KEV, State: kept.State})
			}
			if err != nil {
				t.Fatal(err)
			}
			db, missed, err := l.LoadFor(t.Context(), []*image.Inventory{inv})
			if err != nil {
				t.Fatal(err)
			}
			missed = append(missed, judge.Reading([]*image.Inventory{inv}, db, advisory.Config{Now: now}).Incomplete...)
			got := fmt.Sprint(missed)
			if (len(missed) == 0) != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Error(got)
			}
		})
	}
}

// TestExample: the example's folder as a library is the DB of the folder.
func TestExample(t *testing.T) {
	const dir = "../../examples/shop/advisories"
	want, _, err := advisory.Load(t.Context(), dir, advisory.All)
	if err != nil {
		t.Fatal(err)
	}
	l := advisory.NewLibrary(openStore(t), nil)
	syncAll(t, l, dir, feed.Options{})
	got, _, err := l.Load(t.Context(), advisory.All)
	if err != nil {
		t.Fatal(err)
	}
	if diff := advisory.Difference(want, got); diff != "" {
		t.Errorf("folder (-) and library (+):\n%.2000s", diff)
	}
	for _, p := range append(want.Packages(), [2]string{"Debian:11", "unheard-of"}, [2]string{"Debian:13", "unheard-of"}, [2]string{"npm", "unheard-of"}) {
		inv := &image.Inventory{Digest: "sha256:x", Name: "x", Packages: []image.Package{{PURL: "pkg:x", Source: p[1], SourceVersion: "0.1", Ecosystem: p[0]}}}
		some, _, err := l.LoadFor(t.Context(), []*image.Inventory{inv})
		if err != nil {
			t.Fatal(err)
		}
		a, missedA := want.Match(inv)
		b, missedB := some.Match(inv)
		if diff := cmp.Diff(a, b) + cmp.Diff(missedA, missedB); diff != "" {
			t.Errorf("%v: folder (-) and library (+):\n%s", p, diff)
		}
	}
}
