package metrics

import (
	"testing"
	"time"
)

// What an exchange pays: its route's and its pool's and target's durations, its answer, and one a cell.
func BenchmarkExchange(b *testing.B) {
	for _, cells := range []struct {
		name string
		n    int
	}{{"no cells", 0}, {"three cells", 3}} {
		b.Run(cells.name, func(b *testing.B) {
			board := NewBoard()
			all := make([]Histogram, 3+cells.n)
			var answers Tally
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				d := time.Millisecond
				for pb.Next() {
					s := board.Write()
					for i := range all {
						all[i].Observe(s, d>>uint(i))
					}
					answers.Add(s, 2)
					s.Done()
					d = (d*5 + 12345) % (100 * time.Millisecond)
				}
			})
		})
	}
}

// What reading one busy name costs, once a second.
func BenchmarkReading(b *testing.B) {
	board, h := NewBoard(), &Histogram{}
	for i := range 20000 {
		observe(board, h, time.Millisecond+time.Duration(i*i)*time.Nanosecond)
	}
	b.Run("windows", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			observe(board, h, time.Millisecond)
			board.Windows(h)
		}
	})
	b.Run("distribution", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			board.Distribution(h)
		}
	})
}
