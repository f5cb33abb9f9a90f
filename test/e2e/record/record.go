package record

import (
	"bytes"
	"context"
	_ "embed" // the audit policy
	"fmt"
	"strings"

	"github.com/scantling/scantling/test/e2e/plane"
)

//go:embed policy.yaml
var policy string

// Recording is one day on record.
type Recording struct {
	Log    []byte // audit.k8s.io/v1 events, one a line
	Attack []byte // a line for each request of the attack: index, audit id, time, what, who
}

// Record plays the day on a control plane of its own. programs is the folder
// of the control plane's programs, dir an empty folder, shop the example.
func Record(ctx context.Context, programs, dir, shop string) (Recording, error) {
	manifests, _, err := plane.Manifests(shop + "/k8s")
	if err != nil {
		return Recording{}, err
	}
	kubelet, err := plane.NewKubelet("127.0.0.1")
	if err != nil {
		return Recording{}, err
	}
	defer kubelet.Close()
	cluster, err := plane.Start(ctx, plane.Config{Programs: programs, Dir: dir, Policy: policy, Users: users(), Controller: []string{
		"--node-monitor-grace-period=1h", // nobody renews the leases of the nodes
	}})
	if err != nil {
		return Recording{}, err
	}
	defer cluster.Stop()
	admin, err := cluster.Client(plane.Admin)
	if err != nil {
		return Recording{}, err
	}
	p := &player{ctx: ctx, plane: cluster, admin: admin, kubelet: kubelet, clients: map[string]*plane.Client{}, real: map[string]string{}}
	if err := p.setUp(manifests); err != nil {
		return Recording{}, fmt.Errorf("setting up the shop: %w", err)
	}
	if err := p.forget(); err != nil {
		return Recording{}, err
	}
	calls := allCalls()
	events, err := p.play(calls)
	if err != nil {
		return Recording{}, err
	}
	if events, err = newRewriter(p.real).rewrite(calls, events); err != nil {
		return Recording{}, err
	}
	return write(calls, events)
}

// forget passes over what the preparations left in the log.
func (p *player) forget() error {
	err := p.read()
	p.log = nil
	return err
}

func write(calls []call, events []event) (Recording, error) {
	var log bytes.Buffer
	var attack strings.Builder
	for i, e := range events {
		line, err := encode(e)
		if err != nil {
			return Recording{}, err
		}
		log.Write(line)
		if calls[i].attack != "" {
			fmt.Fprintf(&attack, "%d %s %s %s: %s\n", i, e.AuditID, e.RequestReceivedTimestamp, calls[i].attack, e.User.Username)
		}
	}
	return Recording{log.Bytes(), []byte(attack.String())}, nil
}
