package bus

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/scantling/scantling/model"
)

// What may be wrong with a log or with what is asked of it.
var (
	ErrLocked     = errors.New("another process has it open: end that one first, or use another folder")
	ErrPartitions = errors.New("the number of partitions is fixed at creation")
	ErrTooLarge   = errors.New("record is too large for the log")
	ErrUnsynced   = errors.New("the server doesn't sync before it acknowledges: set sync_interval: always")
	ErrWrite      = errors.New("writing failed: if the disk is full, make room, the log goes on by itself")
	ErrClosed     = errors.New("the log is closed")
)

// What Config has where it says nothing.
const (
	DefaultPartitions = 8
	DefaultAge        = 7 * 24 * time.Hour
	DefaultBytes      = 8 << 30
)

// answersIn bounds the wait for answers to questions about streams.
const answersIn = 10 * time.Second

// maxPartitions bounds a mistake: each costs a file or two and some goroutines.
const maxPartitions = 1024

// Config says where the log is and what it keeps. Dir or URL is required.
type Config struct {
	Dir        string        // folder of the server inside, made where it is missing
	URL        string        // of an outside cluster instead: nats:// or tls://, several separated by commas
	Cluster    Cluster       // how to talk to that
	Partitions int           // 0: as the log was created, or DefaultPartitions
	MaxAge     time.Duration // what is older goes; 0: DefaultAge
	MaxBytes   int64         // of all partitions together, as stored; beyond it the oldest goes; 0: DefaultBytes

	// Lost is told what a reader could not be given. Without it Read stops with
	// the Loss as its error.
	Lost func(Loss)

	// Warn is told what the server inside warns of; it may be nil.
	Warn func(message string)
}

// Loss is a part of a log that can't be read. It is an error too.
type Loss struct {
	Partition int
	From, To  uint64 // sequences, both within
	Records   int64  // that it held; -1 where that can't be told
	Why       string
}

func (l *Loss) Error() string {
	return fmt.Sprintf("partition %d, sequences %d to %d: %s", l.Partition, l.From, l.To, l.Why)
}

// A Log is open. It is safe for concurrent use.
type Log struct {
	cfg     Config
	server  *embedded // nil for an outside cluster
	conn    *nats.Conn
	js      jetstream.JetStream
	writers []*writer
	room    room

	life context.Context // ends with Close, because of ErrClosed
	end  context.CancelCauseFunc
	once sync.Once
	work sync.WaitGroup
	err  error // of Close
}

// Open opens or creates a log. It takes some 50 ms for a new one of eight
// partitions, most of it syncs.
func Open(ctx context.Context, cfg Config) (*Log, error) {
	l, err := open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("opening the log %s: %w", place(cfg), err)
	}
	return l, nil
}

// place names a log without what its URL may hold of a password.
func place(cfg Config) string {
	if cfg.Dir != "" {
		return cfg.Dir
	}
	return "in the cluster"
}

func open(ctx context.Context, cfg Config) (*Log, error) {
	if err := check(&cfg); err != nil {
		return nil, err
	}
	l := &Log{cfg: cfg}
	l.life, l.end = context.WithCancelCause(context.Background())
	if err := l.connect(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	n, err := l.prepare(ctx)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.room = roomOf(l.conn.MaxPayload())
	for p := range n {
		w := &writer{log: l, partition: p, queue: make(chan *entry)}
		l.writers = append(l.writers, w)
		l.work.Go(w.run)
	}
	return l, nil
}

func check(cfg *Config) error {
	switch {
	case (cfg.Dir == "") == (cfg.URL == ""):
		return errors.New("give a folder, or the URL of a cluster, and not both")
	case cfg.Partitions < 0 || cfg.Partitions > maxPartitions:
		return fmt.Errorf("%d partitions: 1 to %d are possible", cfg.Partitions, maxPartitions)
	case cfg.MaxAge < 0 || cfg.MaxBytes < 0:
		return errors.New("retention is negative")
	}
	if cfg.MaxAge == 0 {
		cfg.MaxAge = DefaultAge
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultBytes
	}
	return nil
}

// connect starts the server inside, or reaches the one outside, and makes sure
// that it syncs.
func (l *Log) connect(ctx context.Context) (err error) {
	if l.cfg.URL != "" {
		l.conn, err = l.cfg.Cluster.connect(ctx, l.cfg.URL, warnings{tell: l.cfg.Warn})
	} else if l.server, err = startServer(l.cfg); err == nil {
		l.conn, err = l.server.connect(warnings{tell: l.cfg.Warn})
	}
	if err != nil {
		return err
	}
	l.js, err = jetstream.New(l.conn, jetstream.WithDefaultTimeout(answersIn))
	return err
}

// Close ends appends and reads that are under way, and stops the server inside.
func (l *Log) Close() error {
	l.once.Do(func() {
		l.end(ErrClosed)
		l.work.Wait()
		if l.conn != nil {
			l.conn.Close()
		}
		if l.server != nil {
			l.err = l.server.stop()
		}
	})
	return l.err
}

// Partitions is how many there are; they are numbered from 0.
func (l *Log) Partitions() int { return len(l.writers) }

// Partition is where a batch goes.
func (l *Log) Partition(b model.Batch) int {
	key := b.Key
	if key == "" {
		key = b.Stream
	}
	h := fnv.New64a()
	h.Write([]byte(key))
	return int(h.Sum64() % uint64(len(l.writers)))
}

// Stats says what a partition holds.
type Stats struct {
	Messages uint64
	Bytes    uint64    // as stored
	Next     uint64    // sequence of the next batch, or a lower one: what is read from there is new
	Oldest   time.Time // append of the oldest message; zero when there is none
	Records  uint64    // that were ever appended; counted anew when nothing is left
	Removed  uint64    // of these, records that retention took
}

// Stats looks at one partition. It reads its first and its last message.
func (l *Log) Stats(ctx context.Context, partition int) (Stats, error) {
	stream, err := l.stream(ctx, partition)
	if err != nil {
		return Stats{}, err
	}
	state := stream.CachedInfo().State
	st := Stats{Messages: state.Msgs, Bytes: state.Bytes, Next: sequence(state.LastSeq+1, 0)}
	if state.Msgs == 0 {
		return st, nil
	}
	st.Oldest = state.FirstTime
	last, err := l.head(ctx, stream, state.LastSeq)
	if err != nil {
		return Stats{}, fmt.Errorf("partition %d: %w", partition, err)
	}
	st.Records = last.before + last.records()
	first, err := l.head(ctx, stream, state.FirstSeq)
	if err != nil {
		return Stats{}, fmt.Errorf("partition %d: %w", partition, err)
	}
	st.Removed = first.before
	return st, nil
}
