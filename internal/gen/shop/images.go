package main

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// repository is where the shop's images live.
const repository = "registry.example/shop/"

// imageSpec describes one image of the shop.
type imageSpec struct {
	name    string
	tag     string
	base    string
	created time.Time
	install string   // history line of the package layer; empty where there is none
	facts   []string // packages that the image adds
	modules string   // facts file of a Go program at /usr/bin/NAME; empty for none
	files   []file   // application layer
	user    string
	env     []string
	command []string
	ports   []string
	labels  bool // carries the shop's labels
	index   bool // published as an index of one platform, as BuildKit does
}

// specs lists the images, sorted by name.
var specs = []imageSpec{
	{name: "cart", tag: "1.22.0", base: "static", created: day(2026, 8, 14), modules: "cart.mod", command: []string{"/usr/bin/cart"}, ports: []string{"8080/tcp"}, labels: true},
	{
		name: "catalog", tag: "1.14.2", base: "debian-old", created: day(2021, 10, 29), install: "RUN apt-get install -y python3.9 curl", facts: []string{"catalog.txt"},
		files: []file{text("srv/catalog/main.py", "print('catalog')\n")}, command: []string{"python3.9", "/srv/catalog/main.py"}, ports: []string{"8080/tcp"},
	},
	{
		name: "checkout", tag: "4.0.3", base: "debian", created: day(2023, 3, 24), install: "RUN apt-get install -y curl=7.74.0-1.3+deb11u3", facts: []string{"checkout.txt"},
		files: []file{text("srv/checkout/run", "#!/bin/sh\n")}, user: "10001", command: []string{"/srv/checkout/run"}, ports: []string{"8080/tcp"}, labels: true,
	},
	{
		name: "ci-deployer", tag: "5.2.0", base: "alpine-old", created: day(2020, 1, 9), install: "RUN apk add --no-cache bash ca-certificates curl docker-cli git openssh-client", facts: []string{"ci-deployer.txt"},
		files: []file{text("usr/local/bin/deploy", "#!/bin/bash\n")}, user: "deploy", env: []string{"GIT_SSL_NO_VERIFY=true"}, command: []string{"deploy"},
	},
	{
		name: "image-resizer", tag: "latest", base: "debian-old", created: day(2021, 11, 2), install: "RUN apt-get install -y imagemagick ghostscript curl", facts: []string{"image-resizer.txt"},
		files: []file{text("srv/resize.sh", "#!/bin/sh\n")}, command: []string{"/srv/resize.sh"}, ports: []string{"8080/tcp"},
	},

	{
		name: "log-agent", tag: "0.9.1", base: "alpine-3.11", created: day(2020, 1, 21), install: "RUN apk add --no-cache rsyslog", facts: []string{"log-agent.txt"},
		files: []file{text("etc/rsyslog.conf", "*.* @@logs.example:6514\n")}, command: []string{"rsyslogd", "-n"},
	},
	{
		name: "mailer", tag: "2.1.0", base: "alpine-3.10", created: day(2019, 9, 17), install: "RUN apk add --no-cache exim python3", facts: []string{"mailer.txt"},
		files: []file{text("srv/newsletter.py", "print('newsletter')\n")}, env: []string{"SMTP_USER=newsletter", "SMTP_PASSWORD=not-a-real-password"}, command: []string{"python3", "/srv/newsletter.py"},
	},
	{
		name: "nginx-ingress-controller", tag: "1.9.0", base: "debian", created: day(2023, 3, 22), install: "RUN apt-get install -y nginx=1.18.0-6.1+deb11u3", facts: []string{"ingress-controller.txt"},
		files: []file{text("etc/nginx/nginx.conf", "events {}\n")}, user: "www-data", command: []string{"/usr/sbin/nginx", "-g", "daemon off;"}, ports: []string{"8080/tcp", "8443/tcp"}, labels: true,
	},
	{
		name: "orders", tag: "2.8.1", base: "debian", created: day(2023, 3, 23), install: "RUN apt-get install -y libpq5 curl", facts: []string{"orders.txt"},
		files: []file{text("srv/orders/run", "#!/bin/sh\n")}, user: "10001", command: []string{"/srv/orders/run"}, ports: []string{"8080/tcp"}, labels: true,
	},
	{
		name: "payments-api", tag: "7.4.1", base: "static", created: day(2026, 8, 18), modules: "payments-api.mod", user: "10001:10001",
		command: []string{"/usr/bin/payments-api"}, ports: []string{"8443/tcp"}, labels: true, index: true,
	},
	{
		name: "postgres", tag: "13.5", base: "debian", created: day(2023, 3, 21), install: "RUN apt-get install -y postgresql-13=13.5-0+deb11u1", facts: []string{"postgres.txt"},
		files: []file{text("etc/postgresql/13/main/postgresql.conf", "ssl = on\n")}, user: "999", command: []string{"/usr/lib/postgresql/13/bin/postgres"}, ports: []string{"5432/tcp"}, labels: true,
	},
	{name: "prometheus", tag: "3.5.0", base: "static", created: day(2026, 8, 14), modules: "prometheus.mod", user: "65534", command: []string{"/usr/bin/prometheus"}, ports: []string{"9090/tcp"}, labels: true},
	{
		name: "redis", tag: "6.0.16", base: "debian", created: day(2023, 3, 21), install: "RUN apt-get install -y redis-server=5:6.0.16-1+deb11u1", facts: []string{"redis.txt"},
		files: []file{text("etc/redis/redis.conf", "protected-mode no\n")}, user: "999", command: []string{"redis-server", "/etc/redis/redis.conf"}, ports: []string{"6379/tcp"}, labels: true,
	},
	{name: "runner", tag: "2.4.0", base: "static", created: day(2026, 8, 17), modules: "runner.mod", user: "10001", command: []string{"/usr/bin/runner"}, labels: true},
	{
		name: "search", tag: "0.31.0", base: "jre", created: day(2023, 3, 27), install: "RUN apt-get install -y liblucene4.10-java liblog4j2-java=2.17.0-1~deb11u1", facts: []string{"search.txt"},
		files: []file{text("srv/search/application.properties", "server.port=8080\n")}, user: "10001", command: []string{"java", "-jar", "/srv/search/search.jar"}, ports: []string{"8080/tcp"}, labels: true,
	},
	{
		name: "storefront", tag: "3.8.1", base: "jre", created: day(2023, 3, 28), install: "RUN apt-get install -y curl liblog4j2-java=2.15.0-1~deb11u1", facts: []string{"storefront.txt"},
		files: []file{text("srv/storefront/application.properties", "server.port=8080\n")}, user: "10001", command: []string{"java", "-jar", "/srv/storefront/storefront.jar"}, ports: []string{"8080/tcp"}, labels: true,
	},
}

