import { existsSync, mkdirSync } from 'node:fs';
import { binary, out } from './paths';

export default function setup(): void {
  if (!existsSync(binary)) throw new Error(`There is no ${binary}: build it first, from the project's folder, with "go run ./build build".`);
  mkdirSync(out, { recursive: true });
}
