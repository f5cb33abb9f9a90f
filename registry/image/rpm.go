package image

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/scantling/scantling/registry/image/rpmdb"
)

// Where rpm keeps its database: before and after it moved below /usr, and
// where ostree has it.
var (
	rpmFolders = []string{"var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"}
	rpmFiles   = []string{"rpmdb.sqlite", "Packages.db", "Packages"}
)

// rpmKind knows the files of rpm by the end of their path, since a link may
// lead from one place to the other.
func rpmKind(name string) foundKind {
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	if !endsIn(dir, "lib/rpm") && !endsIn(dir, "sysimage/rpm") && !endsIn(dir, "share/rpm") {
		return foundNothing
	}
	switch {
	case slices.Contains(rpmFiles, base):
		return foundRPM
	case base == "rpmdb.sqlite-wal", base == "rpmdb.sqlite-journal":
		return foundRPMLog
	}
	return foundNothing
}

// maxOwned is how many files of languages are kept of one database; one
// package is read to its end behind it. The largest images have thousands.
const maxOwned = 1 << 19

// parseRPM reads an rpm database. Keys of vendors, which rpm keeps as
// packages, are none. Files are those of the system's vendor: what another
// brought is in none of the system's advisories, and counts by its language.
func parseRPM(data []byte) (packages []Package, files []owned, notes []note) {
	list, problems, err := rpmdb.Read(data)
	if err != nil {
		notes = append(notes, note{"", err.Error()})
	}
	for _, p := range problems {
		notes = append(notes, note{p.Where, p.Why})
	}
	epochs, system := sourceEpochs(list), mainVendor(list)
	for i := range list {
		if list[i].Name == "gpg-pubkey" {
			continue
		}
		p, ok := rpmPackage(&list[i], epochs)
		if !ok {
			notes = append(notes, note{"", fmt.Sprintf("a package without a usable name, version or release (%q)", clip(list[i].Name))})
			continue
		}
		packages = append(packages, p)
		if len(files) > maxOwned || vendorOf(&list[i]) != system {
			continue
		}
		if err := list[i].Files(func(path string) { files = appendOwned(files, path, p.Name) }); err != nil {
			notes = append(notes, note{p.Name, err.Error()})
		}
	}
	if len(files) > maxOwned {
		notes = append(notes, note{"", fmt.Sprintf("more than %d files of languages: which others rpm brought isn't known", maxOwned)})
	}
	return packages, files, boundNotes(append(notes, foreign(list)...))
}

// foreign names the vendors that packages have beside the one that most have,
// as that of EPEL on AlmaLinux: advisories of the system don't know what these
// built. Packages without a vendor, as people build them, aren't named: no
// advisories are expected of them.
func foreign(list []rpmdb.Package) (notes []note) {
	of := map[string][]string{}
	for _, p := range list {
		if vendor := vendorOf(&p); vendor != "" && p.Name != "gpg-pubkey" && plainField(p.Name) {
			of[vendor] = append(of[vendor], p.Name)
		}
	}
	vendors := slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(of[b]), len(of[a])), cmp.Compare(a, b))
	})
	for _, vendor := range vendors[min(1, len(vendors)):] {
		notes = append(notes, note{"", fmt.Sprintf("%s of %q beside those of %q, whose advisories don't know them: %s",
			counted(len(of[vendor]), "package"), vendor, vendors[0], firstFew(of[vendor]))})
	}
	return notes
}

// vendorOf is the vendor of a package; "" where it has none.
func vendorOf(p *rpmdb.Package) string {
	if strings.Contains(p.Vendor, "SUSE") {
		return "SUSE" // openSUSE Leap has packages of both
	}
	return p.Vendor
}

// mainVendor is the vendor of most packages, who is the system's; "" where most
// have none.
func mainVendor(list []rpmdb.Package) string {
	of := map[string]int{}
	main := ""
	for i := range list {
		if list[i].Name != "gpg-pubkey" {
			of[vendorOf(&list[i])]++
		}
	}
	for _, vendor := range slices.Sorted(maps.Keys(of)) {
		if of[vendor] > of[main] {
			main = vendor
		}
	}
	return main
}

