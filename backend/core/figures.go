package core

import (
	"strings"
	"time"

	"proxycache/backend/engine"
	"proxycache/backend/metrics"
)

// Latency is how long exchanges took, over the last ten seconds, minute and ten minutes. Name: "" all
// exchanges that a route took; "route/shop", both until the head of the answer was there;
// "route/shop/last-byte", until the last byte of the answer was given to the client, or it broke off;
// "upstream/shop" and "upstream/shop/127.0.0.1:3000", until the head from when the pool had it, where the
// target answered; a cell, "shop-api/cache", its own time, each time it was passed.
type Latency struct {
	Name       string    `json:"name"`
	TenSeconds Quantiles `json:"tenSeconds"`
	Minute     Quantiles `json:"minute"`
	TenMinutes Quantiles `json:"tenMinutes"`
}

// Quantiles are in microseconds, right within 0.8 %; they say nothing while Count is 0.
type Quantiles struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
}

// toLatencies leaves out the targets that clients named: there may be hundreds, and no picture of the
// configuration has them.
func toLatencies(latencies []engine.Latency) []Latency {
	out := []Latency{}
	for _, l := range latencies {
		if strings.HasPrefix(l.Name, "upstream//") {
			continue
		}
		out = append(out, Latency{
			Name: l.Name, TenSeconds: toQuantiles(l.Windows[metrics.TenSeconds]),
			Minute: toQuantiles(l.Windows[metrics.OneMinute]), TenMinutes: toQuantiles(l.Windows[metrics.TenMinutes]),
		})
	}
	return out
}

func toQuantiles(q metrics.Quantiles) Quantiles {
	return Quantiles{Count: q.Count, P50: micros(q.P50), P90: micros(q.P90), P99: micros(q.P99), P999: micros(q.P999)}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
