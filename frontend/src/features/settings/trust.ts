// How a system is told to trust the authority, and to forget it again.

export interface TrustStep {
  what: string;
  /** A line for a terminal; "" where it is done by hand. */
  line: string;
  /** What to do by hand. */
  say: string;
}

export interface TrustPlace {
  text: string;
  steps: TrustStep[];
}

export const places = [
  { id: 'linux', label: 'Linux' },
  { id: 'mac', label: 'macOS' },
  { id: 'windows', label: 'Windows' },
  { id: 'firefox', label: 'Firefox' },
];

/** The place that a computer with this navigator.platform would ask for. */
export function usual(platform: string): string {
  if (/Win/.test(platform)) return 'windows';
  return /Mac|iPhone|iPad/.test(platform) ? 'mac' : 'linux';
}

const quoted = (path: string) => `"${path}"`;
const run = (what: string, line: string): TrustStep => ({ what, line, say: '' });
const byHand = (what: string, say: string): TrustStep => ({ what, line: '', say });
const system = 'Needed only for programs of your own: a browser or a terminal from the Start page trusts it already, for itself alone.';

export function placesOf(place: string, file: string): TrustPlace {
  switch (place) {
    case 'mac':
      return { text: system, steps: [
        run('Trust it', `security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db ${quoted(file)}`),
        run('Take it out', `security remove-trusted-cert ${quoted(file)}`),
      ] };
    case 'windows':
      return { text: system, steps: [
        run('Trust it', `certutil -user -addstore Root ${quoted(file)}`),
        byHand('Take it out', 'Run certmgr.msc, open Trusted Root Certification Authorities, and delete Proxycache.'),
      ] };
    case 'firefox':
      return { text: 'Firefox keeps certificates of its own, whatever the system trusts.', steps: [
        byHand('Trust it', 'Export the certificate above. In Firefox: Settings, Privacy & Security, View Certificates, Authorities, Import; then tick “identify websites”.'),
        byHand('Take it out', 'In the same list, choose Proxycache and Delete or Distrust.'),
      ] };
    default:
      return { text: system, steps: [
        run('Trust it', `sudo cp ${quoted(file)} /usr/local/share/ca-certificates/proxycache.crt && sudo update-ca-certificates`),
        run('Take it out', 'sudo rm /usr/local/share/ca-certificates/proxycache.crt && sudo update-ca-certificates --fresh'),
      ] };
  }
}
