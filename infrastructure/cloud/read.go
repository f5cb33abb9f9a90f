package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// Bounds on what is read.
const (
	maxDocument = 64 << 20 // bytes: an account with 5,000 roles exports some 30 MiB
	maxTotal    = 1 << 30  // bytes of all documents
	maxFiles    = 1 << 16  // of one folder
	// maxValues is how many values one document may hold: it bounds what
	// decoding takes in memory, at worst some 500 MiB.
	maxValues = 1 << 21
	maxText   = 4096 // bytes of a name or a pattern that is evaluated
)

// errOther marks a document that is JSON and no export that is known.
var errOther = errors.New("no export of a cloud that is known")

// Export is what was read of one or more clouds. It is immutable once read.
type Export struct {
	Documents int

	roles        []awsRole
	policies     map[string]awsPolicy // managed policies, by ARN
	eks          []eksCluster
	associations []eksAssociation
	entries      []eksEntry
	accesses     []eksAccess
	nodegroups   []eksNodegroup
	templates    []ec2Template
	instances    []ec2Instance

	gke      []gkeCluster
	bindings []gcpBinding

	aks         []aksCluster
	identities  []azureIdentity
	credentials []azureCredential
	assignments []azureAssignment

	powers map[string]Power // of identities, by name in lower case
}

// Read reads documents: files, and folders with all *.json below them that are
// exports. Other JSON in a folder is passed over, links in it are not
// followed. What can't be read is incomplete, a path that is not there too, and
// the rest counts. The error is that of a context that ended.
func Read(ctx context.Context, paths ...string) (*Export, []model.Incomplete, error) {
	r := &reader{ctx: ctx, export: &Export{policies: map[string]awsPolicy{}}}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			r.skip(path, "%v", plain(err))
		case info.IsDir():
			r.folder(path)
		case info.Mode().IsRegular():
			r.take(path, func() (fs.File, error) { return os.Open(path) }, true)
		default:
			r.skip(path, "no regular file")
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, fmt.Errorf("reading exports of clouds: %w", err)
		}
	}
	r.export.weigh()
	return r.export, r.incomplete, nil
}

type reader struct {
	ctx        context.Context
	export     *Export
	incomplete []model.Incomplete
	total      int64
}

func (r *reader) skip(name, format string, args ...any) {
	r.incomplete = append(r.incomplete, model.Incomplete{What: name, Why: fmt.Sprintf(format, args...)})
}

func (r *reader) folder(dir string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		r.skip(dir, "%v", plain(err))
		return
	}
	defer root.Close()
	before, files := r.export.Documents+len(r.incomplete), 0
	_ = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error { // the caller sees that the context ended
		switch {
		case r.ctx.Err() != nil:
			return r.ctx.Err()
		case err != nil:
			r.skip(filepath.Join(dir, name), "%v", plain(err))
			return nil
		case !e.Type().IsRegular() || !strings.HasSuffix(name, ".json"):
			return nil
		}
		if files++; files > maxFiles {
			r.skip(dir, "more than %d files: the rest was not read", maxFiles)
			return fs.SkipAll
		}
		r.take(filepath.Join(dir, name), func() (fs.File, error) { return root.Open(name) }, false)
		return nil
	})
	if before == r.export.Documents+len(r.incomplete) {
		r.skip(dir, "holds no export of a cloud that is known")
	}
}

// take reads one file. named: a person named it, so that it has to be one.
func (r *reader) take(name string, open func() (fs.File, error), named bool) {
	file, err := open()
	if err != nil {
		r.skip(name, "%v", plain(err))
		return
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxDocument+1))
	r.total += int64(len(text))
	switch {
	case err != nil:
		r.skip(name, "%v", plain(err))
		return
	case len(text) > maxDocument:
		r.skip(name, "larger than %d MiB", maxDocument>>20)
		return
	case r.total > maxTotal:
		r.skip(name, "the exports are larger than %d MiB: the rest was not read", maxTotal>>20)
		return
	}
	err = r.export.parse(name, text)
	switch {
	case errors.Is(err, errOther) && !named:
	case err != nil:
		r.skip(name, "%v", err)
	default:
		r.export.Documents++
	}
}

// parse reads one document: an object, or a list of them as the command lines
// of Google Cloud and Azure print.
func (x *Export) parse(name string, text []byte) error {
	if n := bytes.Count(text, []byte(",")); n > maxValues {
		return fmt.Errorf("more than %d values", maxValues)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	trimmed := bytes.TrimLeft(text, " \t\r\n")
	if len(trimmed) > 0 && trimmed[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(text, &list); err != nil {
			return fmt.Errorf("not JSON: %w", err)
		}
		found := false
		for i, item := range list {
			err := x.object(name, fmt.Sprintf("[%d]", i), item)
			if err != nil && !errors.Is(err, errOther) {
				return fmt.Errorf("[%d]: %w", i, err)
			}
			found = found || err == nil
		}
		if !found && len(list) > 0 || len(list) == 0 {
			return errOther
		}
		return nil
	}
	return x.object(name, "", text)
}

// form is a sort of document, told by the keys that it has.
type form struct {
	keys []string
	read func(x *Export, name, at string, text []byte) error
}

// forms are tried in this order; the first whose keys are all there counts.
var forms = []form{
	{[]string{"RoleDetailList"}, (*Export).readAccount},
	{[]string{"Roles"}, (*Export).readRoles},
	{[]string{"Role"}, (*Export).readRole},
	{[]string{"association"}, (*Export).readAssociation},
	{[]string{"associations"}, (*Export).readAssociations},
	{[]string{"accessEntry"}, (*Export).readEntry},
	{[]string{"accessEntries"}, (*Export).readEntries},
	{[]string{"associatedAccessPolicies"}, (*Export).readAccess},
	{[]string{"nodegroup"}, (*Export).readNodegroup},
	{[]string{"cluster"}, (*Export).readEKS},
	{[]string{"LaunchTemplateVersions"}, (*Export).readTemplates},
	{[]string{"Reservations"}, (*Export).readInstances},

	{[]string{"nodePools"}, (*Export).readGKE},
	{[]string{"resource", "policy"}, (*Export).readAsset},
	{[]string{"bindings", "etag"}, (*Export).readPolicy},

	{[]string{"issuer", "audiences"}, (*Export).readCredential},
	{[]string{"principalId", "roleDefinitionId"}, (*Export).readAssignment},
	{[]string{"principalId", "clientId"}, (*Export).readIdentity},
	{[]string{"agentPoolProfiles"}, (*Export).readAKS},
}

func (x *Export) object(name, at string, text []byte) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		if json.Valid(text) {
			return errOther
		}
		return fmt.Errorf("not JSON: %w", err)
	}
	for _, f := range forms {
		if !slices.ContainsFunc(f.keys, func(key string) bool { _, there := keys[key]; return !there }) {
			return f.read(x, name, at, text)
		}
	}
	return errOther
}

// decode reads one document into v, with the reason in words.
func decode(text []byte, v any) error {
	if err := json.Unmarshal(text, v); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// plain is an error of the file system without the path, which stands before.
func plain(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// place is file:line of an object of the snapshot.
func place(o *kube.Object) string {
	if o == nil || o.Position.File == "" {
		return "the snapshot"
	}
	return fmt.Sprintf("%s:%d", o.Position.File, max(1, o.Position.Line))
}
