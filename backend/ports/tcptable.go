package ports

import (
	"encoding/binary"
	"net/netip"
)

// tableRow says where things stand in a row of the tables of GetExtendedTcpTable, in bytes.
type tableRow struct{ size, address, addressSize, port, pid int }

var (
	rowIPv4 = tableRow{size: 24, address: 4, addressSize: 4, port: 8, pid: 20}   // MIB_TCPROW_OWNER_PID
	rowIPv6 = tableRow{size: 56, address: 0, addressSize: 16, port: 20, pid: 52} // MIB_TCP6ROW_OWNER_PID
)

// readTCPTable reads a table: the number of rows (32 bits), then the rows. Numbers are little-endian,
// addresses and ports in the order of the network.
func readTCPTable(table []byte, row tableRow) []listener {
	var out []listener
	if len(table) < 4 {
		return nil
	}
	for at := table[4:]; len(at) >= row.size && len(out) < int(binary.LittleEndian.Uint32(table)); at = at[row.size:] {
		ip, _ := netip.AddrFromSlice(at[row.address : row.address+row.addressSize]) // the sizes are right
		out = append(out, listener{
			address: netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(at[row.port:])),
			pid:     int(binary.LittleEndian.Uint32(at[row.pid:])),
		})
	}
	return out
}
