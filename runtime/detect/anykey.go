package detect

import "github.com/valyala/fastjson"

// anyKey in a field's path stands for every key of an object.
const anyKey = "*"

// readAll follows the keys from each member of an object.
func (s *fieldState) readAll(v *fastjson.Value, keys [][]string) bool {
	found := false
	v.GetObject().Visit(func(_ []byte, child *fastjson.Value) {
		found = s.read(child, keys) || found
	})
	return found
}
