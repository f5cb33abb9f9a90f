// Command registry makes a registry of 1,000,000 images over 50,000 layers and
// 1,000,000 advisories, enters it into the index through the engine and a real
// store, and measures what follows from one change: the way from a changed
// advisory to the list of its images, an image whose layers are known, a
// restart, and memory. Beside the bounds stands what one fsync costs on the
// same disk in the same minute, below which no durable change can be.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/index"
	"github.com/scantling/scantling/store"
)

// The bounds.
const (
	boundChange = 100 * time.Millisecond // 99th percentile
	boundAdd    = 5 * time.Millisecond   // 99th percentile
	boundMemory = 2 << 10                // MiB
)

func main() {
	scale := flag.Int("scale", 1, "divides the numbers of images, layers and advisories")
	dir := flag.String("dir", "", "folder of the store, kept, and filled where it is empty; a temporary one where it isn't given")
	flag.Parse()
	if err := run(context.Background(), *scale, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, scale int, dir string) error {
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "scantling-registry-"); err != nil {
			return fmt.Errorf("making room: %w", err)
		}
		defer os.RemoveAll(dir)
	}
	start := time.Now()
	s := newShape(scale)
	fmt.Printf("%d images, %d layers, %d advisories; shape made in %v\n", s.images, len(s.layers), s.advisories, since(start))
	w, err := open(ctx, dir)
	if err != nil {
		return err
	}
	if w.engine.Images(w.everywhere()).Count() == 0 {
		if err := w.fill(ctx, s); err != nil {
			return err
		}
	}
	if err := w.close(); err != nil {
		return err
	}
	fmt.Printf("set up in %v; peak memory so far %d MiB\n", since(start), peak())
	start = time.Now()
	if w, err = open(ctx, dir); err != nil {
		return err
	}
	fmt.Printf("restart in %v\n\n", since(start))
	if err := w.measure(ctx, s, dir); err != nil {
		return err
	}
	return w.close()
}

func since(start time.Time) time.Duration { return time.Since(start).Round(time.Millisecond) }

// world is a store with an engine over it.
type world struct {
	store  *store.Store
	shelf  shelf
	engine *index.Engine
}

func open(ctx context.Context, dir string) (*world, error) {
	st, err := store.Open(ctx, filepath.Join(dir, "store.db"))
	if err != nil {
		return nil, err
	}
	e, err := index.Open(ctx, st, shelf{st}, filepath.Join(dir, "segments"))
	return &world{st, shelf{st}, e}, err
}

// everywhere stands for the package that most images have.
func (w *world) everywhere() index.Transition {
	p := systemPackage(releases[0].ecosystem, 0)
	return index.Transition{Ecosystem: p.ecosystem, Package: p.name, Version: versionText(p.ecosystem, p.versions/2)}
}

func (w *world) close() error { return w.store.Close() }

// fill stores the advisories and then adds the images, as a registry is taken
// in for the first time.
func (w *world) fill(ctx context.Context, s *shape) error {
	start := time.Now()
	var writes []model.Write
	for n := range s.advisories {
		writes = append(writes, w.shelf.writes(s.record(n, 0))...)
		if len(writes) >= 50_000 || n == s.advisories-1 {
			if err := w.store.Apply(ctx, writes); err != nil {
				return err
			}
			writes = writes[:0]
		}
	}
	fmt.Printf("advisories stored in %v\n", since(start))
	start = time.Now()
	const batch = 20_000
	for first := 0; first < s.images; {
		// The first batch has every layer, so that a package's advisories are
		// evaluated once.
		size := max(batch, len(s.layers)-first)
		var images []index.Image
		for n := first; n < min(first+size, s.images); n++ {
			images = append(images, s.image(n, first > 0))
		}
		if err := w.engine.Add(ctx, images...); err != nil {
			return err
		}
		if first == 0 {
			fmt.Printf("all layers indexed, with %d images, in %v\n", len(images), since(start))
		}
		first += len(images)
	}
	fmt.Printf("images indexed in %v\n", since(start))
	if err := w.engine.Compact(ctx); err != nil {
		return err
	}
	return w.settle(ctx)
}

// settle declares everything done that is pending.
func (w *world) settle(ctx context.Context) error {
	var ids []string
	for t, err := range w.engine.Pending(ctx) {
		if err != nil {
			return err
		}
		ids = append(ids, t.ID)
	}
	return w.engine.Done(ctx, ids...)
}

