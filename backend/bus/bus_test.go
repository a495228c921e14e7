package bus

import "testing"

func TestASlowListenerMissesButNeverBlocks(t *testing.T) {
	var b Bus[int]
	slow, quick := b.Listen(1), b.Listen(3)
	for i := range 3 {
		b.Say(i)
	}
	if got := <-slow.C; got != 0 {
		t.Errorf("the slow listener got %d first, want 0", got)
	}
	if n := slow.Missed(); n != 2 {
		t.Errorf("the slow listener missed %d, want 2", n)
	}
	if n := quick.Missed(); n != 0 {
		t.Errorf("the quick listener missed %d, want 0", n)
	}
	for i := range 3 {
		if got := <-quick.C; got != i {
			t.Errorf("the quick listener got %d, want %d", got, i)
		}
	}
}

func TestCloseEndsTheChannel(t *testing.T) {
	var b Bus[string]
	l := b.Listen(1)
	l.Close()
	l.Close()
	b.Say("nobody hears this")
	if _, open := <-l.C; open {
		t.Error("the channel is still open after Close")
	}
}
