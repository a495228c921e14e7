// The real window, on a display of its own: what is clicked and typed there happens.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask } from './http';
import { until } from './journey';
import { binary, out } from './paths';
import { demoRoute, listening } from './program';

const run = promisify(execFile);
const size = { width: 1280, height: 800 };

/** A display without a screen, and the window on it. */
class Desk {
  readonly #children: ChildProcess[] = [];
  dir = '';
  display = '';
  said = '';

  async open(): Promise<void> {
    this.dir = await mkdtemp(join(tmpdir(), 'proxycache-window-'));
    this.display = await this.#openDisplay();
    // A port that is free now: the window prints nothing, so it must be known.
    await writeFile(join(this.dir, 'config.toml'), listening(demoRoute).replace('127.0.0.1:0', `127.0.0.1:${await freePort()}`));
    const app = spawn('dbus-run-session', ['--', binary, '--dir', this.dir], {
      env: { ...process.env, DISPLAY: this.display, GDK_BACKEND: 'x11', WEBKIT_DISABLE_COMPOSITING_MODE: '1', LIBGL_ALWAYS_SOFTWARE: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a group of its own, which ends as one
    });
    for (const stream of [app.stdout, app.stderr]) stream.on('data', (chunk: Buffer) => (this.said += chunk.toString()));
    this.#children.push(app);
    await until('the window is there', async () => (await this.window()) !== '', 60_000);
    await this.x('windowsize', '--sync', await this.window(), String(size.width), String(size.height));
    await this.x('windowmove', await this.window(), '0', '0');
    await this.x('windowfocus', '--sync', await this.window());
  }

  async proxy(): Promise<string> {
    const address = /^address = "(.+)"$/m.exec(await readFile(join(this.dir, 'config.toml'), 'utf8'))?.[1];
    return `http://${address}`;
  }

  /** Types and clicks as a person's hands do. */
  async x(...args: string[]): Promise<string> {
    const { stdout } = await run('xdotool', args, { env: { ...process.env, DISPLAY: this.display } });
    return stdout.trim();
  }

  /** The id of the window; "" while it is not seen. */
  async window(): Promise<string> {
    const found = await this.x('search', '--onlyvisible', '--name', '^Proxycache$').catch(() => '');
    return found.split('\n').at(-1) ?? '';
  }

  async picture(name: string): Promise<string> {
    const folder = join(out, 'pictures');
    await mkdir(folder, { recursive: true });
    const file = join(folder, `window-${name}.png`);
    await run('import', ['-window', 'root', file], { env: { ...process.env, DISPLAY: this.display } });
    return file;
  }

  /** The colour in the middle of the rail's ground, "#0E1013": which theme is worn. */
  async ground(): Promise<string> {
    const file = await this.picture('now');
    const { stdout } = await run('convert', [file, '-crop', '1x1+24+500', '-depth', '8', 'txt:-']);
    return /#[0-9A-F]{6}/.exec(stdout)?.[0] ?? '';
  }

  async preferences(): Promise<{ theme?: string; pages?: Record<string, string> }> {
    return JSON.parse(await readFile(join(this.dir, 'preferences.json'), 'utf8').catch(() => '{}')) as { theme?: string };
  }

  async close(): Promise<void> {
    for (const child of this.#children.reverse()) await ended(child);
    await rm(this.dir, { recursive: true, force: true });
  }

  /** Starts a display on a number that is free; Xvfb says which. */
  async #openDisplay(): Promise<string> {
    const xvfb = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', `${size.width}x${size.height}x24`, '-nolisten', 'tcp'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      detached: true,
    });
    this.#children.push(xvfb);
    let number = '';
    xvfb.stdio[3]?.on('data', (chunk: Buffer) => (number += chunk.toString()));
    await until('the display is there', () => number.includes('\n'));
    return `:${number.trim()}`;
  }
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const { pid } = child;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  process.kill(-pid, 'SIGTERM');
  const timer = setTimeout(() => process.kill(-pid, 'SIGKILL'), 10_000);
  await gone;
  clearTimeout(timer);
}

describe.runIf(process.platform === 'linux')('the window', () => {
  let desk: Desk;

  beforeEach(async () => {
    desk = new Desk();
    await desk.open();
  }, 90_000);
  afterEach(() => desk.close());

  it('shows the interface, does what is typed and clicked, and keeps it', async () => {
    try {
      await until('the interface is drawn', async () => (await desk.ground()) === '#14171C', 60_000);
      await desk.picture('start');

      // A request that passes is seen in the window: the title says where the person is.
      expect((await ask(`${await desk.proxy()}/v1/items`)).headers['x-served-by']).toBe('Proxycache');
      await desk.x('key', 'ctrl+2');
      await until('the page is remembered', async () => (await desk.preferences()).pages?.['shell'] === 'traffic');
      await desk.picture('traffic');

      // The theme, by the palette.
      await desk.x('key', 'ctrl+k');
      await desk.x('type', '--delay', '40', 'light theme');
      await desk.x('key', 'Return');
      await until('the theme is kept', async () => (await desk.preferences()).theme === 'light');
      await until('the theme is worn', async () => (await desk.ground()) === '#F4F4F2');
      await desk.picture('light');

      // A click in the rail: the third place is the comb.
      await desk.x('mousemove', '24', '140', 'click', '1');
      await until('the click went to the comb', async () => (await desk.preferences()).pages?.['shell'] === 'comb');
      await desk.picture('comb');

      // An edit that takes effect: the cell that adds a field, switched off and applied.
      await desk.x('mousemove', '628', '500', 'click', '1');
      await desk.x('key', 'space');
      await desk.x('key', 'ctrl+s');
      await until('the cell is off', async () => (await ask(`${await desk.proxy()}/v1/items`)).headers['x-served-by'] === undefined);
      expect(await readFile(join(desk.dir, 'config.toml'), 'utf8')).toContain('off = true');
      await desk.picture('applied');
      expect(desk.said).not.toMatch(/panic|TypeError/);
    } catch (error) {
      await mkdir(join(out, 'failed'), { recursive: true });
      await desk.picture('failed').catch(() => '');
      process.stderr.write(desk.said);
      throw error;
    }
  }, 180_000);
});
