package programs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"

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
	if err := replace(path, bundle); err != nil {
		return problem.Wrap(problem.Unavailable, err, "Writing the certificates for the terminal: %v. Make %s writable.", err, filepath.Dir(path))
	}
	return nil
}

func replace(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "bundle-*.pem")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
