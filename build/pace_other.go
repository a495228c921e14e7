//go:build !linux

package main

import (
	"context"
	"errors"
	"time"
)

// pace needs Linux's timers and sockets.
func pace(context.Context, string, string, float64, int, time.Duration) ([]time.Duration, error) {
	return nil, errors.New("pacing requests: run the benchmark on Linux")
}
