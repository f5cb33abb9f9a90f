package image

import "fmt"

// isYarnCache knows the folders in which Yarn's Plug'n'Play keeps packages as
// archives, from which programs load them: of a project, and of a user.
func isYarnCache(dir string) bool {
	return endsIn(dir, ".yarn/cache") || endsIn(dir, ".yarn/berry/cache")
}

// parseYarn reads an archive of that cache: the package.json of the package,
// and of those that it brings in a node_modules of its own.
func parseYarn(a *archive, b *spooled) *found {
	f := &found{kind: foundYarn}
	files, err := a.open(b)
	if err != nil {
		f.notes = []note{{"", "as a zip archive: " + err.Error()}}
		return f
	}
	for _, file := range files {
		if languageKind(file.Name) != foundNPM {
			continue
		}
		if len(f.packages)+len(f.notes) >= maxListed {
			f.notes = append(f.notes, note{"", fmt.Sprintf("more than %d packages; the rest is not read", maxListed)})
			break
		}
		text, err := a.read(file, maxMetadata)
		if err != nil {
			f.notes = append(f.notes, note{clip(file.Name), err.Error()})
			continue
		}
		packages, notes := parseNPM(text)
		f.packages = append(f.packages, packages...)
		for _, n := range notes {
			f.notes = append(f.notes, note{clip(file.Name), n.why})
		}
	}
	if len(f.packages) == 0 && len(f.notes) == 0 {
		f.notes = []note{{"", "an archive of Yarn without a package"}}
	}
	f.notes = boundNotes(f.notes)
	return f
}

// isPlugAndPlay knows the file from which programs learn where Yarn keeps the
// archives.
func isPlugAndPlay(base string) bool { return base == ".pnp.cjs" || base == ".pnp.js" }

// plugged reports whether archives of packages were read for the project in a
// folder: in its own cache, or in a user's, which its Plug'n'Play then uses.
func plugged(project *vertex, caches bool) bool {
	if folder := project.child(".yarn").child("cache"); folder != nil {
		for _, v := range folder.children {
			if v.found != nil && len(v.found.packages) > 0 {
				return true
			}
		}
	}
	return caches && (project.child(".pnp.cjs") != nil || project.child(".pnp.js") != nil)
}
