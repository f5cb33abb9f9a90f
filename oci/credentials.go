package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
)

// Bounds on looking for credentials.
const (
	maxAuthFile   = 1 << 20 // bytes of one file
	helperTimeout = 30 * time.Second
)

// dockerHub is what the library calls Docker's own registry, and dockerHubKey
// what docker files its credentials under.
const (
	dockerHub    = "index.docker.io"
	dockerHubKey = "https://index.docker.io/v1/"
)

// keychain finds credentials where docker login and podman login leave them,
// in the file or behind the credential helper that it names. The first file
// that has some for the registry counts. A file or helper that fails is passed
// over and remembered, because many images need no credentials.
type keychain struct {
	mu      sync.Mutex
	used    string   // file of the credentials in use; "" none
	trouble []string // what failed on the way
}

// authFiles are the places in order. Those of a variable that is set come
// first, as the user named them.
func authFiles() []string {
	var out []string
	add := func(base string, rest ...string) {
		if base != "" {
			out = append(out, filepath.Join(append([]string{base}, rest...)...))
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = ""
	}
	add(os.Getenv("REGISTRY_AUTH_FILE"))
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		add(dir, "config.json")
	} else {
		add(home, ".docker", "config.json")
	}
	add(os.Getenv("XDG_RUNTIME_DIR"), "containers", "auth.json")
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		add(dir, "containers", "auth.json")
	} else {
		add(home, ".config", "containers", "auth.json")
	}
	return slices.Compact(out)
}

// Resolve is ResolveContext for callers without a context.
func (k *keychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), target)
}

// ResolveContext finds the credentials for a repository. Its error is that of
// the context alone.
func (k *keychain) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.used, k.trouble = "", nil
	for _, name := range authFiles() {
		have, err := lookUp(ctx, name, target)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			k.trouble = append(k.trouble, err.Error())
		case have != types.AuthConfig{}:
			k.used = name
			return authn.FromConfig(authn.AuthConfig{
				Username: have.Username, Password: have.Password, Auth: have.Auth,
				IdentityToken: have.IdentityToken, RegistryToken: have.RegistryToken,
			}), nil
		}
	}
	return authn.Anonymous, nil
}

// lookUp asks one file. The error never holds what the file or a helper said,
// which may be a secret.
func lookUp(ctx context.Context, name string, target authn.Resource) (types.AuthConfig, error) {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return types.AuthConfig{}, nil
	}
	if err != nil {
		return types.AuthConfig{}, fmt.Errorf("%s can't be read", name)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return types.AuthConfig{}, fmt.Errorf("%s is not a file", name)
	}
	auths, err := config.LoadFromReader(io.LimitReader(file, maxAuthFile))
	if err != nil {
		return types.AuthConfig{}, fmt.Errorf("%s is not a file of credentials", name)
	}
	host, full := target.RegistryStr(), target.String()
	if host == dockerHub {
		full = "docker.io" + strings.TrimPrefix(full, dockerHub)
	}
	for key := full; strings.Contains(key, "/"); key = key[:strings.LastIndexByte(key, '/')] {
		if have := stored(auths, key); have != (types.AuthConfig{}) {
			return have, nil // podman keeps credentials for parts of a registry
		}
	}
	key := host
	if host == dockerHub {
		key = dockerHubKey
	}
	have, err := ask(ctx, auths, key)
	if err != nil {
		return types.AuthConfig{}, fmt.Errorf("the credential helper that %s names for %s failed", name, host)
	}
	have.ServerAddress = "" // set whether there is anything or not
	if have == (types.AuthConfig{}) && host == dockerHub {
		have = stored(auths, "docker.io") // as podman calls it
	}
	return have, nil
}

// stored is what the file itself holds under a key.
func stored(auths *configfile.ConfigFile, key string) types.AuthConfig {
	have := auths.AuthConfigs[key]
	have.ServerAddress = ""
	return have
}

// ask may run a helper. One that hangs is left behind.
func ask(ctx context.Context, auths *configfile.ConfigFile, key string) (types.AuthConfig, error) {
	type answer struct {
		have types.AuthConfig
		err  error
	}
	ctx, cancel := context.WithTimeout(ctx, helperTimeout)
	defer cancel()
	done := make(chan answer, 1)
	go func() {
		have, err := auths.GetAuthConfig(key)
		done <- answer{have, err}
	}()
	select {
	case a := <-done:
		return a.have, a.err
	case <-ctx.Done():
		return types.AuthConfig{}, ctx.Err()
	}
}
