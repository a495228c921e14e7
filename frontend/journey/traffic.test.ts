import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';
import { ask, openStream } from './http';
import { go, inBrowser, journey, until } from './journey';

inBrowser();

const row = (page: Page, text: string) => page.getByRole('row').filter({ hasText: text });
const detail = (page: Page) => page.getByRole('region', { name: /^Exchange / });
const clipboard = (page: Page) => page.evaluate(() => navigator.clipboard.readText());

/** The path of the exchange that is looked at. */
async function lookedAt(page: Page): Promise<string> {
  return (await detail(page).locator('.url').getAttribute('title').catch(() => '')) ?? '';
}

describe('the list', () => {
  journey('shows each request as it comes, and what has not ended yet', async ({ page, program }) => {
    await go(page, 'Traffic');
    await page.getByText('Nothing captured yet').waitFor();
    await page.getByRole('button', { name: program.proxy }).waitFor();
    await ask(`${program.proxy}/v1/items`);
    await row(page, '/v1/items').getByText('200').waitFor();
    const stream = await openStream(`${program.proxy}/events?n=1000`);
    await row(page, '/events').getByRole('img', { name: /running|pending|open/i }).waitFor();
    stream.close();
    await row(page, '/events').getByRole('img', { name: /aborted|left/i }).waitFor();
    expect(await page.getByRole('grid', { name: 'Traffic' }).getAttribute('aria-rowcount')).toBe('3');
  });

  journey('has a menu on a row and none on its head; a narrow row shows the path', async ({ page, program }) => {
    await ask(`${program.proxy}/v1/items/with-a-path-that-takes-room`);
    await go(page, 'Traffic');
    const one = row(page, 'takes-room');
    await page.getByRole('columnheader', { name: 'URL' }).click({ button: 'right' });
    expect(await page.getByRole('menu').count()).toBe(0);
    await one.click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Mock this' }).waitFor();
    await page.keyboard.press('Escape');
    await one.click();
    await detail(page).waitFor();
    const [host, path] = await one.locator('.url .cut').evaluateAll((parts) => parts.map((part) => part.clientWidth / part.scrollWidth));
    expect(host).toBeLessThan(0.5);
    expect(path).toBeGreaterThan(host ?? 1);
  }, { width: 1024, height: 640 });

  journey('is walked with j and k, and opened with Enter', async ({ page, program }) => {
    for (const path of ['/v1/items/1', '/v1/items/2', '/v1/items/3']) await ask(program.proxy + path);
    await go(page, 'Traffic');
    await row(page, '/v1/items/3').waitFor();
    await page.keyboard.press('j');
    await until('the first is looked at', async () => (await lookedAt(page)).endsWith('/v1/items/1'));
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('k');
    await until('the second is looked at', async () => (await lookedAt(page)).endsWith('/v1/items/2'));
    await row(page, '/v1/items/3').click();
    await page.keyboard.press('Enter');
    await until('the tab has the focus', async () => (await page.evaluate(() => document.activeElement?.getAttribute('role'))) === 'tab');
    await page.keyboard.press('Escape');
    await detail(page).waitFor({ state: 'hidden' });
  });

  journey('is filtered; what cannot be read keeps the last one in force', async ({ page, program }) => {
    for (const path of ['/v1/items', '/status/404', '/status/503', '/v1/items/2']) await ask(program.proxy + path);
    await go(page, 'Traffic');
    await row(page, '/v1/items/2').waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('status >= 400');
    await page.keyboard.press('Enter');
    await row(page, '/v1/items').first().waitFor({ state: 'hidden' });
    await row(page, '/status/404').waitFor();
    await row(page, '/status/503').waitFor();
    await page.getByRole('status').getByText('exchanges match').waitFor();

    const field = page.getByRole('combobox', { name: 'Filter' });
    await field.fill('stat >= 500');
    await until('it is told as wrong', async () => (await field.getAttribute('aria-invalid')) === 'true');
    await page.getByText('Still in force:').waitFor();
    await row(page, '/status/404').waitFor();
    await field.fill('status = 418');
    await page.getByText('No exchange matches this filter').waitFor();
    await page.getByRole('button', { name: 'Clear filter' }).click();
    await row(page, '/v1/items/2').waitFor();
  }, { expected: /400 \(Bad Request\)/ });

  journey('gives back what was removed', async ({ page, program }) => {
    for (const path of ['/v1/items/1', '/v1/items/2']) await ask(program.proxy + path);
    await go(page, 'Traffic');
    await row(page, '/v1/items/1').click();
    await page.keyboard.press('Delete');
    await row(page, '/v1/items/1').waitFor({ state: 'hidden' });
    await page.keyboard.press('Control+z');
    await row(page, '/v1/items/1').waitFor();
    await page.keyboard.press('Shift+C');
    await page.getByText('Nothing captured yet').waitFor();
    await page.getByText('Removed 2 exchanges.').waitFor();
    await page.getByRole('button', { name: 'Undo' }).last().click();
    await row(page, '/v1/items/2').waitFor();
  });

  journey('is there after a restart, with what was chosen', async ({ page, program }) => {
    await ask(`${program.proxy}/v1/items`);
    await ask(`${program.proxy}/status/404`);
    await go(page, 'Traffic');
    await page.keyboard.press('/');
    await page.keyboard.type('status = 404');
    await page.keyboard.press('Enter');
    await row(page, '/v1/items').waitFor({ state: 'hidden' });
    await row(page, '/status/404').click();
    await detail(page).getByRole('tab', { name: 'Timing' }).click();
    await until('it is remembered', async () => (await readFile(`${program.dir}/preferences.json`, 'utf8').catch(() => '')).includes('timing'));
    await program.stop();
    await program.run();
    await page.goto(program.url);
    await page.getByRole('main', { name: 'Traffic' }).waitFor();
    await row(page, '/status/404').click();
    expect(await row(page, '/v1/items').count()).toBe(0);
    expect(await detail(page).getByRole('tab', { name: 'Timing' }).getAttribute('aria-selected')).toBe('true');
  }, { expected: /ERR_/ });
});