// writeImages writes one OCI layout a folder: dir/NAME.
func writeImages(dir string) error {
	for _, spec := range specs {
		if err := writeImage(filepath.Join(dir, spec.name), spec); err != nil {
			return fmt.Errorf("image %s: %w", spec.name, err)
		}
	}
	return nil
}

func writeImage(dir string, spec imageSpec) error {
	img, err := buildImage(spec)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the layout: %w", err)
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("writing the layout: %w", err)
	}
	named := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": repository + spec.name + ":" + spec.tag})
	if spec.index {
		err = path.AppendIndex(indexOf(img), named)
	} else {
		err = path.AppendImage(img, named)
	}
	if err != nil {
		return fmt.Errorf("writing the layout: %w", err)
	}
	return plainModes(dir)
}

// plainModes makes every file readable and none executable: the library that
// writes layouts uses three different modes, and Git would keep one of them.
func plainModes(dir string) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o644)
	})
	if err != nil {
		return fmt.Errorf("setting file modes: %w", err)
	}
	return nil
}

// indexOf wraps an image in an index of one platform.
func indexOf(img v1.Image) v1.ImageIndex {
	return mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{
		Add:        img,
		Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}},
	})
}

// buildImage makes the image of one spec: its base's layers, one of packages
// where it installs any, one of the application.
func buildImage(spec imageSpec) (v1.Image, error) {
	img, err := buildBase(spec.base)
	if err != nil {
		return nil, err
	}
	baseDigest, err := img.Digest()
	if err != nil {
		return nil, fmt.Errorf("digest of the base: %w", err)
	}
	b := bases[spec.base]
	if spec.install != "" {
		files, err := database(b.flavour, append(append([]string{}, b.facts...), spec.facts...))
		if err != nil {
			return nil, err
		}
		if img, err = withLayer(img, spec.created, spec.install, files); err != nil {
			return nil, err
		}
	}
	files := spec.files
	if spec.modules != "" {
		program, err := goBinary(spec.modules)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: "usr/bin/" + spec.name, mode: 0o755, body: string(program)})
	}
	if img, err = withLayer(img, spec.created, "COPY "+spec.name+" / # "+spec.tag, files); err != nil {
		return nil, err
	}
	return configured(img, spec, b, baseDigest)
}

// configured sets what the Dockerfile's last lines set.
func configured(img v1.Image, spec imageSpec, b base, baseDigest v1.Hash) (v1.Image, error) {
	old, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	cfg := old.DeepCopy()
	cfg.OS, cfg.Architecture = "linux", "amd64"
	cfg.Created = v1.Time{Time: spec.created}
	cfg.Config.User = spec.user
	cfg.Config.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, spec.env...)
	cfg.Config.Entrypoint = spec.command
	cfg.Config.WorkingDir = "/srv"
	if len(spec.ports) > 0 {
		cfg.Config.ExposedPorts = map[string]struct{}{}
		for _, p := range spec.ports {
			cfg.Config.ExposedPorts[p] = struct{}{}
		}
	}
	if spec.labels {
		cfg.Config.Labels = labels(spec)
		cfg.Config.Labels["org.opencontainers.image.base.name"] = b.ref
		cfg.Config.Labels["org.opencontainers.image.base.digest"] = baseDigest.String()
	}
	img, err = mutate.ConfigFile(img, cfg)
	if err != nil {
		return nil, fmt.Errorf("setting the configuration: %w", err)
	}
	return img, nil
}

// labels are those that the estate file requires, and a version.
func labels(spec imageSpec) map[string]string {
	revision := sha1.Sum([]byte(spec.name + spec.tag))
	return map[string]string{
		"org.opencontainers.image.source":   "https://git.example/shop/" + spec.name,
		"org.opencontainers.image.revision": hex.EncodeToString(revision[:]),
		"org.opencontainers.image.version":  spec.tag,
		"shop.example.owner":                spec.name + "-team",
	}
}
