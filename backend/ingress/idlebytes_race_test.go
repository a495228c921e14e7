//go:build race

package ingress

const idleBytes = 14 << 10 // the detector's stacks are larger
