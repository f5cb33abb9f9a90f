package plane

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// User is one of the people and programs that the API server knows by token.
type User struct {
	Name   string
	Groups []string
}

// Admin is the user that sets things up. Audit policies should leave it out.
const Admin = "scantling:setup"

// Config says what to run. Programs, Dir and Policy are required.
type Config struct {
	Programs   string   // folder that controlplane/build.sh printed
	Dir        string   // an empty folder for data, keys and logs
	Policy     string   // the audit policy, as text
	Users      []User   // beside Admin and the components
	Server     []string // more arguments for the API server
	Controller []string // more arguments for the controller manager
	Kwok       bool     // let kwok play the kubelet of every node
	Bare       bool     // no controller manager and no scheduler
}

// Plane is a running control plane.
type Plane struct {
	URL      string // of the API server
	AuditLog string // path of a log that grows

	dir       string
	tokens    map[string]string // by user
	processes []*process
}

// readyIn bounds the start: some five seconds on two idle cores.
const readyIn = 2 * time.Minute

// components are the users that the parts of the control plane act as.
var components = []User{
	{Admin, []string{"system:masters"}},
	{"kwok", []string{"system:masters"}},
	{"system:kube-controller-manager", nil},
	{"system:kube-scheduler", nil},
}

// Start runs a control plane and waits until it answers. On an error, what was
// started is stopped.
func Start(ctx context.Context, cfg Config) (*Plane, error) {
	p := &Plane{dir: cfg.Dir, tokens: map[string]string{}, AuditLog: filepath.Join(cfg.Dir, "audit.log")}
	if err := p.start(ctx, cfg); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func (p *Plane) start(ctx context.Context, cfg Config) error {
	etcd, err := exec.LookPath("etcd")
	if err != nil {
		return fmt.Errorf("starting a control plane: etcd is not installed: %w", err)
	}
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	if err := p.writeFiles(cfg); err != nil {
		return err
	}
	store, peer := local(ports[0]), local(ports[1])
	p.URL = "https://127.0.0.1:" + ports[2]
	if err := p.run(etcd, "--data-dir="+p.path("etcd"), "--listen-client-urls="+store, "--advertise-client-urls="+store,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer, "--quota-backend-bytes=2147483648"); err != nil {
		return err
	}
	if err := p.run(filepath.Join(cfg.Programs, "kube-apiserver"), slices.Concat(p.serverArgs(store, ports[2]), cfg.Server)...); err != nil {
		return err
	}
	if err := p.until(ctx, "the API server", func(c *Client) bool { return c.Ready(ctx) }); err != nil {
		return err
	}
	for user := range p.tokens {
		if err := os.WriteFile(p.Kubeconfig(user), []byte(p.kubeconfig(user)), 0o600); err != nil {
			return err
		}
	}
	if cfg.Kwok {
		if err := p.kwok(cfg.Programs, ports[3]); err != nil {
			return err
		}
	}
	if cfg.Bare {
		return nil
	}
	return p.control(ctx, cfg)
}

// control starts what acts on its own, and waits until it does.
func (p *Plane) control(ctx context.Context, cfg Config) error {
	manager := append([]string{
		"--kubeconfig=" + p.Kubeconfig("system:kube-controller-manager"), "--secure-port=0", "--use-service-account-credentials=true",
		"--service-account-private-key-file=" + p.path("accounts.key"), "--root-ca-file=" + p.path("tls/apiserver.crt"),
	}, cfg.Controller...)
	if err := p.run(filepath.Join(cfg.Programs, "kube-controller-manager"), manager...); err != nil {
		return err
	}
	if err := p.run(filepath.Join(cfg.Programs, "kube-scheduler"), "--kubeconfig="+p.Kubeconfig("system:kube-scheduler"), "--secure-port=0"); err != nil {
		return err
	}
	return p.until(ctx, "the service account controller", func(c *Client) bool {
		return c.Do(ctx, Request{Path: "/api/v1/namespaces/default/serviceaccounts/default"}).OK()
	})
}

func (p *Plane) serverArgs(store, port string) []string {
	return []string{
		"--etcd-servers=" + store, "--bind-address=127.0.0.1", "--secure-port=" + port, "--cert-dir=" + p.path("tls"),
		"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
		"--service-account-key-file=" + p.path("accounts.key"), "--service-account-signing-key-file=" + p.path("accounts.key"),
		"--service-account-issuer=https://kubernetes.default.svc", "--token-auth-file=" + p.path("tokens.csv"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--service-cluster-ip-range=10.0.0.0/16", "--allow-privileged=true",
		"--audit-policy-file=" + p.path("policy.yaml"), "--audit-log-path=" + p.AuditLog,
	}
}

// kwok plays nodes and pods by the stages that lie beside the program.
func (p *Plane) kwok(programs, port string) error {
	stages, err := filepath.Glob(filepath.Join(programs, "stages", "*.yaml"))
	if err != nil || len(stages) == 0 {
		return fmt.Errorf("starting kwok: no stages beside it in %s (%v)", programs, err)
	}
	args := []string{"--kubeconfig=" + p.Kubeconfig("kwok"), "--manage-all-nodes=true", "--node-lease-duration-seconds=40", "--server-address=127.0.0.1:" + port}
	for _, stage := range stages {
		args = append(args, "--config="+stage)
	}
	return p.run(filepath.Join(programs, "kwok"), args...)
}

// writeFiles writes what the programs read when they start.
func (p *Plane) writeFiles(cfg Config) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	var tokens strings.Builder
	for _, u := range slices.Concat(components, cfg.Users) {
		p.tokens[u.Name] = rand.Text()
		fmt.Fprintf(&tokens, "%s,%s,", p.tokens[u.Name], u.Name)
		if len(u.Groups) > 0 {
			fmt.Fprintf(&tokens, ",%q", strings.Join(u.Groups, ","))
		}
		tokens.WriteByte('\n')
	}
	for name, text := range map[string][]byte{
		"accounts.key": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		"tokens.csv":   []byte(tokens.String()),
		"policy.yaml":  []byte(cfg.Policy),
	} {
		if err := os.WriteFile(p.path(name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Kubeconfig is the path of a file with which a program acts as the user.
func (p *Plane) Kubeconfig(user string) string {
	return p.path(strings.ReplaceAll(user, ":", "-") + ".kubeconfig")
}

func (p *Plane) kubeconfig(user string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: plane
contexts: [{name: plane, context: {cluster: plane, user: plane}}]
clusters: [{name: plane, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: plane, user: {token: %q}}]
`, p.URL, p.path("tls/apiserver.crt"), p.tokens[user])
}

// until asks again and again, and gives up when a process has ended.
func (p *Plane) until(ctx context.Context, what string, ready func(*Client) bool) error {
	ctx, cancel := context.WithTimeout(ctx, readyIn)
	defer cancel()
	for {
		for _, q := range p.processes {
			if q.ended() {
				return fmt.Errorf("waiting for %s: %s has ended: %s", what, q.name, q.tail())
			}
		}
		if c, err := p.Client(Admin); err == nil && ready(c) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Client acts as a user of Config or as Admin.
func (p *Plane) Client(user string) (*Client, error) {
	token := p.tokens[user]
	if token == "" {
		return nil, fmt.Errorf("no user %q", user)
	}
	return p.Bearer(token)
}

// Bearer acts as whoever the token stands for.
func (p *Plane) Bearer(token string) (*Client, error) {
	trusted, err := os.ReadFile(p.path("tls/apiserver.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(trusted) {
		return nil, fmt.Errorf("no certificate in %s", p.path("tls/apiserver.crt"))
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	return &Client{url: p.URL, token: token, roots: roots, http: &http.Client{Transport: transport}}, nil
}

func (p *Plane) path(name string) string { return filepath.Join(p.dir, filepath.FromSlash(name)) }

func local(port string) string { return "http://127.0.0.1:" + port }

// freePorts finds ports of the loopback address that nothing listens on. They
// are held until all are found, so that they differ.
func freePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}
