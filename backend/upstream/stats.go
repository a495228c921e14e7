package upstream

import (
	"cmp"
	"slices"
	"time"

	"proxycache/backend/problem"
)

// Usage counts connections and what became of exchanges on them.
type Usage struct {
	Open    int // connections, with those that are being opened
	Idle    int // of Open, those that no exchange uses
	Waiting int // exchanges in the queue for one

	Shared  int // of Open, those that speak HTTP/2
	Streams int // exchanges on them

	Opened int64 // connections since the pool began
	Reused int64 // exchanges that went over a connection that was open already
	Faults Faults
}

// InUse is how many connections have an exchange.
func (u Usage) InUse() int { return u.Open - u.Idle }

// Faults count exchanges that failed, by what failed.
type Faults struct {
	Connect  int64 // no address, nothing listens, no way to it
	TLS      int64
	Timeout  int64 // of connecting, or of the answer
	Reset    int64 // the connection ended in the middle
	Protocol int64 // the answer was no HTTP
	Crowded  int64 // there was no connection to be had
}

func (f *Faults) note(kind problem.Kind) {
	switch kind {
	case problem.DNS, problem.Refused, problem.Unreachable:
		f.Connect++
	case problem.TLSFailed, problem.TLSCert:
		f.TLS++
	case problem.Timeout, problem.ReadTimeout:
		f.Timeout++
	case problem.Terminated:
		f.Reset++
	case problem.BadResponse:
		f.Protocol++
	case problem.Overloaded:
		f.Crowded++
	}
}

func (f *Faults) add(g Faults) {
	f.Connect += g.Connect
	f.TLS += g.TLS
	f.Timeout += g.Timeout
	f.Reset += g.Reset
	f.Protocol += g.Protocol
	f.Crowded += g.Crowded
}

// Stats are the figures of a pool.
type Stats struct {
	Usage
	Targets []TargetStats // by address; of a forward pool those that were used last, at most 64
}

// maxTargetStats bounds what is told of a pool that is sent anywhere. The settings allow more targets,
// all of which are told.
const maxTargetStats = 64

// TargetStats are the figures of one target. Address is what exchanges call it (flow.Exchange.Target).
type TargetStats struct {
	Address string
	Usage
	used time.Time
}

// Stats reads the figures of the pool.
func (p *Pool) Stats() Stats {
	shown := map[origin]string{}
	for _, t := range p.balance.targets {
		shown[t.origin] = t.shown
	}
	all := p.lines.stats(shown)
	if extra := len(all.Targets) - max(maxTargetStats, len(p.balance.targets)); extra > 0 {
		slices.SortFunc(all.Targets, func(a, b TargetStats) int { return b.used.Compare(a.used) })
		all.Targets = all.Targets[:len(all.Targets)-extra]
	}
	slices.SortFunc(all.Targets, func(a, b TargetStats) int { return cmp.Compare(a.Address, b.Address) })
	return all
}

// stats gathers the figures by address: a host that is asked by http and by a tunnel is one.
func (l *lines) stats(shown map[origin]string) Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := Stats{Usage: l.forgotten, Targets: []TargetStats{}}
	index := map[string]int{}
	for o, s := range l.sites {
		u, address := s.usage(), cmp.Or(shown[o], o.address())
		all.Usage.add(u)
		i, known := index[address]
		if !known {
			i = len(all.Targets)
			index[address] = i
			all.Targets = append(all.Targets, TargetStats{Address: address})
		}
		t := &all.Targets[i]
		t.Usage.add(u)
		if s.used.After(t.used) {
			t.used = s.used
		}
	}
	return all
}

func (s *site) usage() Usage {
	u := Usage{Open: s.open, Idle: len(s.idle), Waiting: len(s.waiting), Shared: len(s.shared), Opened: s.opened, Reused: s.reused, Faults: s.faults}
	for _, h := range s.shared {
		n := h.conn.InFlight()
		u.Streams += n
		if n == 0 {
			u.Idle++
		}
	}
	return u
}

func (u *Usage) add(v Usage) {
	u.Open += v.Open
	u.Idle += v.Idle
	u.Waiting += v.Waiting
	u.Shared += v.Shared
	u.Streams += v.Streams
	u.Opened += v.Opened
	u.Reused += v.Reused
	u.Faults.add(v.Faults)
}

// failed counts what became of an exchange.
func (l *lines) failed(s *site, err error) {
	l.mu.Lock()
	s.faults.note(problem.KindOf(err))
	l.mu.Unlock()
}
