package programs

import (
	"bytes"
	"os"
	"path/filepath"

	"proxycache/backend/atomicfile"
	"proxycache/backend/problem"
)

// WriteBundle writes a file of certificates that holds the system's authorities and ours, for
// programs that trust one file and nothing beside it. It is replaced whole, and only when it changes.
func WriteBundle(path string, caPEM []byte) error {
	bundle := bytes.Join([][]byte{bytes.TrimSpace(systemRoots(path)), bytes.TrimSpace(caPEM)}, []byte("\n"))
	bundle = append(bytes.TrimLeft(bundle, "\n"), '\n')
	if was, err := os.ReadFile(path); err == nil && bytes.Equal(was, bundle) {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = atomicfile.WriteBytes(path, 0o600, bundle)
	}
	if err != nil {
		return problem.Wrap(problem.Unavailable, err, "Writing the certificates for the terminal: %v. Make %s writable.", err, filepath.Dir(path))
	}
	return nil
}
