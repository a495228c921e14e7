// A journey: the real program, a page of a real browser on its interface, and what is left of it when
// it fails. Errors in the page's console fail it, whatever it looked at.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { out } from './paths';
import { Program } from './program';

export interface Walk {
  page: Page;
  context: BrowserContext;
  program: Program;
}

export interface JourneyOptions {
  /** The configuration file; one with the demo API behind the proxy when there is none. */
  config?: string;
  /** Of the program, over our own environment. */
  env?: Record<string, string>;
  /** Words that an expected error in the console has: of a request that is refused on purpose. */
  expected?: RegExp;
  width?: number;
  height?: number;
}

const launchArguments = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

let browser: Browser;

/** Opens the browser before the journeys of a file, and closes it after them. */
export function inBrowser(): void {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: launchArguments });
  });
  afterAll(() => browser.close());
}

/** A test that walks through the interface of a program of its own. */
export function journey(title: string, walk: (walk: Walk) => Promise<void>, options: JourneyOptions = {}): void {
  it(title, async () => {
    const program = await Program.start(options.config, options.env);
    try {
      await walked(title, program, walk, options);
    } finally {
      await program.remove();
    }
  });
}

async function walked(title: string, program: Program, walk: (walk: Walk) => Promise<void>, options: JourneyOptions): Promise<void> {
  const { width = 1280, height = 800, expected } = options;
  const context = await browser.newContext({ viewport: { width, height }, acceptDownloads: true, reducedMotion: 'reduce', colorScheme: 'dark' });
  context.setDefaultTimeout(15_000);
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(program.url).origin });
  await context.tracing.start({ screenshots: true, snapshots: true });
  const errors: string[] = [];
  context.on('page', (page) => listenTo(page, errors));
  const page = await context.newPage();
  try {
    await page.goto(program.url);
    await page.locator('main').waitFor();
    await walk({ page, context, program });
    expect(errors.filter((error) => !expected?.test(error)), 'errors in the console').toEqual([]);
  } catch (error) {
    await keep(title, page, context, `${program.output}\n${errors.join('\n')}`);
    throw error;
  } finally {
    await context.close();
  }
}

function listenTo(page: Page, errors: string[]): void {
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => errors.push(String(error.stack ?? error)));
}

/** What is left of a failed journey, for who looks into it. */
async function keep(title: string, page: Page, context: BrowserContext, said: string): Promise<void> {
  const name = title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').slice(0, 80);
  const folder = join(out, 'failed', name);
  await mkdir(folder, { recursive: true });
  // The page may be gone itself: the first error is the one to tell.
  await page.screenshot({ path: join(folder, 'page.png') }).catch(() => undefined);
  await context.tracing.stop({ path: join(folder, 'trace.zip') }).catch(() => undefined);
  process.stderr.write(`\n${title}: a picture and a trace are in ${folder}\n${said}\n`);
}

/** Waits until the condition holds; what was waited for is told when it never does. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, millis = 15_000): Promise<void> {
  const end = Date.now() + millis;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`It never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Goes to a page by its place in the rail. */
export async function go(page: Page, name: 'Start' | 'Traffic' | 'Comb' | 'Settings'): Promise<void> {
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name }).click();
  await page.getByRole('main', { name }).waitFor();
}
