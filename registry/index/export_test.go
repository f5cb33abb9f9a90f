package index

// SetMinCompact lets few changes be many.
func SetMinCompact(images int) { minCompact = images }

// SetLoadChunk lets few images be many.
func SetLoadChunk(images int) { loadChunk = images }
