package ingress

// Termination is the section [tls]: which certificates clients of the reverse door are shown.
type Termination struct {
	Names []string `toml:"names" title:"Names of your own" max:"256" help:"Hosts for which Proxycache's own authority makes certificates, besides *.localhost: shop.test, *.shop.test."`
}
