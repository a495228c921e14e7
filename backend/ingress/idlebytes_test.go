//go:build !race

package ingress

const idleBytes = 9 << 10
