package upstream

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"proxycache/backend/problem"
)

// outcome is what an exchange says of its target.
type outcome int

const (
	fine          outcome = iota
	failure               // 5xx
	gatewayFailed         // 502, 503, 504, or no answer
)

func outcomeOf(status int) outcome {
	switch {
	case status == 502 || status == 503 || status == 504:
		return gatewayFailed
	case status >= 500:
		return failure
	}
	return fine
}

// ofTarget tells whether an exchange failed by its target, not by its client or by us.
func ofTarget(err error) bool {
	switch problem.KindOf(err) {
	case problem.ClientLeft, problem.SlowClient, problem.BadRequest, problem.Forbidden, problem.Overloaded, problem.Internal, problem.Loop:
		return false
	}
	return true
}

// judge counts an exchange of t, and ejects t where it has failed too often in a row: ejected says why.
func (b *balance) judge(t *target, o outcome, took time.Duration) (ejected string) {
	if b.outlier == nil {
		return ""
	}
	t.total.Add(1)
	if o == fine {
		t.good.Add(1)
	}
	t.waited.Add(int64(took))
	if inARow(&t.fails5xx, o != fine, b.outlier.Consecutive5xx) {
		ejected = fmt.Sprintf("%d answers in a row were 5xx, or did not come", b.outlier.Consecutive5xx)
	}
	if inARow(&t.failsGateway, o == gatewayFailed, b.outlier.ConsecutiveGatewayFailure) && ejected == "" {
		ejected = fmt.Sprintf("%d answers in a row were 502, 503 or 504, or did not come", b.outlier.ConsecutiveGatewayFailure)
	}
	if ejected == "" {
		return ""
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.eject(t, ejected)
}

// inARow counts failures in a row, and tells when there are as many as the limit. 0 is no limit.
func inARow(n *atomic.Int64, bad bool, limit int) bool {
	switch {
	case limit == 0:
	case !bad:
		if n.Load() != 0 {
			n.Store(0)
		}
	case n.Add(1) >= int64(limit):
		n.Store(0)
		return true
	}
	return false
}

// eject leaves t out for a while, where as many as are out already allow that, and says so. It is
// called under b.mu.
func (b *balance) eject(t *target, why string) (told string) {
	all := b.all()
	if !t.condition.ejected.IsZero() || t.duty != active || !slices.Contains(all, t) {
		return ""
	}
	members, out := 0, 0
	for _, other := range all {
		if other.duty == active {
			members++
			if !other.condition.ejected.IsZero() {
				out++
			}
		}
	}
	if out >= mayEject(members, b.outlier.MaxEjectionPercent) {
		return ""
	}
	c := &t.condition
	c.times++
	c.ejections++
	span := min(time.Duration(b.outlier.BaseEjectionTime)*time.Duration(c.times), time.Duration(b.outlier.MaxEjectionTime))
	c.ejected = time.Now().Add(span)
	c.why = fmt.Sprintf("%s; left out for %s", why, span)
	b.settle(t)
	return c.why
}

// mayEject is how many of so many targets may be left out at once: one of several in any case, never all.
func mayEject(members, percent int) int {
	if percent == 0 || members < 2 {
		return 0
	}
	return min(max(1, members*percent/100), members-1)
}

// compare runs until ctx ends: each interval it lets in again whose time is over, and ejects who
// differs too much from the others.
func (b *balance) compare(ctx context.Context) {
	ticker := time.NewTicker(time.Duration(b.outlier.Interval))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			b.interval()
		case <-ctx.Done():
			return
		}
	}
}

// sample is what a target did in an interval.
type sample struct {
	*target
	rate, wait float64 // of success, of 1; mean seconds to the first byte
}

func (b *balance) interval() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	var enough []sample
	for _, t := range b.all() {
		total, good, waited := t.total.Swap(0), t.good.Swap(0), t.waited.Swap(0)
		c := &t.condition
		switch {
		case c.ejected.IsZero():
			c.times = max(0, c.times-1)
			if total >= int64(b.outlier.SuccessRateRequestVolume) && t.duty == active {
				enough = append(enough, sample{t, float64(good) / float64(total), time.Duration(waited / total).Seconds()})
			}
		case !now.Before(c.ejected):
			c.ejected, c.why = time.Time{}, ""
			b.settle(t)
		}
	}
	if len(enough) >= b.outlier.SuccessRateMinimumHosts {
		b.ejectUnsuccessful(enough)
		b.ejectSlow(enough)
	}
}

// ejectUnsuccessful ejects whose rate of success is below the mean by too many standard deviations.
func (b *balance) ejectUnsuccessful(all []sample) {
	if b.outlier.SuccessRateStdevFactor == 0 {
		return
	}
	mean, variance := 0.0, 0.0
	for _, s := range all {
		mean += s.rate / float64(len(all))
	}
	for _, s := range all {
		variance += (s.rate - mean) * (s.rate - mean) / float64(len(all))
	}
	least := mean - b.outlier.SuccessRateStdevFactor*math.Sqrt(variance)
	for _, s := range all {
		if s.rate < least {
			b.eject(s.target, fmt.Sprintf("%.1f %% of its answers were good, and %.1f %% on average", s.rate*100, mean*100))
		}
	}
}

// ejectSlow ejects who begins its answers much later than the median.
func (b *balance) ejectSlow(all []sample) {
	if b.outlier.LatencyFactor == 0 {
		return
	}
	slices.SortFunc(all, func(a, b sample) int { return cmp.Compare(a.wait, b.wait) })
	median := all[len(all)/2].wait
	for _, s := range slices.Backward(all) {
		if s.wait > median*b.outlier.LatencyFactor && s.wait > time.Duration(b.outlier.LatencyMinimum).Seconds() {
			b.eject(s.target, fmt.Sprintf("its answers began after %s on average, and the median is %s", seconds(s.wait), seconds(median)))
		}
	}
}

func seconds(s float64) time.Duration { return rounded(time.Duration(s * float64(time.Second))) }
