import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

export const binary = join(root, 'build', 'bin', process.platform === 'win32' ? 'proxycache.exe' : 'proxycache');
/** What a run leaves to look at: pictures, traces of what failed. */
export const out = join(root, 'build', 'out');
