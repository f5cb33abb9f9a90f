package bus

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// startIn bounds the start of the server inside: it reads its index files, or
// where these are missing all that it stores.
const startIn = 2 * time.Minute

var errNoStore = errors.New("the server inside has no JetStream")

// embedded is a NATS server of this process.
type embedded struct {
	server *server.Server
	lock   *os.File
}

// startServer starts one that listens nowhere.
func startServer(cfg Config) (*embedded, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chmod(cfg.Dir, 0o700); err != nil { // records hold what users did
		return nil, err
	}
	lock, err := lockFile(filepath.Join(cfg.Dir, "lock"))
	if err != nil {
		return nil, err
	}
	e, err := run(options(cfg.Dir), warnings{cfg.Warn})
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	e.lock = lock
	return e, nil
}

// run starts a server and holds it against what its options were to say.
func run(o *server.Options, w warnings) (*embedded, error) {
	s, err := server.NewServer(o)
	if err != nil {
		return nil, err
	}
	s.SetLoggerV2(w, false, false, false)
	e := &embedded{server: s}
	s.Start()
	if !s.ReadyForConnections(startIn) {
		return nil, errors.Join(errors.New("the server inside didn't start"), e.stop())
	}
	if err := e.synced(); err != nil {
		return nil, errors.Join(err, e.stop())
	}
	return e, nil
}

// payload is the largest that the server inside takes.
const payload = maxRecord + maxHead

// options are a server's, as files of NATS would have them.
func options(dir string) *server.Options {
	return &server.Options{
		ServerName: "scantling", DontListen: true, NoSigs: true,
		JetStream: true, StoreDir: dir, SyncAlways: true,
		JetStreamMaxStore:  1 << 60,  // each partition has its own bound
		JetStreamMaxMemory: 16 << 20, // streams are files; this is for what follows them
		MaxPayload:         payload,
	}
}

// synced makes sure that the running server syncs before it acknowledges.
func (e *embedded) synced() error {
	switch c := e.server.JetStreamConfig(); {
	case c == nil:
		return errNoStore
	case !c.SyncAlways:
		return ErrUnsynced
	}
	return nil
}

func (e *embedded) connect() (*nats.Conn, error) {
	return nats.Connect("", nats.InProcessServer(e.server), nats.Name("scantling"), nats.MaxReconnects(-1))
}

func (e *embedded) stop() error {
	e.server.Shutdown()
	e.server.WaitForShutdown()
	if e.lock == nil {
		return nil
	}
	return e.lock.Close()
}

// warnings passes on what the server inside warns of, and nothing else.
type warnings struct{ tell func(string) }

func (w warnings) Warnf(format string, v ...any) {
	if w.tell != nil {
		w.tell(fmt.Sprintf(format, v...))
	}
}
func (w warnings) Errorf(format string, v ...any) { w.Warnf(format, v...) }
func (w warnings) Fatalf(format string, v ...any) { w.Warnf(format, v...) }
func (warnings) Noticef(string, ...any)           {}
func (warnings) Debugf(string, ...any)            {}
func (warnings) Tracef(string, ...any)            {}