describe('an exchange', () => {
  journey('is shown from every side', async ({ page, program }) => {
    await ask(`${program.proxy}/v1/items?page=2`, { headers: { 'X-Mine': 'yes', Authorization: 'Bearer secret' } });
    await go(page, 'Traffic');
    await row(page, '/v1/items').click();
    const tab = (name: string) => detail(page).getByRole('tab', { name }).click();
    await tab('Request');
    await detail(page).getByText('X-Mine').waitFor();
    await tab('Response');
    await detail(page).getByText('X-Served-By').waitFor();
    const tree = detail(page).getByRole('tree', { name: 'JSON' });
    await tree.getByRole('treeitem').first().waitFor();
    await tab('X-ray');
    const steps = detail(page).getByRole('list', { name: 'Steps, in the order of the pipeline' });
    await steps.getByText('Request ID').waitFor();
    await steps.getByText('Headers').first().waitFor();
    await tab('Timing');
    await detail(page).getByText(/wait/i).first().waitFor();
    await tab('Raw');
    await detail(page).getByText('HTTP/1.1 200 OK').waitFor();
    await detail(page).getByRole('radiogroup').getByText('Request').click();
    await detail(page).getByText('GET /v1/items?page=2 HTTP/1.1').waitFor();
    await tab('Overview');
    await detail(page).getByText(program.proxy.replace('http://', '')).first().waitFor();
  });

  journey('shows an image as an image, and unpacks what was packed', async ({ page, program }) => {
    await ask(`${program.proxy}/image.png`);
    await ask(`${program.proxy}/gzip`);
    await go(page, 'Traffic');
    await row(page, '/image.png').click();
    await detail(page).getByRole('tab', { name: 'Response' }).click();
    const image = detail(page).locator('figure img');
    await until('the image is drawn', () => image.evaluate((element: HTMLImageElement) => element.naturalWidth > 0));
    await detail(page).getByText(/\d+ × \d+ px/).waitFor();
    await row(page, '/gzip').click();
    await detail(page).getByText('compresses well').first().waitFor();
  });

  journey('is replayed, and each knows of the other', async ({ page, program }) => {
    await ask(`${program.proxy}/v1/items`, { headers: { 'X-Mine': 'yes' } });
    await go(page, 'Traffic');
    await row(page, '/v1/items').click();
    await page.keyboard.press('r');
    await page.getByText('Sent #1 again as #2.').waitFor();
    await detail(page).getByRole('button', { name: 'of #1' }).click();
    await until('the original is looked at', async () => (await detail(page).getAttribute('aria-label')) === 'Exchange 1');
    await detail(page).getByRole('tab', { name: 'Overview' }).click();
    await detail(page).getByRole('button', { name: '#2' }).click();
    await until('the replay is looked at', async () => (await detail(page).getAttribute('aria-label')) === 'Exchange 2');
    await detail(page).getByRole('tab', { name: 'Request' }).click();
    await detail(page).getByText('X-Mine').waitFor();
  });

  journey('is edited and sent, and the answer stands beside the original', async ({ page, program }) => {
    await ask(`${program.proxy}/v1/items`);
    await go(page, 'Traffic');
    await row(page, '/v1/items').click();
    await page.keyboard.press('e');
    const edit = page.getByRole('region', { name: 'Edit and resend' });
    await edit.getByRole('textbox', { name: 'URL' }).fill(`${program.proxy}/status/404`);
    await edit.getByRole('button', { name: 'Send' }).click();
    await edit.getByRole('region', { name: 'Original' }).getByText('200').first().waitFor();
    await edit.getByRole('region', { name: 'Answer' }).getByText('404').first().waitFor();
    await edit.getByRole('region', { name: 'Answer' }).getByRole('button', { name: '#2' }).click();
    await detail(page).getByRole('button', { name: 'of #1' }).waitFor();
  });

  journey('is copied as a command that does the same', async ({ page, program }) => {
    await ask(`${program.proxy}/headers`, { method: 'POST', headers: { 'X-Mine': "it's" , 'Content-Type': 'application/json' }, body: '{"a": "$HOME"}' });
    await go(page, 'Traffic');
    await row(page, '/headers').click();
    await page.keyboard.press('c');
    await page.getByText('Copied #1 as cURL.').waitFor();
    const line = await clipboard(page);
    const { stdout } = await promisify(execFile)('sh', ['-c', line]);
    expect(JSON.parse(stdout)).toMatchObject({ method: 'POST' });
    expect(stdout).toContain("it's");
    await row(page, '/headers').nth(1).waitFor();
  });

  journey('is exported for Postman and as HAR, without secrets', async ({ page, program }) => {
    await ask(`${program.proxy}/v1/items`, { headers: { Authorization: 'Bearer very-secret' } });
    await go(page, 'Traffic');
    await row(page, '/v1/items').waitFor();
    for (const [item, check] of [
      ['All 1 for Postman', (text: string) => expect(JSON.parse(text)).toMatchObject({ info: { schema: expect.stringContaining('v2.1.0') } })],
      ['All 1 as HAR', (text: string) => expect(JSON.parse(text)).toMatchObject({ log: { version: '1.2', entries: [expect.anything()] } })],
    ] as const) {
      await page.getByRole('button', { name: 'Export' }).click();
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: item }).click()]);
      const text = await readFile(await download.path(), 'utf8');
      check(text);
      expect(text).not.toContain('very-secret');
    }
  });

  journey('becomes a mock, which is edited on the comb and takes effect', async ({ page, program }) => {
    const url = `${program.proxy}/v1/items/3`;
    await ask(url);
    await go(page, 'Traffic');
    await row(page, '/v1/items/3').click();
    await page.keyboard.press('m');
    await page.getByText(/^Mocked by/).waitFor();
    await ask(url);
    await row(page, '/v1/items/3').nth(1).getByRole('img', { name: /mocked/i }).waitFor();
    await page.getByRole('button', { name: 'Edit', exact: true }).last().click();
    await page.getByRole('main', { name: 'Comb' }).waitFor();
    const panel = page.getByRole('complementary', { name: 'Mock' });
    await panel.getByRole('textbox', { name: /^Status/ }).fill('418');
    await page.getByRole('button', { name: 'Apply 1 change' }).click();
    await until('the mock answers 418', async () => (await ask(url)).status === 418);
    expect((await ask(`${program.proxy}/v1/items/4`)).status).toBe(200);
    await program.stop();
    await program.run();
    expect((await ask(`${program.proxy}/v1/items/3`)).status).toBe(418);
  }, { expected: /ERR_/ });
});

