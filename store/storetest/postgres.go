//go:build unix

package storetest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Server is a PostgreSQL server of one test.
type Server struct {
	dsn       string // of its first database
	databases int
}

// Postgres starts a PostgreSQL server that listens on a socket in a temporary
// folder alone, and stops it when the test ends. More settings have the form
// NAME=VALUE. It skips the test where the programs postgres and initdb of one
// folder aren't found, unless
// SCANTLING_POSTGRES=required. They refuse to run as root; the user nobody runs them then.
func Postgres(t testing.TB, settings ...string) *Server {
	t.Helper()
	programs := postgresFolder()
	if programs == "" && os.Getenv("SCANTLING_POSTGRES") == "required" {
		t.Fatal("no PostgreSQL server here")
	}
	if programs == "" {
		t.Skip("no PostgreSQL server here: install Debian's package postgresql")
	}
	// A socket's path has at most about 100 bytes, so not t.TempDir.
	folder, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	owner := credential(t, folder)
	data := filepath.Join(folder, "data")
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(programs, name), args...)
		cmd.Dir = folder
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "LC_ALL=C"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
		return cmd
	}
	out, err := run("initdb", "--pgdata", data, "--username", "scantling", "--auth", "trust", "--encoding", "UTF8", "--no-sync").CombinedOutput()
	if err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	args := []string{"-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "max_connections=40"}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	server := run("postgres", args...)
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	server.Stderr = log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGQUIT) // at once: the folder goes too
		_ = server.Wait()
	})
	s := &Server{dsn: "postgres://scantling@/postgres?host=" + url.QueryEscape(folder)}
	if err := s.wait(); err != nil {
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("PostgreSQL doesn't answer: %v\n%s", err, text)
	}
	return s
}

// Database makes an empty database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	s.databases++
	name := fmt.Sprintf("d%d", s.databases)
	s.Exec(t, s.dsn, "CREATE DATABASE "+name)
	u, err := url.Parse(s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// Exec runs a statement in the database of a URL.
func (s *Server) Exec(t testing.TB, dsn, statement string) {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// wait returns when the server takes connections.
func (s *Server) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		c, err := pgx.Connect(ctx, s.dsn)
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// postgresFolder finds the folder of postgres and initdb: on the PATH, behind
// a link there, or where Debian has them.
func postgresFolder() string {
	var folders []string
	if p, err := exec.LookPath("postgres"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			folders = append(folders, filepath.Dir(p))
		}
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, f := range append(folders, debian...) {
		if _, err := os.Stat(filepath.Join(f, "postgres")); err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(f, "initdb")); err == nil {
			return f
		}
	}
	return ""
}

// credential hands the folder to the user nobody where this process is root.
func credential(t testing.TB, folder string) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Skipf("PostgreSQL refuses to run as root, and there is no other user: %v", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(folder, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
