package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"proxycache/backend/core"
	"proxycache/backend/problem"
)

func (p Program) authority(f *flags) *cobra.Command {
	ca := &cobra.Command{
		Use: "ca", Short: "The local certificate authority that opens HTTPS",
		Long: `The authority is made on this machine at the first start. Its key never leaves it. A client that
trusts the certificate lets Proxycache show its HTTPS requests.`,
		Example: "  proxycache ca show\n  proxycache ca export ca.pem",
		Args:    cobra.NoArgs,
		RunE:    showHelp,
	}
	show := &cobra.Command{
		Use: "show", Short: "Print where the certificate is, its fingerprint and its end", Args: cobra.NoArgs,
		Example: "  proxycache ca show",
		RunE: func(*cobra.Command, []string) error {
			a, _, err := p.openAuthority(f)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.Out, "file         %s\nfingerprint  %s (SHA-256)\nvalid until  %s\n", a.File, a.Fingerprint, a.NotAfter)
			return err
		},
	}
	export := &cobra.Command{
		Use: "export [FILE]", Short: "Write the certificate (PEM) to a file, or to the terminal", Args: cobra.MaximumNArgs(1),
		Example: "  proxycache ca export ca.pem\n  curl --cacert ca.pem -x http://127.0.0.1:8080 https://example.com/",
		RunE: func(_ *cobra.Command, args []string) error {
			_, pem, err := p.openAuthority(f)
			if err != nil {
				return err
			}
			if len(args) == 0 || args[0] == "-" {
				_, err := p.Out.Write(pem)
				return err
			}
			if err := os.WriteFile(args[0], pem, 0o644); err != nil {
				return problem.Wrap(problem.Unavailable, err, "Writing the certificate: %v. Choose another file.", err)
			}
			return nil
		},
	}
	ca.AddCommand(show, export)
	return ca
}

func (p Program) openAuthority(f *flags) (core.Authority, []byte, error) {
	o, err := f.options(p)
	if err != nil {
		return core.Authority{}, nil, err
	}
	return core.AuthorityIn(o.Dir)
}