describe('ten thousand exchanges', () => {
  journey('are listed and scrolled, with a bounded number of rows in the page', async ({ page, program }) => {
    await go(page, 'Traffic');
    for (let sent = 0; sent < 10_000; sent += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, i) => ask(`${program.proxy}/status/${200 + (i % 4)}?n=${sent + i}`)));
    }
    const grid = page.getByRole('grid', { name: 'Traffic' });
    await until('all are listed', async () => (await grid.getAttribute('aria-rowcount')) === '10001', 60_000);
    await page.locator('#exchange-9999').waitFor(); // it follows the end
    await grid.focus();
    await page.keyboard.press('Home');
    await until('the first is looked at', async () => (await detail(page).getAttribute('aria-label')) === 'Exchange 1');
    await page.keyboard.press('End');
    await until('the last is looked at', async () => (await detail(page).getAttribute('aria-label')) === 'Exchange 10,000');
    for (let i = 0; i < 40; i++) await page.mouse.wheel(0, -3_000);
    await page.getByRole('row').nth(5).waitFor();
    expect(await page.getByRole('row').count()).toBeLessThan(200);
    expect(await longest(page)).toBeLessThan(200);
    expect(await page.getByRole('contentinfo', { name: 'Status' }).innerText()).toMatch(/lost\s+0/);
  });
});

/** The longest that the page was busy at one go while it is scrolled to the end, in milliseconds. */
function longest(page: Page): Promise<number> {
  return page.evaluate(async () => {
    let worst = 0;
    const watch = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) worst = Math.max(worst, entry.duration);
    });
    watch.observe({ type: 'longtask', buffered: false });
    const scroller = [...document.querySelectorAll('[role=grid] *')].find((element) => element.scrollHeight > element.clientHeight + 100);
    for (let i = 0; i <= 60; i++) {
      scroller?.scrollTo(0, (scroller.scrollHeight * i) / 60);
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    watch.disconnect();
    return worst;
  });
}
