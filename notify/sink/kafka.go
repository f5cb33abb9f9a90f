package sink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/scantling/scantling/notify/format"
)

// kafka produces records with an idempotent producer that waits for all
// replicas in sync. The key of a record is that of the message, and stands in
// the header `id` too, for topics that are compacted and readers that look at
// headers.
type kafka struct {
	client *kgo.Client
	encode format.Encoder
}

func openKafka(t target, cfg Config, encode format.Encoder) (Sink, error) {
	topic := strings.Trim(t.url.Path, "/")
	if topic == "" || strings.Contains(topic, "/") {
		return nil, errors.New("its address names no topic: use kafka://HOST:PORT/TOPIC")
	}
	var brokers []string
	for broker := range strings.SplitSeq(t.url.Host, ",") {
		if _, _, err := net.SplitHostPort(broker); err != nil {
			broker = net.JoinHostPort(broker, map[string]string{"tcp": "9092", "tls": "9093"}[t.url.Scheme])
		}
		brokers = append(brokers, broker)
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic), kgo.ClientID("scantling"),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordDeliveryTimeout(requestTime), kgo.ProduceRequestTimeout(requestTime / 3),
		kgo.MaxBufferedRecords(10_000), kgo.ProducerBatchCompression(kgo.ZstdCompression(), kgo.NoCompression()),
		kgo.DialTimeout(requestTime / 3), kgo.RetryTimeout(requestTime),
		// A batch whose fate is unknown is given up in time, and sent again: its records keep their key.
		kgo.AllowIdempotentProduceCancellation(),
	}
	if t.url.Scheme == "tls" {
		conf, err := tlsConfig(cfg)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.Dialer((&tls.Dialer{Config: conf, NetDialer: &net.Dialer{Timeout: 10 * time.Second}}).DialContext))
	}
	mechanism, err := saslOf(cfg)
	if err != nil {
		return nil, err
	}
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("preparing Kafka: %w", err)
	}
	return &kafka{client: client, encode: encode}, nil
}

// saslOf is how to say who we are. The secret is read for each connection.
func saslOf(cfg Config) (sasl.Mechanism, error) {
	if cfg.Secret.isZero() {
		if cfg.SASL != "" {
			return nil, errors.New("sasl needs a secret of the form user:password")
		}
		return nil, nil
	}
	login := func() (user, password string, err error) {
		text, err := cfg.Secret.read()
		if err != nil {
			return "", "", err
		}
		user, password, ok := strings.Cut(text, ":")
		if !ok {
			return "", "", errors.New("the secret for Kafka has the form user:password")
		}
		return user, password, nil
	}
	if _, _, err := login(); err != nil {
		return nil, err
	}
	asScram := func(context.Context) (scram.Auth, error) {
		user, password, err := login()
		return scram.Auth{User: user, Pass: password}, err
	}
	switch cfg.SASL {
	case "", "plain":
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			user, password, err := login()
			return plain.Auth{User: user, Pass: password}, err
		}), nil
	case "scram-sha-256":
		return scram.Sha256(asScram), nil
	case "scram-sha-512":
		return scram.Sha512(asScram), nil
	}
	return nil, fmt.Errorf("sasl %q: use plain, scram-sha-256 or scram-sha-512", cfg.SASL)
}

// refused are the errors that are about a record, not about the brokers.
var refused = []error{kerr.MessageTooLarge, kerr.InvalidRecord, kerr.RecordListTooLarge, kerr.CorruptMessage}

func (k *kafka) Send(ctx context.Context, messages []format.Message) []error {
	bodies, errs := encoded(messages, k.encode)
	var records []*kgo.Record
	place := map[*kgo.Record]int{}
	for i, body := range bodies {
		if body == nil {
			continue
		}
		r := &kgo.Record{ // its time is that of sending: the client counts the time-out from there
			Key: []byte(messages[i].ID), Value: body,
			Headers: []kgo.RecordHeader{{Key: "id", Value: []byte(messages[i].ID)}, {Key: "content-type", Value: []byte("application/json")}},
		}
		place[r] = i
		records = append(records, r)
	}
	for _, res := range k.client.ProduceSync(ctx, records...) {
		errs[place[res.Record]] = kafkaErr(res.Err)
	}
	return errs
}

func kafkaErr(err error) error {
	switch {
	case err == nil:
		return nil
	case slices.ContainsFunc(refused, func(final error) bool { return errors.Is(err, final) }):
		return &Rejected{err.Error()}
	}
	return fmt.Errorf("producing to Kafka: %w", err)
}

func (k *kafka) Close() error {
	k.client.Close()
	return nil
}
