// Every page in both themes: a picture at two sizes, and what axe finds wrong with it.
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';
import { ask } from './http';
import { go, inBrowser, journey, type Walk } from './journey';
import { out } from './paths';

inBrowser();

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const sizes = [{ width: 1280, height: 800 }, { width: 1920, height: 1080 }];

/** The states of the window that are looked at, each reached from the Start page. */
const sights: Record<string, (walk: Walk) => Promise<void>> = {
  start: async ({ page }) => {
    const found = page.getByRole('button', { name: 'Put in front' }).or(page.getByText('does not speak HTTP'));
    await found.or(page.getByText('No program listens')).first().waitFor();
  },
  tour: async ({ page }) => {
    await page.getByRole('button', { name: 'Start the tour' }).click();
    await page.getByText(/[1-9]\d* requests?, 0 lost/).waitFor();
  },
  traffic: async ({ page }) => {
    await go(page, 'Traffic');
    await page.getByRole('row').filter({ hasText: '/image.png' }).first().waitFor();
  },
  detail: async ({ page }) => {
    await go(page, 'Traffic');
    await page.getByRole('row').filter({ hasText: '/v1/items' }).first().click();
    await page.getByRole('tab', { name: 'Response' }).click();
    await page.getByText('Content-Type').first().waitFor();
  },
  xray: async ({ page }) => {
    await go(page, 'Traffic');
    await page.getByRole('row').filter({ hasText: '/v1/items' }).first().click();
    await page.getByRole('tab', { name: 'X-ray' }).click();
    await page.getByRole('list', { name: 'Steps, in the order of the pipeline' }).getByText('Request ID').waitFor();
  },
  comb: async ({ page }) => {
    await go(page, 'Comb');
    await page.getByRole('treeitem').first().waitFor();
  },
  cell: async ({ page }) => {
    await go(page, 'Comb');
    await page.getByRole('treeitem', { name: /^Headers,/ }).click();
    await page.getByRole('textbox', { name: 'When' }).waitFor();
  },
  draft: async ({ page }) => {
    await go(page, 'Comb');
    await page.getByRole('treeitem', { name: /^Headers,/ }).click();
    await page.getByRole('switch', { name: 'On' }).click();
    await page.getByRole('button', { name: 'Apply 1 change' }).waitFor();
  },
  settings: async ({ page }) => {
    await go(page, 'Settings');
    await page.getByRole('textbox', { name: 'Address 1', exact: true }).waitFor();
  },
  certificate: async ({ page }) => {
    await go(page, 'Settings');
    await page.getByRole('link', { name: 'Certificate' }).click();
    await page.getByText('Trust it, and take it out again').waitFor();
  },
  palette: async ({ page }) => {
    await page.keyboard.press('Control+k');
    await page.getByRole('option').first().waitFor();
  },
  shortcuts: async ({ page }) => {
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
  },
};

describe.each(['dark', 'light'])('in the %s theme', (theme) => {
  for (const [name, reach] of Object.entries(sights)) {
    journey(`${name} is as it should be, and axe finds nothing wrong with it (${theme})`, async (walk) => {
      const { page, program } = walk;
      for (const path of ['/v1/items', '/v1/items/2', '/image.png', '/status/404', '/error', '/gzip', '/redirect', '/v1/items/2']) {
        await ask(program.proxy + path);
      }
      await wear(page, theme);
      await reach(walk);
      await settled(page);
      for (const size of sizes) {
        await page.setViewportSize(size);
        await settled(page);
        await picture(page, `${name}-${theme}-${size.width}x${size.height}`);
        expect(await overflowing(page), `what is wider than the window at ${size.width}`).toEqual([]);
      }
      await page.setViewportSize({ width: 1280, height: 800 });
      expect(await violations(page)).toEqual([]);
    });
  }
});

describe('at 200 % zoom', () => {
  for (const name of ['start', 'traffic', 'detail', 'cell', 'settings'] as const) {
    journey(`${name} does not overflow`, async (walk) => {
      await ask(`${walk.program.proxy}/v1/items`);
      await ask(`${walk.program.proxy}/image.png`);
      await sights[name]?.(walk);
      await walk.page.setViewportSize({ width: 720, height: 480 }); // what is left of 1440 × 960
      await settled(walk.page);
      await picture(walk.page, `${name}-zoomed`);
      expect(await overflowing(walk.page)).toEqual([]);
    });
  }
});

async function wear(page: Page, theme: string): Promise<void> {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').fill(`${theme} theme`);
  const option = page.getByRole('option', { name: `Use the ${theme} theme` });
  if ((await page.locator('html').getAttribute('data-theme')) === theme) await page.keyboard.press('Escape');
  else await option.click();
  await page.locator(`html[data-theme=${theme}]`).waitFor();
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
}

/** Until two frames in a row are drawn and the fonts are there. */
async function settled(page: Page): Promise<void> {
  await page.evaluate(async () => {
    await document.fonts.ready;
    for (let i = 0; i < 3; i++) await new Promise((resolve) => requestAnimationFrame(resolve));
  });
}

async function picture(page: Page, name: string): Promise<void> {
  const folder = join(out, 'pictures');
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

/** Parts of the frame that stick out of the window. */
function overflowing(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const parts = [document.documentElement, document.body, ...document.querySelectorAll('main, header, nav, footer, main > *, main > * > *')];
    return parts
      .filter((part) => part.getBoundingClientRect().right > innerWidth + 1 || part.getBoundingClientRect().bottom > innerHeight + 1)
      .filter((part) => !insideScroller(part))
      .map((part) => `${part.tagName} ${part.className}`);

    function insideScroller(part: Element): boolean {
      for (let up = part.parentElement; up; up = up.parentElement) {
        if (/auto|scroll/.test(getComputedStyle(up).overflow)) return true;
      }
      return false;
    }
  });
}

interface Found {
  id: string;
  help: string;
  nodes: { html: string; failureSummary?: string }[];
}

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe); // the page's own policy lets no script in; this way needs no leave
  const found = await page.evaluate<Found[]>('(async () => (await axe.run(document, { resultTypes: ["violations"] })).violations)()');
  return found.flatMap((one) => one.nodes.map((node) => `${one.id}: ${one.help}\n${node.html.slice(0, 300)}\n${node.failureSummary ?? ''}`));
}
