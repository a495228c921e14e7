package http2

import (
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
)

// output is what is written. Its fields are guarded by the connection's mu, except while a write
// runs: then the sheet that is being written belongs to the writer.
//
// There is no goroutine that writes: whoever adds something writes it, with all that others have
// added meanwhile, unless somebody is writing already. The goroutine of Serve alone never writes,
// for a client may read nothing before we have read what it sends.
type output struct {
	sheet    *sheet // what is written next; nil when nothing is
	writing  bool
	controls int  // frames in sheet that the client made us send
	pressing bool // something in sheet is not to wait for a body

	encoder *hpack.Encoder
	block   scratch

	first, last *Stream // those with data and a window, in turn

	cork   *time.Timer
	corked bool
}

// sheet is a buffer from a pool.
type sheet struct{ b []byte }

var sheets = sync.Pool{New: func() any { return &sheet{make([]byte, 0, 4<<10)} }}

func (o *output) size() int {
	if o.sheet == nil {
		return 0
	}
	return len(o.sheet.b)
}

// page is the sheet to append to.
func (o *output) page() *sheet {
	if o.sheet == nil {
		o.sheet, _ = sheets.Get().(*sheet)
	}
	return o.sheet
}

// push writes what there is, and gives mu up meanwhile. More that came is left to a goroutine of its
// own, so that a handler is not kept from its work.
func (c *Conn) push() {
	o := &c.out
	if o.writing || o.sheet == nil || c.dead != nil {
		return
	}
	o.writing = true
	c.write()
	if o.sheet != nil && c.dead == nil {
		go c.writeOn()
		return
	}
	o.writing = false
	c.changed.Broadcast()
}

// pushLater is push for those who must not wait.
func (c *Conn) pushLater() {
	if o := &c.out; !o.writing && o.sheet != nil && c.dead == nil {
		o.writing = true
		go c.writeOn()
	}
}

func (c *Conn) writeOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.out.sheet != nil && c.dead == nil {
		c.write()
	}
	c.out.writing = false
	c.changed.Broadcast()
}

// write writes one sheet.
func (c *Conn) write() {
	o := &c.out
	sheet := o.sheet
	o.sheet, o.controls, o.pressing = nil, 0, false
	c.mu.Unlock()
	_, err := c.conn.Write(sheet.b)
	sheet.b = sheet.b[:0]
	sheets.Put(sheet)
	c.mu.Lock()
	if err != nil {
		c.lose(err)
		_ = c.conn.SetReadDeadline(longAgo) // wakes the goroutine of Serve, which closes
		return
	}
	c.fill()
	c.changed.Broadcast()
}
