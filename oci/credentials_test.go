package oci_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci"
)

// auth is a file of credentials as docker login writes it.
func auth(host, name, password string) string {
	return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte(name+":"+password)))
}

// helper puts a credential helper on the PATH that answers with this script.
func helper(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-test"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

const answers = `read host; echo "{\"ServerURL\":\"$host\",\"Username\":\"` + user + `\",\"Secret\":\"` + secret + `\"}"`

func TestCredentials(t *testing.T) {
	// file writes one file below a fresh folder and sets a variable to it.
	file := func(t *testing.T, variable, sub, text string) {
		dir := t.TempDir()
		path := filepath.Join(dir, sub)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		if variable == "REGISTRY_AUTH_FILE" {
			dir = path
		}
		t.Setenv(variable, dir)
	}
	for name, tc := range map[string]struct {
		set func(t *testing.T, host string)
		err []string // words of the error; nil: it works
	}{
		"docker's default": {func(t *testing.T, h string) { file(t, "HOME", ".docker/config.json", auth(h, user, secret)) }, nil},
		"DOCKER_CONFIG":    {func(t *testing.T, h string) { file(t, "DOCKER_CONFIG", "config.json", auth(h, user, secret)) }, nil},
		"with a scheme": {func(t *testing.T, h string) {
			file(t, "DOCKER_CONFIG", "config.json", auth("http://"+h+"/v1/", user, secret))
		}, nil},
		"REGISTRY_AUTH_FILE": {func(t *testing.T, h string) { file(t, "REGISTRY_AUTH_FILE", "x.json", auth(h, user, secret)) }, nil},
		"podman's": {func(t *testing.T, h string) {
			file(t, "XDG_RUNTIME_DIR", "containers/auth.json", auth(h, user, secret))
		}, nil},
		"podman's lasting": {func(t *testing.T, h string) { file(t, "HOME", ".config/containers/auth.json", auth(h, user, secret)) }, nil},
		"of a repository": {func(t *testing.T, h string) {
			file(t, "XDG_RUNTIME_DIR", "containers/auth.json", auth(h+"/app", user, secret))
		}, nil},
		"second file": {func(t *testing.T, h string) {
			file(t, "REGISTRY_AUTH_FILE", "x.json", auth("other.example", "x", "y"))
			file(t, "DOCKER_CONFIG", "config.json", auth(h, user, secret))
		}, nil},
		"helper of a host": {func(t *testing.T, h string) {
			helper(t, answers)
			file(t, "DOCKER_CONFIG", "config.json", fmt.Sprintf(`{"credHelpers":{%q:"test"}}`, h))
		}, nil},
		"helper of all": {func(t *testing.T, h string) {
			helper(t, answers)
			file(t, "DOCKER_CONFIG", "config.json", `{"credsStore":"test"}`)
		}, nil},
		"helper fails, another file has them": {func(t *testing.T, h string) {
			helper(t, "exit 1")
			file(t, "DOCKER_CONFIG", "config.json", `{"credsStore":"test"}`)
			file(t, "XDG_RUNTIME_DIR", "containers/auth.json", auth(h, user, secret))
		}, nil},
		"none": {func(*testing.T, string) {}, []string{"refuses access without credentials: log in with `docker login HOST`"}},
		"wrong": {func(t *testing.T, h string) { file(t, "DOCKER_CONFIG", "config.json", auth(h, user, "wrong-"+secret)) }, []string{
			"refuses access with the credentials of ", "config.json", "docker login HOST",
		}},
		"helper says too much": {func(t *testing.T, h string) {
			helper(t, "echo "+secret+"; exit 1")
			file(t, "DOCKER_CONFIG", "config.json", `{"credsStore":"test"}`)
		}, []string{"the credential helper that", "config.json names for HOST failed", "docker login HOST"}},
		"helper isn't there": {func(t *testing.T, h string) {
			file(t, "DOCKER_CONFIG", "config.json", `{"credsStore":"of-no-such-name"}`)
		}, []string{"the credential helper that"}},
		"broken file": {func(t *testing.T, h string) { file(t, "DOCKER_CONFIG", "config.json", `{"auths": "`+secret) }, []string{"is not a file of credentials"}},
	} {
		for _, how := range []string{"basic", "bearer"} {
			t.Run(name+", "+how, func(t *testing.T) {
				f := serve(t, how, web)
				tc.set(t, f.host)
				got, err := oci.Fetch(t.Context(), f.host+"/app:1", oci.FetchOptions{})
				if tc.err == nil {
					if err != nil || len(got.Images) != 1 {
						t.Fatalf("images %v, error %v", got.Images, err)
					}
					if diff := cmp.Diff(twoLayers, content(t, got.Images[0])); diff != "" {
						t.Error("layers differ")
					}
					if f.asked.Load() < 4 {
						t.Errorf("%d requests were let through: the test proves nothing", f.asked.Load())
					}
					return
				}
				if err == nil {
					t.Fatal("no error")
				}
				for _, want := range tc.err {
					if want = strings.ReplaceAll(want, "HOST", f.host); !strings.Contains(err.Error(), want) {
						t.Errorf("error %q lacks %q", err, want)
					}
				}
				tells(t, err)
			})
		}
	}
}

// tells fails where an error holds a credential in any form.
func tells(t *testing.T, err error) {
	t.Helper()
	for _, hidden := range []string{secret, token, base64.StdEncoding.EncodeToString([]byte(user + ":" + secret)), base64.StdEncoding.EncodeToString([]byte(user + ":wrong-" + secret))} {
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), hidden) {
			t.Errorf("the error tells a credential: %v", err)
		}
	}
}

func TestHelperHangs(t *testing.T) {
	f := serve(t, "basic", web)
	helper(t, "exec sleep 5")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"credsStore":"test"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := oci.Fetch(ctx, f.host+"/app:1", oci.FetchOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("took %s", took)
	}
}
