/** A fault of form that a route may let pass in HTTP/1 messages; the names are flow.Tolerance's. */
export interface Tolerance {
  id: string;
  label: string;
  help: string;
}

export const TOLERANCES: Tolerance[] = [
  { id: 'line_feed', label: 'Line feeds alone', help: 'Lines of a header that end with LF instead of CR LF.' },
  { id: 'obs_fold', label: 'Folded fields', help: 'Values that go on in the next line. They are put into one.' },
  { id: 'status_line', label: 'A short status line', help: 'Responses whose first line ends with the code: “HTTP/1.1 200”.' },
  { id: 'field_bytes', label: 'Control characters', help: 'In the values of a response. Spaces take their place.' },
  { id: 'space_before_colon', label: 'Spaces before the colon', help: 'In a response: “Server : x”. They are removed.' },
  { id: 'equal_lengths', label: 'Equal lengths', help: 'A response that says the same Content-Length several times. One is kept.' },
];

/** The list with one more or one less, in the order of the choices; what is no choice stays at its end. */
export function withTolerance(lenient: string[], id: string, on: boolean): string[] {
  const ids = TOLERANCES.map((t) => t.id);
  const others = lenient.filter((name) => !ids.includes(name));
  return [...ids.filter((name) => (name === id ? on : lenient.includes(name))), ...others];
}
