package bus

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// startIn bounds the start of the server inside: it reads its index files, or
// where these are missing all that it stores.
const startIn = 2 * time.Minute

var errNoStore = errors.New("the server inside has no JetStream")

// embedded is a NATS server of this process. A stream of it whose write failed
// once takes nothing any more: it is started anew then, see heal.
type embedded struct {
	lock *os.File
	warn warnings

	mu     sync.Mutex
	server *server.Server
	failed atomic.Pointer[string] // how a write failed; nil: none did since the start
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
	e := &embedded{warn: warnings{tell: cfg.Warn}}
	if err := e.run(options(cfg.Dir)); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	e.lock = lock
	return e, nil
}

// run starts a server and holds it against what its options were to say.
func (e *embedded) run(o *server.Options) error {
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	w := e.warn
	w.failed = func(why string) { e.failed.CompareAndSwap(nil, &why) }
	s.SetLoggerV2(w, false, false, false)
	e.server = s
	s.Start()
	if !s.ReadyForConnections(startIn) {
		return errors.Join(errors.New("the server inside didn't start"), e.stop())
	}
	if err := e.synced(); err != nil {
		return errors.Join(err, e.stop())
	}
	return nil
}

// heal starts the server anew where it says that a write failed, as on a full
// disk: it takes nothing more until then. What it had acknowledged is there
// afterwards, and connections find the new one by themselves. It returns why an
// append failed.
func (e *embedded) heal(dir string, err error) error {
	why := e.failed.Load()
	if why == nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed.CompareAndSwap(why, nil) { // no other writer did
		e.server.Shutdown()
		e.server.WaitForShutdown()
		if again := e.run(options(dir)); again != nil {
			e.failed.Store(why)
			err = again
		}
	}
	return fmt.Errorf("%w: %s (%w)", ErrWrite, *why, err)
}

// InProcessConn is a connection to whichever server runs.
func (e *embedded) InProcessConn() (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.server.InProcessConn()
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

func (e *embedded) connect(w warnings) (*nats.Conn, error) {
	return nats.Connect("", append(w.options(), nats.InProcessServer(e))...)
}

func (e *embedded) stop() error {
	e.server.Shutdown()
	e.server.WaitForShutdown()
	if e.lock == nil {
		return nil
	}
	return e.lock.Close()
}

// options are those of every connection. What goes wrong beside a call is a
// warning, but for messages that a slow reader had no room for: its consumer
// asks for them again.
func (w warnings) options() []nats.Option {
	told := func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if !errors.Is(err, nats.ErrSlowConsumer) {
			w.Warnf("%v", err)
		}
	}
	return []nats.Option{nats.Name("scantling"), nats.MaxReconnects(-1), nats.ErrorHandler(told)}
}

// warnings passes on what the server inside warns of, and nothing else.
type warnings struct {
	tell   func(string)
	failed func(string) // is told that a write failed; may be nil
}

// writeFailed is in what the server says when it stops taking messages.
const writeFailed = "critical write error: "

func (w warnings) Warnf(format string, v ...any) {
	if w.tell != nil {
		w.tell(fmt.Sprintf(format, v...))
	}
}

func (w warnings) Errorf(format string, v ...any) {
	w.Warnf(format, v...)
	said := fmt.Sprintf(format, v...)
	if i := strings.Index(strings.ToLower(said), writeFailed); i >= 0 && w.failed != nil {
		w.failed(said[i+len(writeFailed):])
	}
}
func (w warnings) Fatalf(format string, v ...any) { w.Warnf(format, v...) }
func (warnings) Noticef(string, ...any)           {}
func (warnings) Debugf(string, ...any)            {}
func (warnings) Tracef(string, ...any)            {}