// measure prints a table of what single changes cost.
func (w *world) measure(ctx context.Context, s *shape, dir string) error {
	sync, err := fsyncs(dir)
	if err != nil {
		return err
	}
	fmt.Printf("%-38s %9s %9s %9s %9s %7s %10s %9s\n", "", "p50", "p99", "max", "bound", "ratio", "over fsync", "CPU p99")
	fsync := quantile(sync, wall, 50)
	row := func(name string, all []cost, bound time.Duration) {
		p50, p99 := quantile(all, wall, 50), quantile(all, wall, 99)
		text := fmt.Sprintf("%-38s %9s %9s %9s", name, round(p50), round(p99), round(quantile(all, wall, 100)))
		if bound > 0 {
			text += fmt.Sprintf(" %9s %6.2fx %9.1fx %9s", bound, p99.Seconds()/bound.Seconds(), p50.Seconds()/fsync.Seconds(), round(quantile(all, busy, 99)))
		}
		fmt.Println(text)
	}
	row("one fsync of 4 KiB on this disk", sync, 0)
	changes, images, err := w.changes(ctx, s)
	if err != nil {
		return err
	}
	row("changed advisory to list of images", changes, boundChange)
	adds, err := w.adds(ctx, s)
	if err != nil {
		return err
	}
	row("image of known layers, added", adds, boundAdd)
	slices.Sort(images)
	fmt.Printf("\nimages of a changed advisory: median %d, 99th percentile %d, most %d of %d\n", images[len(images)/2], images[len(images)*99/100], images[len(images)-1], s.images)
	memory := peak()
	fmt.Printf("peak memory of all of it %d MiB, bound %d MiB, %.2fx\n", memory, boundMemory, float64(memory)/boundMemory)
	return nil
}

// cost is the time that something took, and what it took of the processors:
// where others use them too, the second says what a machine of one's own would
// take at most.
type cost struct{ took, busy time.Duration }

func wall(c cost) time.Duration { return c.took }
func busy(c cost) time.Duration { return c.busy }

// quantile is the p-th percentile of one side of the costs.
func quantile(all []cost, side func(cost) time.Duration, p int) time.Duration {
	var list []time.Duration
	for _, c := range all {
		list = append(list, side(c))
	}
	slices.Sort(list)
	return list[(len(list)-1)*p/100]
}

// processor is the time that all processors have given to this process.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

// changes takes random advisories to another revision, the one that touches
// most images among them, and lists the images of what that tells.
func (w *world) changes(ctx context.Context, s *shape) (took []cost, images []int, err error) {
	const rounds = 3000
	first := int(time.Now().Unix()) // revisions that no earlier measurement had
	for i := range rounds {
		n, revision := 1+i*7919%(s.advisories-1), first+i
		if i%500 == 250 {
			n, revision = 0, 1+i/500
		}
		c := s.record(n, revision)
		with := w.shelf.writes(c)
		start, before := time.Now(), processor()
		told, err := w.engine.Apply(ctx, []index.Change{c}, with)
		if err != nil {
			return nil, nil, err
		}
		listed := 0
		for range w.engine.Images(told...).All() {
			listed++
		}
		took = append(took, cost{time.Since(start), processor() - before})
		images = append(images, listed)
		if n == 0 && listed < s.images/2 {
			return nil, nil, fmt.Errorf("advisory %s touches %d images, fewer than half", c.ID, listed)
		}
	}
	return took, images, nil
}

// adds adds images that nobody has seen, of layers that are known.
func (w *world) adds(ctx context.Context, s *shape) (took []cost, err error) {
	const rounds = 3000
	first := time.Now().UnixNano() // images that no earlier measurement had
	for i := range rounds {
		image := s.imageOf(fmt.Sprintf("new-%d-%d", first, i), s.layersOf(len(s.layers)+i*7919%s.images), true)
		start, before := time.Now(), processor()
		if err := w.engine.Add(ctx, image); err != nil {
			return nil, err
		}
		took = append(took, cost{time.Since(start), processor() - before})
	}
	return took, nil
}

// fsyncs measures what the disk takes to keep one page that is written over,
// as the log of the store does.
func fsyncs(dir string) (took []cost, err error) {
	file, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	page := make([]byte, 4096)
	if _, err := file.Write(make([]byte, 64*len(page))); err != nil {
		return nil, err
	}
	for i := range 300 {
		start := time.Now()
		if _, err := file.WriteAt(page, int64(i%64*len(page))); err != nil {
			return nil, err
		}
		if err := file.Sync(); err != nil {
			return nil, err
		}
		took = append(took, cost{took: time.Since(start)})
	}
	return took, nil
}

// peak is the most memory that the process ever had, in MiB; 0 where the
// system doesn't say.
func peak() int {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, _ := strconv.Atoi(fields[1])
			return kib >> 10
		}
	}
	return 0
}
