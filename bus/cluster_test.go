package bus_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/scantling/scantling/bus"
	"github.com/scantling/scantling/model"
)

// cluster runs servers on loopback that know each other. Careless is the
// number of the one that doesn't sync, or -1.
func cluster(t *testing.T, n, careless int) (servers []*server.Server) {
	t.Helper()
	var routes []*url.URL
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats-route", Host: l.Addr().String()})
		l.Close()
	}
	for i := range n {
		users, system := server.NewAccount("users"), server.NewAccount("system")
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("server-", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true,
			JetStream: true, StoreDir: t.TempDir(), SyncAlways: i != careless,
			JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: 1 << 30,
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: ports[i]}, Routes: routes,
			Accounts: []*server.Account{users, system}, SystemAccount: "system",
			Users: []*server.User{{Username: "u", Password: "secret", Account: users}, {Username: "s", Password: "secret", Account: system}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		acc, err := s.LookupAccount("users")
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		if err := acc.EnableJetStream(nil, nil); err != nil {
			t.Fatal(err)
		}
		servers = append(servers, s)
	}
	for deadline := time.Now().Add(30 * time.Second); !ready(servers); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the cluster has no leader")
		}
	}
	return servers
}

// ready is whether the servers have chosen one to place streams, and it sees
// all of them.
func ready(servers []*server.Server) bool {
	for _, s := range servers {
		if s.JetStreamIsLeader() {
			return len(s.JetStreamClusterPeers()) == len(servers)
		}
	}
	return false
}

// TestCluster runs the same log on three servers, and stops one of them.
func TestCluster(t *testing.T) {
	t.Parallel()
	servers := cluster(t, 3, -1)
	urls := func(user string) string {
		var all []string
		for _, s := range servers {
			all = append(all, "nats://"+user+":secret@"+s.Addr().String())
		}
		return strings.Join(all, ",")
	}
	cfg := bus.Config{URL: urls("u"), Partitions: 2, MaxBytes: 64 << 20, Cluster: bus.Cluster{System: urls("s")}}
	l := open(t, cfg)
	other := open(t, cfg)
	var want []string
	appendAll := func(from, to int) {
		for i := from; i < to; i++ {
			b := batch("s", fmt.Sprint(i), fmt.Sprint(i))
			want = append(want, fmt.Sprintf("s#0 %d", i))
			add(t, l, b)
			add(t, other, b) // the other writer doesn't keep it once more
		}
	}
	appendAll(0, 20)
	servers[1].Shutdown()
	servers[1].WaitForShutdown()
	for tries := 0; ; tries++ { // until another server leads each partition
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := l.Append(ctx, []model.Batch{batch("s", "20", "20")})
		cancel()
		if err == nil {
			break
		}
		if tries == 20 {
			t.Fatal(err)
		}
	}
	appendAll(20, 30)
	if diff := cmp.Diff(want, texts(t, l)); diff != "" {
		t.Error(diff)
	}
	cfg.Cluster.Replicas = 3
	if _, err := bus.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "2 servers of the cluster") {
		t.Errorf("with two of three servers: %v", err)
	}
}

// TestClusterMustSync meets one server among three that doesn't sync.
func TestClusterMustSync(t *testing.T) {
	t.Parallel()
	servers := cluster(t, 3, 2)
	cfg := bus.Config{URL: "nats://u:secret@" + servers[0].Addr().String(), Cluster: bus.Cluster{System: "nats://s:secret@" + servers[0].Addr().String()}}
	_, err := bus.Open(t.Context(), cfg)
	if !errors.Is(err, bus.ErrUnsynced) || !strings.Contains(err.Error(), "server-2") || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}
