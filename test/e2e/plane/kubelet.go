package plane

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
)

// Kubelet answers for the kubelets of all nodes, as far as the API server asks
// them: whatever is asked for is empty, and a shell or a forwarded port opens
// and ends. Nodes name its port in their status.
type Kubelet struct {
	Host   string
	Port   int
	server *httptest.Server
}

// NewKubelet starts one on an address of this machine, to be closed. The API
// server's proxy to nodes refuses loopback addresses, exec doesn't.
func NewKubelet(host string) (*Kubelet, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, err
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(serveKubelet))
	_ = server.Listener.Close() // another one than the one it comes with
	server.Listener = listener
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that the API server drops
	server.StartTLS()
	return &Kubelet{host, listener.Addr().(*net.TCPAddr).Port, server}, nil
}

// Outward is an IPv4 address of this machine that is none of loopback.
func Outward() (string, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String(), nil
		}
	}
	return "", errors.New("this machine has no IPv4 address but loopback's")
}

// Close ends it.
func (k *Kubelet) Close() { k.server.Close() }

var streams = regexp.MustCompile(`^/(exec|attach|portForward)/`)

func serveKubelet(w http.ResponseWriter, r *http.Request) {
	if !streams.MatchString(r.URL.Path) {
		w.WriteHeader(http.StatusOK)
		return
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		http.Error(w, "no upgrade", http.StatusInternalServerError)
		return
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	protocol := "v4.channel.k8s.io"
	if streams.FindStringSubmatch(r.URL.Path)[1] == "portForward" {
		protocol = "portforward.k8s.io"
	}
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\nX-Stream-Protocol-Version: %s\r\n\r\n", r.Header.Get("Upgrade"), protocol)
}

// Upgrade asks for the protocol of kubectl exec: WebSocket with GET, SPDY with
// POST.
func Upgrade(h http.Header, method string) {
	h.Set("Connection", "Upgrade")
	if method == http.MethodPost {
		h.Set("Upgrade", "SPDY/3.1")
		h.Set("X-Stream-Protocol-Version", "v4.channel.k8s.io")
		return
	}
	h.Set("Upgrade", "websocket")
	h.Set("Sec-Websocket-Version", "13")
	h.Set("Sec-Websocket-Key", "c2hvcC1leGFtcGxlLWtleQ==")
	h.Set("Sec-Websocket-Protocol", "v5.channel.k8s.io")
}
