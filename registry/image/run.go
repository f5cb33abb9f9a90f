package image

import (
	"path"
	"strings"
)

// run gathers files that say nothing: most entries of most layers. All that
// they do in a merge is to stand in the place of what was there, so those that
// follow each other in one folder are kept as one entry, and where the tree
// has nothing in that folder they are passed over as one.
type run struct {
	names []byte // of the last entry, while it is a run that may grow
}

// add files one entry of a tar.
func (r *run) add(list []entry, e entry) []entry {
	if e.kind != isFile || e.found != nil {
		return append(r.end(list), e)
	}
	dir, base := path.Split(e.path)
	dir = strings.TrimSuffix(dir, "/")
	if len(r.names) == 0 || list[len(list)-1].path != dir {
		list = append(r.end(list), entry{path: dir, kind: isRun})
	} else {
		r.names = append(r.names, '/')
	}
	r.names = append(r.names, base...)
	return list
}

// end closes the run that may still be growing.
func (r *run) end(list []entry) []entry {
	if len(r.names) > 0 {
		list[len(list)-1].names = string(r.names)
		r.names = r.names[:0]
	}
	return list
}

// cover puts a run on top. A link that goes with what the run covers may be
// one that led to the folder: the rest of the run then has another place.
func (t *tree) cover(index int, e entry) {
	folder, err := t.folder(e.path)
	if dir, lost := t.resolve(e.path); lost == nil && dir != e.path {
		for name := range strings.SplitSeq(e.names, "/") {
			t.disguised(index, path.Join(e.path, name), path.Join(dir, name))
		}
	}
	if err == nil && (folder == nil || len(folder.children) == 0) {
		return
	}
	links := t.links
	for name := range strings.SplitSeq(e.names, "/") {
		if t.links != links {
			links = t.links
			folder, err = t.folder(e.path)
		}
		if err != nil {
			t.lost(index, path.Join(e.path, name), err)
		} else if v := folder.child(name); v != nil {
			t.remove(v)
		}
	}
}

// folder resolves a clean path and returns what is there.
func (t *tree) folder(name string) (*vertex, error) {
	if v, ok := t.straight(name); ok && (v == nil || !v.link) {
		return v, nil
	}
	dir, err := t.resolve(name)
	if err != nil {
		return nil, err
	}
	return t.at(dir), nil
}
