package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/scantling/scantling/model"
)

// Read gives the batches of a partition from a sequence on, and then those
// that come, until ctx is done, whose error it returns, or until yield returns
// an error, which it returns too. From 0 is from whatever is the oldest. Yield
// may keep what it is given. Where it is slow, little is read ahead.
func (l *Log) Read(ctx context.Context, partition int, from uint64, yield func(model.Batch) error) error {
	stream, err := l.stream(ctx, partition)
	if err != nil {
		return err
	}
	r := l.reader(partition, from, yield, stream)
	return r.run(ctx, 0)
}

// Replay gives the batches of a partition from a sequence on, and returns nil
// after the last one that was there when it was called.
func (l *Log) Replay(ctx context.Context, partition int, from uint64, yield func(model.Batch) error) error {
	stream, err := l.stream(ctx, partition)
	if err != nil {
		return err
	}
	r := l.reader(partition, from, yield, stream)
	last := stream.CachedInfo().State.LastSeq
	if r.message > last {
		return nil
	}
	if err := r.run(ctx, last); err != nil || r.message > last {
		return err
	}
	return r.lose(Loss{From: sequence(r.message, r.skip), To: sequence(last, maxBatches-1), Records: -1, Why: removed})
}

// removed is why a message is missing. A damaged file looks the same: the
// server leaves out what its sums don't vouch for.
const removed = "it is gone: retention removed it, or its file is damaged"

// reader turns messages into batches.
type reader struct {
	log       *Log
	partition int
	yield     func(model.Batch) error
	message   uint64 // that comes next
	skip      int    // batches of the first message
	sure      bool   // taken is known
	taken     uint64 // records before the message
}

func (l *Log) reader(partition int, from uint64, yield func(model.Batch) error, stream jetstream.Stream) *reader {
	r := &reader{log: l, partition: partition, yield: yield}
	if from == 0 {
		from = sequence(max(stream.CachedInfo().State.FirstSeq, 1), 0)
	}
	r.message, r.skip = split(from)
	return r
}

func (r *reader) run(ctx context.Context, last uint64) error {
	return r.log.follow(ctx, r.partition, r.message, last, r.take)
}

// take yields what a message holds.
func (r *reader) take(m jetstream.Msg, message uint64) error {
	h, err := decode(m.Data())
	if message > r.message {
		gap := Loss{From: sequence(r.message, r.skip), To: sequence(message, 0) - 1, Records: -1, Why: removed}
		if r.sure && err == nil && h.before >= r.taken {
			gap.Records = int64(h.before - r.taken)
		}
		if err := r.lose(gap); err != nil {
			return err
		}
		r.skip = 0
	}
	skip := r.skip
	r.message, r.skip, r.sure = message+1, 0, false
	if err != nil {
		return r.lose(Loss{From: sequence(message, skip), To: sequence(message, maxBatches-1), Records: -1, Why: err.Error()})
	}
	r.taken, r.sure = h.before+h.records(), true
	for i := skip; i < len(h.parts); i++ {
		b := h.parts[i].Batch
		b.Partition, b.Sequence = r.partition, sequence(message, i)
		if err := r.yield(b); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) lose(loss Loss) error {
	loss.Partition = r.partition
	if r.log.cfg.Lost == nil {
		return &loss
	}
	r.log.cfg.Lost(loss)
	return nil
}

// lookAgain is how long nothing may come before it is asked whether anything
// still can.
const lookAgain = time.Second

// errEnd ends a replay.
var errEnd = errors.New("end")

// follow hands over the messages of a partition from one on, in order, until
// ctx is done or the log closed, or until last where that isn't 0.
func (l *Log) follow(ctx context.Context, partition int, from, last uint64, take func(jetstream.Msg, uint64) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.life, func() { cancel(ErrClosed) })()
	consumer, err := l.js.OrderedConsumer(ctx, streamName(partition), jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
	})
	if err != nil {
		return fmt.Errorf("reading partition %d: %w", partition, reason(ctx, err))
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(64, readAhead))
	if err != nil {
		return fmt.Errorf("reading partition %d: %w", partition, reason(ctx, err))
	}
	defer messages.Stop()
	for {
		err := l.step(ctx, partition, messages, last, take)
		if errors.Is(err, errEnd) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readAhead is how many bytes of messages wait for a reader.
const readAhead = 2 * payload

// step hands over one message.
func (l *Log) step(ctx context.Context, partition int, messages jetstream.MessagesContext, last uint64, take func(jetstream.Msg, uint64) error) error {
	options := []jetstream.NextOpt{jetstream.NextContext(ctx)}
	if last > 0 {
		options = []jetstream.NextOpt{jetstream.NextMaxWait(lookAgain)}
	}
	m, err := messages.Next(options...)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, nats.ErrTimeout) && last > 0:
		return l.ended(ctx, partition, last)
	case err != nil:
		return fmt.Errorf("reading partition %d: %w", partition, err)
	}
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("reading partition %d: %w", partition, err)
	}
	at := meta.Sequence.Stream
	if last > 0 && at > last {
		return errEnd
	}
	if err := take(m, at); err != nil {
		return err
	}
	if at == last {
		return errEnd
	}
	return nil
}

// ended says errEnd when retention took all that a replay still waits for.
func (l *Log) ended(ctx context.Context, partition int, last uint64) error {
	stream, err := l.stream(ctx, partition)
	if err != nil {
		return err
	}
	if stream.CachedInfo().State.FirstSeq > last {
		return errEnd
	}
	return nil
}

// reason is why ctx was cancelled, or else err.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
