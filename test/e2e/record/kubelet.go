package record

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
)

// kubelet answers for the kubelets of all nodes, as far as the API server asks
// them: the log of a container is empty, and a shell opens and ends.
type kubelet struct {
	server *httptest.Server
	port   int
}

func newKubelet() (*kubelet, error) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(serveKubelet))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that the API server drops
	server.StartTLS()
	u, err := url.Parse(server.URL)
	if err != nil {
		server.Close()
		return nil, err
	}
	port, err := strconv.Atoi(u.Port())
	return &kubelet{server, port}, err
}

func serveKubelet(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, "/exec/") {
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
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n", r.Header.Get("Upgrade"))
}
