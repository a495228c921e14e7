// A reverse proxy that is goproxy and nothing else: goproxy ADDRESS ORIGIN
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/elazarl/goproxy"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("goproxy ADDRESS ORIGIN")
	}
	address, origin := os.Args[1], os.Args[2]
	proxy := goproxy.NewProxyHttpServer()
	// net/http keeps two idle connections by default, and would dial anew for most of the load's 64.
	proxy.Tr = &http.Transport{MaxIdleConnsPerHost: 64}
	proxy.NonproxyHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Scheme, r.URL.Host = "http", origin
		proxy.ServeHTTP(w, r)
	})
	log.Fatal(http.ListenAndServe(address, proxy))
}
