package main

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// Columns of a Debian facts file.
const (
	debName = iota
	debVersion
	debArch
	debSource
	debSourceVersion
	debSection
	debPriority
	debColumns
)

// dpkgStatus renders the database that dpkg keeps in /var/lib/dpkg/status,
// sorted by name as dpkg writes it.
func dpkgStatus(rows []fact) string {
	sorted := slices.Clone(rows)
	slices.SortFunc(sorted, func(a, b fact) int { return strings.Compare(a[debName], b[debName]) })
	var b strings.Builder
	for _, row := range sorted {
		b.WriteString(dpkgStanza(row, "Status: install ok installed\n"))
		b.WriteByte('\n')
	}
	return b.String()
}

// dpkgStanza renders one package. Only dpkg itself writes a status line. The
// Source line is left out where it would repeat name and version.
func dpkgStanza(row fact, status string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Package: %s\n%sPriority: %s\nSection: %s\nArchitecture: %s\n",
		row[debName], status, row[debPriority], row[debSection], row[debArch])
	switch {
	case row[debSourceVersion] != row[debVersion]:
		fmt.Fprintf(&b, "Source: %s (%s)\n", row[debSource], row[debSourceVersion])
	case row[debSource] != row[debName]:
		fmt.Fprintf(&b, "Source: %s\n", row[debSource])
	}
	fmt.Fprintf(&b, "Version: %s\n", row[debVersion])
	if row[debName] == "base-files" {
		// One stanza with continuation lines, as most real ones have.
		b.WriteString("Conffiles:\n /etc/debian_version e72a0ea1b4fa43ae06b2b8a5ad6d1e2b\n /etc/issue 22c4d9e5b2a4a6a0a8ad5f2a5fe6e2d7\n")
	}
	return b.String()
}

// Columns of an Alpine facts file.
const (
	apkName = iota
	apkVersion
	apkOrigin
	apkLicence
	apkColumns
)

// apkInstalled renders the database that apk keeps in /lib/apk/db/installed.
func apkInstalled(rows []fact) string {
	sorted := slices.Clone(rows)
	slices.SortFunc(sorted, func(a, b fact) int { return strings.Compare(a[apkName], b[apkName]) })
	var b strings.Builder
	for _, row := range sorted {
		// The checksum of a package is not a fact that anything here reads:
		// it only has to have the right form.
		sum := sha1.Sum([]byte(row[apkName] + "-" + row[apkVersion]))
		fmt.Fprintf(&b, "C:Q1%s\nP:%s\nV:%s\nA:x86_64\nL:%s\no:%s\nF:usr\nF:usr/share\nF:usr/share/licenses\nR:%s\n\n",
			base64.StdEncoding.EncodeToString(sum[:]), row[apkName], row[apkVersion], row[apkLicence], row[apkOrigin], row[apkName])
	}
	return b.String()
}
