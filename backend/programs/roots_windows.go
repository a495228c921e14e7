package programs

import (
	"bytes"
	"encoding/pem"
	"unsafe"

	"golang.org/x/sys/windows"
)

// systemRoots are the authorities in the store ROOT of this user, which holds the machine's too.
func systemRoots(string) []byte {
	name, err := windows.UTF16PtrFromString("ROOT")
	if err != nil {
		return nil
	}
	store, err := windows.CertOpenSystemStore(0, name)
	if err != nil {
		return nil
	}
	defer func() { _ = windows.CertCloseStore(store, 0) }()
	var out bytes.Buffer
	var cert *windows.CertContext
	for {
		if cert, err = windows.CertEnumCertificatesInStore(store, cert); err != nil { // the end, too
			return out.Bytes()
		}
		der := unsafe.Slice(cert.EncodedCert, cert.Length)
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a buffer takes everything
	}
}
