// Bytes as they are printed side by side: in hexadecimal, and as characters.

/** Bytes of a line. */
export const WIDTH = 16;

const digits = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/** "0000a3f0": eight digits, more when the body needs them. */
export function offsetText(offset: number): string {
  return offset.toString(16).padStart(8, '0');
}

/** Up to 16 bytes in two groups of eight. */
export function hexText(bytes: Uint8Array): string {
  const group = (from: number) => [...bytes.subarray(from, from + 8)].map((byte) => digits[byte]).join(' ');
  return `${group(0).padEnd(23)}  ${group(8).padEnd(23)}`;
}

/** The printable ones of ASCII as they are, the others as dots. */
export function charText(bytes: Uint8Array): string {
  return [...bytes].map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '·')).join('');
}
