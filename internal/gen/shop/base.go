package main

import (
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// flavour says which package database an image has.
type flavour int

const (
	debian flavour = iota // one status file
	static                // Debian packages without dpkg: one file a package under status.d
	alpine
)

// base is an image that others are built on. It is not shipped: only its
// layers are, in the images built on it, which therefore share them.
type base struct {
	ref     string
	parent  string // another base, or empty
	flavour flavour
	facts   []string // all packages of the image, its parent's included
	created time.Time
	version string // os-release VERSION_ID
}

var bases = map[string]base{
	"debian-old": {ref: "docker.io/library/debian:latest", facts: []string{"debian-11-20211011.txt"}, created: day(2021, 10, 11), version: "11"},
	"debian":     {ref: "registry.example/base/debian:11", facts: []string{"debian-11-20230320.txt"}, created: day(2023, 3, 20), version: "11"},
	"jre": {
		ref: "registry.example/base/jre:11", parent: "debian", facts: []string{"debian-11-20230320.txt", "jre-11.txt"},
		created: day(2023, 3, 21), version: "11",
	},
	"static":      {ref: "registry.example/base/static:11", flavour: static, facts: []string{"static.txt"}, created: day(2023, 3, 20), version: "11"},
	"alpine-3.10": {ref: "registry.example/base/alpine:3.10", flavour: alpine, facts: []string{"alpine-3.10.2.txt"}, created: day(2019, 8, 20), version: "3.10.2"},
	"alpine-3.11": {ref: "registry.example/base/alpine:3.11", flavour: alpine, facts: []string{"alpine-3.11.3.txt"}, created: day(2020, 1, 18), version: "3.11.3"},
	"alpine-old":  {ref: "docker.io/library/alpine:3.11", flavour: alpine, facts: []string{"alpine-3.11.2.txt"}, created: day(2019, 12, 24), version: "3.11.2"},
}

// day is midnight UTC.
func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

// buildBase makes the image of a base.
func buildBase(name string) (v1.Image, error) {
	b, ok := bases[name]
	if !ok {
		return nil, fmt.Errorf("no base %q", name)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if b.parent != "" {
		var err error
		if img, err = buildBase(b.parent); err != nil {
			return nil, err
		}
	}
	files, err := database(b.flavour, b.facts)
	if err != nil {
		return nil, err
	}
	if b.parent == "" {
		files = append(files, system(b)...)
	}
	return withLayer(img, b.created, "ADD rootfs.tar / # "+b.ref, files)
}

// withLayer appends one layer and sets the image's date.
func withLayer(img v1.Image, at time.Time, command string, files []file) (v1.Image, error) {
	layer, err := newLayer(at, files)
	if err != nil {
		return nil, err
	}
	img, err = mutate.Append(img, mutate.Addendum{
		Layer:     layer,
		MediaType: types.OCILayer,
		History:   v1.History{Created: v1.Time{Time: at}, CreatedBy: command},
	})
	if err != nil {
		return nil, fmt.Errorf("appending a layer: %w", err)
	}
	return img, nil
}

// database returns the package database files of one layer.
func database(fl flavour, facts []string) ([]file, error) {
	if fl == alpine {
		rows, err := readAll(facts, apkColumns)
		if err != nil {
			return nil, err
		}
		return []file{text("lib/apk/db/installed", apkInstalled(rows))}, nil
	}
	rows, err := readAll(facts, debColumns)
	if err != nil {
		return nil, err
	}
	if fl == debian {
		return []file{text("var/lib/dpkg/status", dpkgStatus(rows))}, nil
	}
	var files []file
	for _, row := range rows {
		files = append(files, text("var/lib/dpkg/status.d/"+row[debName], dpkgStanza(row, "")))
	}
	return files, nil
}

// branch is the release that Alpine's advisories are kept for, as "v3.11".
func (b base) branch() string { return "v" + b.version[:strings.LastIndexByte(b.version, '.')] }

// system returns what says which distribution an image is.
func system(b base) []file {
	if b.flavour == alpine {
		release := fmt.Sprintf("NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=%s\nPRETTY_NAME=\"Alpine Linux %s\"\n", b.version, b.branch())
		return []file{text("etc/os-release", release), text("etc/alpine-release", b.version+"\n"), passwd("/bin/ash")}
	}
	release := fmt.Sprintf("PRETTY_NAME=\"Debian GNU/Linux 11 (bullseye)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"%s\"\nVERSION=\"11 (bullseye)\"\nVERSION_CODENAME=bullseye\nID=debian\n", b.version)
	return []file{
		text("usr/lib/os-release", release),
		{name: "etc/os-release", mode: 0o777, link: "../usr/lib/os-release"},
		passwd("/bin/bash"),
	}
}

// passwd names root and the user that the shop's images run as.
func passwd(shell string) file {
	return text("etc/passwd", "root:x:0:0:root:/root:"+shell+"\napp:x:10001:10001::/srv:/usr/sbin/nologin\n")
}
