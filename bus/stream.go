package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// partitionsKey is the metadata of each stream that says how many there are.
const partitionsKey = "scantling.partitions"

func streamName(partition int) string { return "SCANTLING_LOG_" + strconv.Itoa(partition) }
func subject(partition int) string    { return "scantling.log." + strconv.Itoa(partition) }

// prepare makes the streams, or holds those that are there against what is
// wanted, and returns how many there are. The first stream is made last: where
// it is, all others were once.
func (l *Log) prepare(ctx context.Context) (int, error) {
	there, err := l.created(ctx)
	if err != nil {
		return 0, err
	}
	n := l.cfg.Partitions
	switch {
	case there > 0 && n > 0 && n != there:
		return 0, fmt.Errorf("%w: it has %d, asked for are %d", ErrPartitions, there, n)
	case there > 0:
		n = there
	case n == 0:
		n = DefaultPartitions
	}
	for p := n - 1; p >= 0; p-- {
		if err := l.makeStream(ctx, p, n, there > 0); err != nil {
			return 0, fmt.Errorf("partition %d: %w", p, err)
		}
	}
	return n, nil
}

// created is how many partitions the log was created with, or 0.
func (l *Log) created(ctx context.Context) (int, error) {
	first, err := l.js.Stream(ctx, streamName(0))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	text := first.CachedInfo().Config.Metadata[partitionsKey]
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPartitions {
		return 0, fmt.Errorf("stream %s is none of ours: its metadata %s is %q", streamName(0), partitionsKey, text)
	}
	return n, nil
}

// makeStream makes the stream of a partition, or changes its retention. There
// says that it must exist.
func (l *Log) makeStream(ctx context.Context, p, n int, there bool) error {
	want := jetstream.StreamConfig{
		Name: streamName(p), Subjects: []string{subject(p)}, Storage: jetstream.FileStorage,
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld,
		MaxAge: l.cfg.MaxAge, MaxBytes: l.cfg.MaxBytes / int64(n), Replicas: l.replicas(),
		AllowDirect: true, DenyDelete: true, DenyPurge: true,
		Metadata: map[string]string{partitionsKey: strconv.Itoa(n)},
	}
	if !there {
		_, err := l.js.CreateOrUpdateStream(ctx, want)
		return err
	}
	stream, err := l.js.Stream(ctx, want.Name)
	if err != nil {
		return fmt.Errorf("it was there once: %w", err)
	}
	got := stream.CachedInfo().Config
	if got.PersistMode != jetstream.DefaultPersistMode {
		return fmt.Errorf("its persist mode is %v: %w", got.PersistMode, ErrUnsynced)
	}
	if got.MaxAge == want.MaxAge && got.MaxBytes == want.MaxBytes {
		return nil
	}
	got.MaxAge, got.MaxBytes = want.MaxAge, want.MaxBytes
	got.Duplicates = min(got.Duplicates, got.MaxAge)
	_, err = l.js.UpdateStream(ctx, got)
	return err
}

func (l *Log) replicas() int {
	if l.server != nil {
		return 1
	}
	return l.cfg.Cluster.replicas()
}

// stream looks at the stream of a partition as it is now.
func (l *Log) stream(ctx context.Context, partition int) (jetstream.Stream, error) {
	if partition < 0 || partition >= len(l.writers) {
		return nil, fmt.Errorf("no partition %d: there are %d", partition, len(l.writers))
	}
	stream, err := l.js.Stream(ctx, streamName(partition))
	if err != nil {
		return nil, fmt.Errorf("partition %d: %w", partition, err)
	}
	return stream, nil
}

// head reads a message without its records.
func (l *Log) head(ctx context.Context, stream jetstream.Stream, message uint64) (head, error) {
	m, err := stream.GetMsg(ctx, message)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return head{}, nil // retention took it meanwhile
	}
	if err != nil {
		return head{}, err
	}
	return decodeHead(m.Data)
}

// At is the first sequence of a partition that was appended at the time or
// later; where there is none yet, the one that comes next.
func (l *Log) At(ctx context.Context, partition int, t time.Time) (uint64, error) {
	stream, err := l.stream(ctx, partition)
	if err != nil {
		return 0, err
	}
	state := stream.CachedInfo().State
	low, high := max(state.FirstSeq, 1), state.LastSeq+1
	if state.LastTime.Before(t) { // who asks for the end needs no message read
		low = high
	}
	for low < high { // times of one stream rise with its sequences
		middle := low + (high-low)/2
		m, err := stream.GetMsg(ctx, middle)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound): // gone meanwhile, so older than all that is there
			low = middle + 1
		case err != nil:
			return 0, fmt.Errorf("partition %d: %w", partition, err)
		case m.Time.Before(t):
			low = middle + 1
		default:
			high = middle
		}
	}
	return sequence(low, 0), nil
}
