package store

import (
	"context"
	"errors"

	"proxycache/backend/problem"
)

// SQLite's primary result codes (https://sqlite.org/rescode.html) that mean something to a person.
const (
	noPermission  = 3
	heldElsewhere = 5
	locked        = 6
	readOnly      = 8
	ioError       = 10
	corrupt       = 11
	full          = 13
	cannotOpen    = 14
	badFormat     = 24
	noDatabase    = 26
)

// fault turns an error of SQLite into what it means for a person.
func (s *Store) fault(doing string, err error) error { return fault(doing, s.path, err) }

func fault(doing, path string, err error) error {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		return p
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	switch resultCode(err) {
	case full:
		return problem.Wrap(problem.Unavailable, err, "%s: the disk of %s is full. Make room on it.", doing, path)
	case corrupt, noDatabase, badFormat:
		return problem.Wrap(problem.Unavailable, err, "%s: %s is damaged or no capture (%v). Move it to another place; a new one is made at the next start.", doing, path, err)
	case readOnly, noPermission, cannotOpen:
		return problem.Wrap(problem.Unavailable, err, "%s: %s cannot be written (%v). Check that its folder exists and the permissions of both, or choose another folder with --dir.", doing, path, err)
	case heldElsewhere, locked:
		return problem.Wrap(problem.Conflict, err, "%s: another program holds %s. Close that program.", doing, path)
	case ioError:
		return problem.Wrap(problem.Unavailable, err, "%s: the disk of %s fails (%v). Check the disk, or choose a folder on another with --dir.", doing, path, err)
	}
	return problem.Wrap(problem.Internal, err, "%s in %s: %v. Report this.", doing, path, err)
}

// busy tells that another connection holds what err's statement wanted.
func busy(err error) bool {
	code := resultCode(err)
	return code == heldElsewhere || code == locked
}
