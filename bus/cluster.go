package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// Cluster says how to talk to an outside cluster.
type Cluster struct {
	Credentials string // path of a .creds file; "" where the URL has user and password, or none are needed
	CA          string // path of a PEM file of roots; "": the system's
	Replicas    int    // of each partition; 0: three

	// System is the URL of the same servers for the system account, with
	// SystemCredentials where it has no user in it: only that account may be
	// asked how each server syncs. TrustSync says that whoever runs the cluster
	// vouches for it instead.
	System            string
	SystemCredentials string
	TrustSync         bool
}

func (c Cluster) replicas() int {
	if c.Replicas == 0 {
		return 3
	}
	return c.Replicas
}

// connect reaches the cluster, and makes sure that its servers sync.
func (c Cluster) connect(ctx context.Context, url string) (*nats.Conn, error) {
	if err := c.synced(ctx); err != nil {
		return nil, err
	}
	return c.dial(url, c.Credentials)
}

func (c Cluster) dial(url, credentials string) (*nats.Conn, error) {
	options := []nats.Option{nats.Name("scantling"), nats.MaxReconnects(-1)}
	if credentials != "" {
		options = append(options, nats.UserCredentials(credentials))
	}
	if c.CA != "" {
		options = append(options, nats.RootCAs(c.CA))
	}
	return nats.Connect(url, options...)
}

// answerIn is how long servers may take to say how they sync.
const answerIn = 2 * time.Second

// synced asks every server of the cluster. At least as many as there are
// replicas have to answer.
func (c Cluster) synced(ctx context.Context) error {
	if c.TrustSync {
		return nil
	}
	if c.System == "" {
		return errors.New("how the cluster syncs can't be asked without its system account: give that, or say that its sync_interval is always")
	}
	conn, err := c.dial(c.System, c.SystemCredentials)
	if err != nil {
		return fmt.Errorf("system account: %w", err)
	}
	defer conn.Close()
	inbox := conn.NewInbox()
	answers, err := conn.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	if err := conn.PublishRequest("$SYS.REQ.SERVER.PING.JSZ", inbox, []byte(`{"config":true}`)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	storing := 0
	for {
		m, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			break
		}
		stores, err := syncs(m.Data)
		if err != nil {
			return err
		}
		if stores {
			storing++
		}
	}
	if storing < c.replicas() {
		return fmt.Errorf("%d servers of the cluster said how they sync, %d hold each partition", storing, c.replicas())
	}
	return nil
}

// syncs reads one server's answer: whether it stores streams, and an error
// where it does and doesn't sync.
func syncs(answer []byte) (stores bool, err error) {
	var a struct {
		Server struct {
			Name string `json:"name"`
		} `json:"server"`
		Data struct {
			Disabled bool `json:"disabled"`
			Config   struct {
				StoreDir   string `json:"store_dir"`
				SyncAlways bool   `json:"sync_always"`
			} `json:"config"`
		} `json:"data"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return false, fmt.Errorf("a server's answer: %w", err)
	}
	if a.Data.Disabled || a.Data.Config.StoreDir == "" {
		return false, nil
	}
	if !a.Data.Config.SyncAlways {
		return true, fmt.Errorf("server %q: %w", a.Server.Name, ErrUnsynced)
	}
	return true, nil
}
