package main

import (
	"context"
	"errors"
)

func runBench(ctx context.Context, args []string) error {
	if len(args) == 1 && args[0] == "capture" {
		return benchCapture(ctx)
	}
	return errors.New("say what to measure: go run ./build bench capture")
}

func benchCapture(ctx context.Context) error { return errors.New("x") }