// firstFew writes the first few of a list of names.
func firstFew(names []string) string {
	const few = 5
	if len(names) > few {
		return strings.Join(names[:few], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// rpmPackage is a package as it is installed: its version is
// [EPOCH:]VERSION-RELEASE, without an epoch of 0.
func rpmPackage(from *rpmdb.Package, epochs map[string]string) (p Package, ok bool) {
	p = Package{Name: from.Name, Version: evr(from.Epoch, from.Version+"-"+from.Release), Arch: from.Arch, Module: ModuleStream(from.Module)}
	p.Source, p.SourceVersion = p.Name, p.Version
	if name, version := SourceRPM(from.SourceRPM); name != "" {
		epoch, told := epochs[from.SourceRPM]
		if !told {
			epoch = from.Epoch
		}
		p.Source, p.SourceVersion = name, evr(epoch, version)
	}
	ok = from.Version != "" && from.Release != "" && plainField(p.Name) && plainField(p.Version) &&
		(p.Arch == "" || plainField(p.Arch)) && plainField(p.Source) && plainField(p.SourceVersion)
	return p, ok
}

// evr puts an epoch before a version.
func evr(epoch, version string) string {
	if epoch == "" || epoch == "0" {
		return version
	}
	return epoch + ":" + version
}

// sourceEpochs finds the epochs of source packages, which the names of their
// files lack: a package with its source's version and release has its epoch
// too.
func sourceEpochs(list []rpmdb.Package) map[string]string {
	epochs := map[string]string{}
	for _, p := range list {
		if _, version := SourceRPM(p.SourceRPM); version == p.Version+"-"+p.Release {
			epochs[p.SourceRPM] = p.Epoch
		}
	}
	return epochs
}

// SourceRPM takes the file name of a source package apart, as in
// "bash-5.1.8-6.el9.src.rpm". It returns "" for any other name.
func SourceRPM(file string) (name, version string) {
	text, ok := strings.CutSuffix(file, ".src.rpm")
	if !ok {
		if text, ok = strings.CutSuffix(file, ".nosrc.rpm"); !ok {
			return "", ""
		}
	}
	release := strings.LastIndexByte(text, '-')
	if release <= 0 {
		return "", ""
	}
	at := strings.LastIndexByte(text[:release], '-')
	if at <= 0 || at+1 == release || release+1 == len(text) {
		return "", ""
	}
	return text[:at], text[at+1:]
}

// ModuleStream is the name and stream of a module's label, as "nodejs:18" of
// "nodejs:18:8080020230926:63b34585"; "" where the label isn't one.
func ModuleStream(label string) string {
	parts := strings.SplitN(label, ":", 3)
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" || !plainField(parts[0]+parts[1]) {
		return ""
	}
	return parts[0] + ":" + parts[1]
}

// ByBinary reports whether the advisories of an rpm ecosystem name the
// packages that are installed. Those of the others name source packages.
func ByBinary(ecosystem string) bool {
	base, _, _ := strings.Cut(ecosystem, ":")
	return base == "AlmaLinux" || base == "Red Hat"
}

// rpmSources lists the databases that the tree shows at rpm's places. Which of
// several rpm itself would open depends on its settings: then all count, and a
// note says so.
func (t *tree) rpmSources() (list []source, notes []note) {
	seen := map[string]bool{}
	for _, folder := range rpmFolders {
		at, err := t.resolve(folder)
		if err != nil {
			notes = append(notes, note{folder, err.Error()})
			continue
		}
		read := false
		for _, name := range rpmFiles {
			p, err := t.resolve(path.Join(folder, name))
			if err != nil {
				notes = append(notes, note{path.Join(folder, name), err.Error()})
				continue
			}
			v := t.at(p)
			if v == nil || v.found == nil || v.found.kind != foundRPM {
				continue
			}
			read = true
			if !seen[p] {
				seen[p] = true
				list = append(list, source{path: p, found: v.found})
			}
		}
		if !read && at != folder && t.linked(folder) {
			notes = append(notes, note{folder, fmt.Sprintf("it leads to %q, where no database of rpm was read", at)})
		}
	}
	if len(list) > 1 {
		slices.SortFunc(list, func(a, b source) int { return cmp.Compare(a.path, b.path) })
		for _, s := range list[1:] {
			notes = append(notes, note{s.path, fmt.Sprintf("a database of rpm beside %q: which of them counts isn't known, and both were read", "/"+list[0].path)})
		}
	}
	return list, notes
}

// pending says of the log or journal of a database that it may hold changes;
// nil where it doesn't.
func pending(data []byte) *found {
	if !rpmdb.Pending(data) {
		return nil
	}
	return &found{kind: foundRPMLog, notes: []note{{"", "it may hold changes of the rpm database that were not written into it: they are not read"}}}
}
