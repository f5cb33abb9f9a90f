package siege

import (
	"bytes"
	"context"
	_ "embed" // the audit policy
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/scantling/scantling/test/e2e/plane"
)

//go:embed policy.yaml
var policy string

// Config says what is recorded.
type Config struct {
	Programs string        // folder that controlplane/build.sh printed
	Dir      string        // an empty folder for the control plane's files, and for LogFile and TruthFile
	Duration time.Duration // of the recording, the preparations not counted; at least shortest
	Seed     uint64        // of all times and choices but those of the control plane
}

// shortest is a recording in which every attack comes to its end.
const shortest = time.Minute

// Files of a recording, below Config.Dir.
const (
	LogFile   = "siege.jsonl"
	TruthFile = "truth.json"
)

// siege is a recording under way.
type siege struct {
	cfg   Config
	plane *plane.Plane
	admin *plane.Client

	running sync.WaitGroup
	mu      sync.Mutex // guards what follows
	truth   Truth
	failed  []error // of attacks and twins that didn't go as written
}

// Record sets a cluster up, lets everybody work for the time that is asked
// for, and leaves the log and the truth in the folder. An attack or twin that
// didn't get the answers it is written for is an error: the recording would
// claim what did not happen.
func Record(ctx context.Context, cfg Config) (Truth, error) {
	if cfg.Duration < shortest {
		return Truth{}, fmt.Errorf("recording %v: the attacks need %v", cfg.Duration, shortest)
	}
	host, err := plane.Outward()
	if err != nil {
		return Truth{}, err
	}
	kubelet, err := plane.NewKubelet(host)
	if err != nil {
		return Truth{}, err
	}
	defer kubelet.Close()
	s := &siege{cfg: cfg}
	s.truth.Marks = map[string]Mark{}
	s.truth.Answers = map[string]map[int]int{}
	cert, key, err := s.authority()
	if err != nil {
		return Truth{}, err
	}
	home := filepath.Join(cfg.Dir, "plane")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return Truth{}, err
	}
	s.plane, err = plane.Start(ctx, plane.Config{
		Programs: cfg.Programs, Dir: home, Policy: policy, Users: users(), Kwok: true, Kubelet: kubelet,
		Server: []string{"--client-ca-file=" + cert, "--audit-log-maxsize=4096"}, // one file, in MB
		// kwok loses a lease now and then, and a node that is brought back has no address.
		Controller: []string{"--node-monitor-grace-period=2h", "--cluster-signing-cert-file=" + cert, "--cluster-signing-key-file=" + key},
	})
	if err != nil {
		return Truth{}, err
	}
	defer s.plane.Stop()
	if s.admin, err = s.plane.Client(plane.Admin); err != nil {
		return Truth{}, err
	}
	if err := s.setUp(ctx); err != nil {
		return Truth{}, fmt.Errorf("setting up the cluster: %w", err)
	}
	if err := s.play(ctx); err != nil {
		return Truth{}, err
	}
	return s.truth, s.truth.write(filepath.Join(cfg.Dir, TruthFile))
}

// play starts everybody, waits, and takes the part of the log that has grown
// meanwhile.
func (s *siege) play(ctx context.Context) error {
	from, err := s.logSize()
	if err != nil {
		return err
	}
	s.truth.From = time.Now().UTC()
	until := s.truth.From.Add(s.cfg.Duration)
	ctx, stop := context.WithDeadline(ctx, until)
	defer stop()
	if err := s.everybody(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	s.running.Wait()
	s.truth.To = time.Now().UTC()
	if len(s.failed) > 0 {
		return fmt.Errorf("%d of the script's requests went wrong, the first: %w", len(s.failed), s.failed[0])
	}
	time.Sleep(2 * time.Second) // for what the log still holds back
	return s.takeLog(from)
}

// everybody starts the background, the twins and the attacks.
func (s *siege) everybody(ctx context.Context) error {
	for _, w := range workers() {
		if err := s.start(ctx, w); err != nil {
			return fmt.Errorf("starting %s: %w", w.who, err)
		}
	}
	s.schedule(ctx)
	return nil
}

// start lets one worker go about its habits, each at times of its own.
func (s *siege) start(ctx context.Context, w worker) error {
	for i, h := range w.habits {
		a, err := s.actor(ctx, w.identity, s.dice("habit", w.who, i))
		if err != nil {
			return err
		}
		s.running.Go(func() {
			for a.think(h.every) {
				h.do(a)
			}
		})
	}
	return nil
}

// dice are random numbers of the seed for one purpose.
func (s *siege) dice(purpose ...any) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, purpose...)
	return rand.New(rand.NewPCG(s.cfg.Seed, h.Sum64()))
}

func (s *siege) logSize() (int64, error) {
	info, err := os.Stat(s.plane.AuditLog)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// takeLog writes the whole lines of the log that begin after an offset.
func (s *siege) takeLog(from int64) error {
	text, err := os.ReadFile(s.plane.AuditLog)
	if err != nil {
		return err
	}
	if from > 0 {
		from = int64(bytes.IndexByte(text[from-1:], '\n')) + from
	}
	text = text[from : bytes.LastIndexByte(text, '\n')+1]
	return os.WriteFile(filepath.Join(s.cfg.Dir, LogFile), text, 0o600)
}
