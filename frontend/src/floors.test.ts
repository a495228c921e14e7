// The floors of src: an import goes down, never up, and no feature knows another. The same is kept
// for Go by backend/floors_test.go.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

const floors = ['tokens', 'ui', 'api', 'form', 'features', 'shell'];
/** The host is known by one file alone, and a backend is chosen in one place. */
const doors = ['api/http', 'api/wails', 'api/fake'];
const mayChoose = ['main.ts', 'shell/wiring.ts'];

describe('the floors of src', () => {
  it('are kept by every import', () => {
    expect(faults(import.meta.dirname)).toEqual([]);
  });

  describe('a planted violation is found with its file', () => {
    let dir = '';
    afterEach(() => rmSync(dir, { recursive: true, force: true }));

    it.each([
      ['up', 'ui/Up.svelte', `<script>import { Live } from '../api/live.svelte';</script>`],
      ['up, by side effect', 'tokens/up.ts', `import '../shell/pages';`],
      ['up, when it runs', 'api/late.ts', `await import('../form/values');`],
      ['up, passed on', 'form/again.ts', `export { x } from '../features/start/fronts';`],
      ['from feature to feature', 'features/start/side.ts', `import { Comb } from '../comb/comb.svelte';`],
      ['of the host', 'features/start/host.ts', `import { Status } from '../../../wailsjs/go/desktop/Desktop';`],
      ['of a door', 'features/start/door.ts', `import { HttpBackend } from '../../api/http';`],
      ['of main', 'shell/round.ts', `import { x } from '../main';`],
    ])('an import %s', (_, path, text) => {
      dir = plant({ [path]: text });
      expect(faults(dir)).toEqual([expect.stringContaining(path)]);
    });

    it('a folder without a floor', () => {
      dir = plant({ 'utils/strings.ts': 'export const x = 1;' });
      expect(faults(dir)).toEqual([expect.stringContaining('utils/strings.ts')]);
    });

    it('but not an import that goes down, and not a package', () => {
      dir = plant({
        'features/start/down.ts': `import { a } from '../../ui/action';\nimport { b } from './start.svelte';\nimport { c } from 'svelte';`,
        'api/wails.ts': `import * as desktop from '../../wailsjs/go/desktop/Desktop';`,
        'shell/wiring.ts': `import { HttpBackend } from '../api/http';`,
        'features/start/x.test.ts': `import { FakeBackend } from '../../api/fake';`,
        'main.ts': `import App from './shell/App.svelte';`,
      });
      expect(faults(dir)).toEqual([]);
    });
  });
});

function plant(files: Record<string, string>): string {
  const dir = mkdtempSync(join(tmpdir(), 'floors-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  return dir;
}

/** Every import that breaks a rule, as "file: why". */
function faults(src: string): string[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => /\.(svelte|ts)$/.test(path) && !path.startsWith('test/') && path !== 'floors.test.ts')
    .flatMap((path) => {
      const why = [homeless(path), ...importsIn(readFileSync(join(src, path), 'utf8')).map((target) => fault(path, target))];
      return why.filter((one) => one !== '').map((one) => `${path}: ${one}`);
    });
}

const importing = /(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s+)(['"])([^'"]+)\1/g;

function importsIn(text: string): string[] {
  return [...text.matchAll(importing)].map((found) => found[2] ?? '');
}

function homeless(path: string): string {
  const top = path.split('/')[0] ?? '';
  return path.includes('/') && !floors.includes(top) ? `the folder ${top} has no floor: name it in floors.test.ts` : '';
}

function fault(path: string, target: string): string {
  if (target.includes('wailsjs/')) return path === 'api/wails.ts' ? '' : `imports ${target}: only api/wails.ts knows the host`;
  if (!target.startsWith('.')) return '';
  const to = posix.normalize(posix.join(posix.dirname(path), target));
  const from = floorOf(path);
  if (floorOf(to) > from) return `imports ${to}, which lies above it`;
  const [feature, other] = [featureOf(path), featureOf(to)];
  if (feature && other && feature !== other) return `imports ${to}: a feature knows no other`;
  const choosing = mayChoose.includes(path) || path.startsWith('api/') || path.endsWith('.test.ts');
  return doors.includes(to) && !choosing ? `imports ${to}: a backend is chosen in shell/wiring.ts` : '';
}

/** What lies beside the folders is on top of all. */
function floorOf(path: string): number {
  return path.includes('/') ? floors.indexOf(path.split('/')[0] ?? '') : floors.length;
}

function featureOf(path: string): string {
  return /^features\/([^/]+)\//.exec(path)?.[1] ?? '';
}
