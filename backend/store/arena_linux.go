//go:build cgo

package store

/*
#include <malloc.h>

// SQLite's memory comes from one place. A goroutine that calls SQLite goes from thread to thread; glibc
// would give each of these threads an arena of its own, and every one would come to hold as much as the
// whole cache of pages. How many there may be is settled when the first thread asks, which is before any
// Go runs.
#ifdef M_ARENA_MAX
__attribute__((constructor)) static void one_arena(void) { mallopt(M_ARENA_MAX, 1); }
#endif
*/
import "C"
