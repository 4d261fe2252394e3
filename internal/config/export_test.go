package config

// KeyPaths are the paths of keys.go, in order.
func KeyPaths() []string {
	var out []string
	for _, k := range keys() {
		out = append(out, k.path)
	}

	return out
}

// LiveKeys are those that can change in a running process.
func LiveKeys() []string { return liveKeys() }
